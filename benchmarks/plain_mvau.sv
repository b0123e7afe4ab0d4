// What the matrix-vector unit is measured against: products, then a plain adder tree of two inputs
// a node with a register after every level, as a textbook has it. Same operands, same folding.

module plain_tree #(
    int unsigned N,
    int unsigned BITS,
    bit REGISTERS
) (
    input  logic clk,
    input  logic en,
    input  logic signed [N-1:0][BITS-1:0] addends,
    output logic signed [BITS-1:0] sum
);
    if (N == 1) assign sum = addends[0];
    else begin : genLevel
        localparam int unsigned HALF = (N + 1) / 2;
        logic signed [HALF-1:0][BITS-1:0] level, now;
        for (genvar i = 0; i < HALF; i++) begin : genNode
            if (2 * i + 1 < N) assign now[i] = addends[2*i] + addends[2*i+1];
            else assign now[i] = addends[2*i];
        end
        if (REGISTERS) always_ff @(posedge clk) if (en) level <= now;
        if (!REGISTERS) assign level = now;
        plain_tree #(.N(HALF), .BITS(BITS), .REGISTERS(REGISTERS)) rest (
            .clk, .en, .addends(level), .sum
        );
    end
endmodule

// Formats as in `dot_pkg`: 0 unsigned, 1 signed, 2 bipolar, 3 ternary. Two bipolar operands count
// equal bits.
module plain_mvau #(
    int unsigned PE,
    int unsigned SIMD,
    int unsigned A_BITS,
    int unsigned W_BITS,
    int unsigned A_KIND,
    int unsigned W_KIND,
    int unsigned SUM_BITS,
    bit REGISTERS
) (
    input  logic clk,
    input  logic rst,
    input  logic [SIMD-1:0][A_BITS-1:0] a,
    input  logic [PE-1:0][SIMD-1:0][W_BITS-1:0] w,
    input  logic valid,
    input  logic ready,
    output logic [PE-1:0][SUM_BITS-1:0] sums,
    output logic sums_valid
);
    // The same stall as the unit's: everything stops while a result waits.
    localparam int unsigned LATENCY = (REGISTERS ? $clog2(SIMD) : 0) + 1;
    logic [LATENCY-1:0] pass;
    wire en = !sums_valid || ready;
    assign sums_valid = pass[LATENCY-1];
    always_ff @(posedge clk)
        if (rst) pass <= '0;
        else if (en) pass <= LATENCY'({pass, valid});

    typedef logic signed [SUM_BITS-1:0] sum_t;
    for (genvar p = 0; p < PE; p++) begin : genRow
        logic signed [SIMD-1:0][SUM_BITS-1:0] products;
        for (genvar i = 0; i < SIMD; i++) begin : genProduct
            wire signed [A_BITS:0] x = {A_KIND == 1 && a[i][A_BITS-1], a[i]};
            wire signed [W_BITS:0] y = {W_KIND != 0 && w[p][i][W_BITS-1], w[p][i]};
            if (A_KIND == 2 && W_KIND == 2) assign products[i] = sum_t'(a[i][0] ~^ w[p][i][0]);
            else if (W_KIND == 2) assign products[i] = w[p][i][0] ? sum_t'(x) : -sum_t'(x);
            else if (A_KIND == 2) assign products[i] = a[i][0] ? sum_t'(y) : -sum_t'(y);
            else assign products[i] = sum_t'(x * y);
        end
        logic signed [SUM_BITS-1:0] sum;
        plain_tree #(.N(SIMD), .BITS(SUM_BITS), .REGISTERS(REGISTERS)) tree (
            .clk, .en, .addends(products), .sum
        );
        always_ff @(posedge clk) if (en) sums[p] <= sum;
    end
endmodule
