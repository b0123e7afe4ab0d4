// FIFO whose next word stands at the output, in RAM of the tool's choice; DEPTH is a power of two.

module shell_fifo #(
    int unsigned BITS  = 64,
    int unsigned DEPTH = 64
) (
    input logic clk,
    input logic rst,

    input  logic [BITS-1:0] in_data,
    input  logic in_valid,
    output logic in_ready,

    output logic [BITS-1:0] out_data,
    output logic out_valid,
    input  logic out_ready
);

    localparam int unsigned ADDRESS_BITS = $clog2(DEPTH);
    // Pointers have one more bit than addresses, which tells full from empty.
    typedef logic [ADDRESS_BITS:0] pointer_t;

    logic [BITS-1:0] memory[DEPTH];
    pointer_t write;
    pointer_t read;

    assign in_ready = pointer_t'(write - read) != pointer_t'(DEPTH);
    assign out_valid = write != read;
    assign out_data = memory[read[ADDRESS_BITS-1:0]];

    always_ff @(posedge clk) begin
        if (rst) begin
            write <= '0;
            read <= '0;
        end else begin
            if (in_valid && in_ready) write <= write + 1'b1;
            if (out_valid && out_ready) read <= read + 1'b1;
        end
        if (in_valid && in_ready) memory[write[ADDRESS_BITS-1:0]] <= in_data;
    end

endmodule
