// The weights of a matrix unit as bit planes, one word further with each `step`.
//
// They stand in a memory (FILE; bit (row*W_BITS + k)*SIMD + i of a word is bit k of weight i) or,
// where not EMBEDDED, come as a stream in FINN's order (bit (row*SIMD + i)*W_BITS + k).

module weight_planes #(
    int unsigned PE,
    int unsigned SIMD,
    int unsigned W_BITS,
    int unsigned DEPTH,
    bit EMBEDDED,
    parameter FILE = "",
    parameter STYLE = "auto"
) (
    input  logic clk,
    input  logic rst,
    input  logic step,
    input  logic [PE*SIMD*W_BITS-1:0] streamed,
    output logic [PE-1:0][W_BITS-1:0][SIMD-1:0] w
);

    if (EMBEDDED) begin : genMemory
        weight_rom #(
            .DEPTH(DEPTH), .BITS(PE * SIMD * W_BITS), .FILE(FILE), .STYLE(STYLE)
        ) words (.clk, .rst, .next(step), .word(w));
    end else begin : genStream
        always_ff @(posedge clk)
            if (step)
                for (int unsigned p = 0; p < PE; p++)
                    for (int unsigned i = 0; i < SIMD; i++)
                        for (int unsigned k = 0; k < W_BITS; k++)
                            w[p][k][i] <= streamed[(p*SIMD+i)*W_BITS+k];
    end

endmodule
