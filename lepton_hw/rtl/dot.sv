// Dot product of N activations and N weights without multipliers, from their bit planes.
//
// Plane j holds bit j of all elements, so that the sum over i of a[i]*w[i] is the sum over j and k
// of 2^(j+k) times the number of ones in a[j] & w[k]. Synthesis compresses the bits of one stage
// as one matrix, which takes about half the LUTs of products that go into an adder tree.
//
// The factor of a BIPOLAR operand is not gated but sign-selected:
//   BIPOLAR x BIPOLAR   number of equal bits (not the sum of products), as FINN defines it
//   a x BIPOLAR         2*sum(a where w is +1) - sum(a); the last part is COMMON. With a of one or
//                       two bits, tables of six inputs give the sum of three or two elements
//   BIPOLAR x w         -w is ~w + 1: w XNOR a, plus the number of -1 in a; the last is COMMON
//   a x TERNARY         (a ^ negative) & nonzero, plus the number of negative weights
//
// All sums are modulo 2^SUM_BITS. `dot_pkg::latency(N, A_BITS*W_BITS)` cycles, all stop with `en`.

module dot import dot_pkg::*; #(
    int unsigned N,
    int unsigned A_BITS,
    int unsigned W_BITS,
    int unsigned A_KIND,
    int unsigned W_KIND,
    int unsigned SUM_BITS,
    int unsigned PART = ALL
) (
    input  logic clk,
    input  logic en,
    input  logic [A_BITS-1:0][N-1:0] a,
    input  logic [W_BITS-1:0][N-1:0] w,
    output logic [SUM_BITS-1:0] sum
);

    localparam int unsigned CHUNK = chunk(N, A_BITS * W_BITS);
    localparam int unsigned CHUNKS = (N + CHUNK - 1) / CHUNK;
    typedef logic [SUM_BITS-1:0] sum_t;

    logic [CHUNKS-1:0][SUM_BITS-1:0] part;
    for (genvar c = 0; c < CHUNKS; c++) begin : genChunk
        localparam int unsigned FIRST = c * CHUNK;
        localparam int unsigned SIZE = N - FIRST < CHUNK ? N - FIRST : CHUNK;
        logic [A_BITS-1:0][SIZE-1:0] x;
        logic [W_BITS-1:0][SIZE-1:0] y;
        for (genvar j = 0; j < A_BITS; j++) begin : genA
            assign x[j] = a[j][FIRST +: SIZE];
        end
        for (genvar k = 0; k < W_BITS; k++) begin : genW
            assign y[k] = w[k][FIRST +: SIZE];
        end
        sum_t now;
        dot_chunk #(
            .N(SIZE), .A_BITS(A_BITS), .W_BITS(W_BITS), .A_KIND(A_KIND), .W_KIND(W_KIND),
            .SUM_BITS(SUM_BITS), .PART(PART)
        ) chunk_sum (.a(x), .w(y), .sum(now));
        always_ff @(posedge clk) if (en) part[c] <= now;
    end : genChunk

    sum_pipeline #(.COUNT(CHUNKS), .BITS(SUM_BITS)) total (.clk, .en, .addends(part), .sum);

endmodule
