// Weights in a read-only memory that is read in order, over and over; FILE as for $readmemh.
//
// `word` holds the word read by the latest `next`.

module weight_rom #(
    int unsigned DEPTH,
    int unsigned BITS,
    parameter FILE = "",
    parameter STYLE = "auto"
) (
    input  logic clk,
    input  logic rst,
    input  logic next,
    output logic [BITS-1:0] word
);

    localparam int unsigned ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;

`ifdef __slang__  // Yosys has "logic" for what Vivado calls "distributed"
    localparam NAMED = STYLE == "distributed" ? "logic" : STYLE;
`else
    localparam NAMED = STYLE;
`endif
    (* rom_style = NAMED *)
    logic [BITS-1:0] memory[DEPTH];
    initial $readmemh(FILE, memory);

    // The counter runs one word ahead, so that nothing but the memory reads `address`: with the
    // counter's logic on the same wires, Yosys finds four times as many LUTs.
    logic [ADDRESS_BITS-1:0] address, following;
        always_ff @(posedge clk) begin
        if (rst) begin
            address <= '0;
            following <= DEPTH > 1 ? ADDRESS_BITS'(1) : '0;
        end else if (next) begin
            address <= following;
            following <= following == ADDRESS_BITS'(DEPTH - 1) ? '0 : following + 1'b1;
        end
        if (next) word <= memory[address];
    end

endmodule
