// Sum of N addends with a latency of DEPTH cycles; same module, parameters and timing as FINN's
// add_multi, whose adder tree computes a constant in a way that Verilator and slang refuse.
//
// The sum is formed in one step and then delayed: as all registers of a tree level load together,
// where in the tree they stand cannot be seen from outside. The first min(DEPTH, ceil(log2 N))
// stages stop with `en`, later ones do not, as in FINN's. Arguments are signed if ARG_LO < 0.

module add_multi import mvu_pkg::*; #(
    int unsigned N,
    int unsigned DEPTH,
    int unsigned ARG_WIDTH,
    int ARG_LO = 0,
    int ARG_HI = 0,
    bit RESET_ZERO = 1,

    localparam int unsigned SUM_WIDTH = sumwidth(N, ARG_WIDTH, ARG_LO, ARG_HI)
) (
    input  logic clk,
    input  logic rst,
    input  logic en,
    input  logic [ARG_WIDTH-1:0] arg[N],
    output logic [SUM_WIDTH-1:0] sum
);

    localparam int unsigned LEVELS = $clog2(N);
    localparam int unsigned GATED = LEVELS < DEPTH ? LEVELS : DEPTH;
    localparam int unsigned FREE = DEPTH - GATED;
    localparam bit SIGNED = ARG_LO < 0;
    // One argument may be wider than the sum when its range is narrower than its bits.
    localparam int unsigned WIDE = SUM_WIDTH > ARG_WIDTH ? SUM_WIDTH : ARG_WIDTH + 1;

    logic [WIDE-1:0] total;
    always_comb begin
        total = '0;
        for (int unsigned i = 0; i < N; i++)
            total += {{(WIDE - ARG_WIDTH){SIGNED && arg[i][ARG_WIDTH-1]}}, arg[i]};
    end

    logic [SUM_WIDTH-1:0] after_gated;
    if (GATED == 0) assign after_gated = total[SUM_WIDTH-1:0];
    else begin : genGated
        logic [SUM_WIDTH-1:0] stage[GATED] = '{default: '0};
        always_ff @(posedge clk) begin
            if (rst) stage <= '{default: '0};
            else if (en) begin
                stage[0] <= total[SUM_WIDTH-1:0];
                for (int unsigned i = 1; i < GATED; i++) stage[i] <= stage[i-1];
            end
        end
        assign after_gated = stage[GATED-1];
    end : genGated

    if (FREE == 0) assign sum = after_gated;
    else begin : genFree
        logic [SUM_WIDTH-1:0] stage[FREE] = '{default: '0};
        always_ff @(posedge clk) begin
            if (rst) stage <= '{default: '0};
            else begin
                stage[0] <= after_gated;
                for (int unsigned i = 1; i < FREE; i++) stage[i] <= stage[i-1];
            end
        end
        assign sum = stage[FREE-1];
    end : genFree

endmodule : add_multi
