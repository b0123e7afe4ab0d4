// UART transmitter, 8N1, DIVISOR cycles to a bit.

module uart_tx #(
    int unsigned DIVISOR = 16
) (
    input logic clk,
    input logic rst,

    input  logic [7:0] data,
    input  logic valid,
    output logic ready,

    output wire tx
);

    localparam int unsigned BITS = $clog2(DIVISOR + 1);
    typedef logic [BITS-1:0] count_t;

    logic line = 1'b1;  // idle from configuration on, not only from reset
    logic [8:0] shift;  // what follows the bit that stands on the line, the stop bit last
    logic [3:0] left;
    count_t wait_for;

    assign tx = line;
    assign ready = left == '0;

    always_ff @(posedge clk) begin
        if (rst) begin
            line <= 1'b1;
            left <= '0;
        end else if (ready) begin
            if (valid) begin
                line <= 1'b0;
                shift <= {1'b1, data};
                left <= 4'd10;
                wait_for <= count_t'(DIVISOR - 1);
            end
        end else if (wait_for != '0) begin
            wait_for <= wait_for - 1'b1;
        end else begin
            line <= shift[0];
            shift <= {1'b1, shift[8:1]};
            left <= left - 1'b1;
            wait_for <= count_t'(DIVISOR - 1);
        end
    end

endmodule
