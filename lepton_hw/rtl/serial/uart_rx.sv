// UART receiver, 8N1: a byte for one cycle, DIVISOR cycles to a bit (8 at least).
//
// A byte without a stop bit is dropped, and nothing begins before the line was high again.

module uart_rx #(
    int unsigned DIVISOR = 16
) (
    input logic clk,
    input logic rst,
    input logic rx,

    output logic [7:0] data,
    output logic valid
);

    localparam int unsigned BITS = $clog2(DIVISOR + 1);
    typedef logic [BITS-1:0] count_t;

    logic [2:0] line;  // two flip-flops against metastability, one more to see the edge
    logic [3:0] left;  // bits to come: start, eight of data, stop; 0 while idle
    count_t wait_for;
    logic quiet;  // the line was high since the last byte

    always_ff @(posedge clk) begin
        line <= rst ? '1 : {line[1:0], rx};
        valid <= 1'b0;
        if (rst) begin
            left <= '0;
            quiet <= 1'b0;
        end else if (left == '0) begin
            quiet <= quiet || line[2];
            if (quiet && !line[1]) begin
                left <= 4'd10;
                wait_for <= count_t'(DIVISOR / 2 - 1);
            end
        end else if (wait_for != '0) begin
            wait_for <= wait_for - 1'b1;
        end else begin
            wait_for <= count_t'(DIVISOR - 1);
            left <= left - 1'b1;
            if (left == 4'd10) begin
                if (line[1]) left <= '0;  // too short for a start bit
            end else if (left == 4'd1) begin
                valid <= line[1];
                quiet <= line[1];
            end else begin
                data <= {line[1], data[7:1]};
            end
        end
    end

endmodule
