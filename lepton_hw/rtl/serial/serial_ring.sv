// Bytes in a ring of block RAM, by position modulo 2^16; the read follows its position by a cycle.

module serial_ring #(
    int unsigned DEPTH = 2048  // a power of two
) (
    input logic clk,

    input logic wr_en,
    input logic [15:0] wr_at,
    input logic [7:0] wr_data,

    input  logic [15:0] rd_at,
    output logic [7:0] rd_data
);

    localparam int unsigned BITS = $clog2(DEPTH);

    logic [7:0] memory[DEPTH];

    always_ff @(posedge clk) begin
        if (wr_en) memory[wr_at[BITS-1:0]] <= wr_data;
        rd_data <= memory[rd_at[BITS-1:0]];
    end

endmodule
