// The matrix-vector unit's arithmetic alone, for the comparison with `plain_mvau`.

module dot_only import dot_pkg::*; #(
    int unsigned PE,
    int unsigned SIMD,
    int unsigned A_BITS,
    int unsigned W_BITS,
    int unsigned A_KIND,
    int unsigned W_KIND,
    int unsigned SUM_BITS
) (
    input  logic clk,
    input  logic rst,
    input  logic [A_BITS-1:0][SIMD-1:0] a,
    input  logic [PE-1:0][W_BITS-1:0][SIMD-1:0] w,
    input  logic valid,
    input  logic ready,
    output logic [PE-1:0][SUM_BITS-1:0] sums,
    output logic sums_valid
);
    logic en;
    dot_rows #(
        .ROWS(PE), .LANES(1), .N(SIMD), .FOLD(1), .A_BITS(A_BITS), .W_BITS(W_BITS),
        .A_KIND(A_KIND), .W_KIND(W_KIND), .SUM_BITS(SUM_BITS)
    ) rows (
        .clk, .rst, .en, .a_in(a), .w_in(w), .valid_in(valid), .last_in(1'b1),
        .sums, .sums_valid, .sums_ready(ready)
    );
endmodule
