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

    (* rom_style = STYLE *)
    logic [BITS-1:0] memory[DEPTH];
    initial $readmemh(FILE, memory);

    logic [ADDRESS_BITS-1:0] address;
    always_ff @(posedge clk) begin
        if (rst) address <= '0;
        else if (next) address <= address == ADDRESS_BITS'(DEPTH - 1) ? '0 : address + 1'b1;
        if (next) word <= memory[address];
    end

endmodule
