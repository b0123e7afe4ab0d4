// A word of a constant table for every index, one a cycle; FILE as for $readmemh.
//
// Indices of DEPTH and above give unspecified words.

module lookup #(
    int unsigned DEPTH,
    int unsigned INDEX_BITS,
    int unsigned BITS,
    parameter FILE = "",
    parameter STYLE = "auto",

    localparam int unsigned IN_BYTES = (INDEX_BITS + 7) / 8,
    localparam int unsigned OUT_BYTES = (BITS + 7) / 8
) (
    input  logic clk,
    input  logic rst,

    input  logic [8*IN_BYTES-1:0] in_data,
    input  logic in_valid,
    output logic in_ready,

    output logic [8*OUT_BYTES-1:0] out_data,
    output logic out_valid,
    input  logic out_ready
);

    localparam int unsigned DEPTH_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam int unsigned ADDRESS_BITS = INDEX_BITS < DEPTH_BITS ? INDEX_BITS : DEPTH_BITS;

`ifdef __slang__  // as in `weight_rom`
    localparam NAMED = STYLE == "distributed" ? "logic" : STYLE;
`else
    localparam NAMED = STYLE;
`endif
    (* rom_style = NAMED *)
    logic [BITS-1:0] memory[DEPTH];
    initial $readmemh(FILE, memory);

    logic [BITS-1:0] word;
    assign in_ready = !out_valid || out_ready;
    assign out_data = (8*OUT_BYTES)'(word);

    always_ff @(posedge clk) begin
        if (rst) out_valid <= 1'b0;
        else if (in_ready) out_valid <= in_valid;
        if (in_ready) word <= memory[in_data[ADDRESS_BITS-1:0]];
    end

endmodule
