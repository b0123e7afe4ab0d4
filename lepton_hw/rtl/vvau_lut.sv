// Depthwise convolution unit without multipliers: any weights and activations from 1 bit up.
//
// Each of CHANNELS channels has KERNEL weights of its own. A beat holds SIMD elements of the
// kernel, each of PE channels (channel innermost); channels change slowest:
// (KERNEL/SIMD)*(CHANNELS/PE) cycles a pixel. FINN's VVAU without thresholds; see `dot` for
// formats and `weight_planes` for the two ways of weights.

module vvau_lut #(
    int unsigned KERNEL,
    int unsigned CHANNELS,
    int unsigned PE,
    int unsigned SIMD,
    int unsigned A_BITS,
    int unsigned W_BITS,
    int unsigned A_KIND,
    int unsigned W_KIND,
    int unsigned SUM_BITS,
    bit EMBEDDED = 1,
    parameter FILE = "",
    parameter STYLE = "auto",

    localparam int unsigned IN_BYTES = (PE * SIMD * A_BITS + 7) / 8,
    localparam int unsigned WEIGHT_BYTES = (PE * SIMD * W_BITS + 7) / 8,
    localparam int unsigned OUT_BYTES = (PE * SUM_BITS + 7) / 8
) (
    input  logic clk,
    input  logic rst,

    input  logic [8*IN_BYTES-1:0] in_data,
    input  logic in_valid,
    output logic in_ready,

    input  logic [8*WEIGHT_BYTES-1:0] weight_data,
    input  logic weight_valid,
    output logic weight_ready,

    output logic [8*OUT_BYTES-1:0] out_data,
    output logic out_valid,
    input  logic out_ready
);

    localparam int unsigned FOLD = KERNEL / SIMD;
    localparam int unsigned GROUPS = CHANNELS / PE;
    localparam int unsigned COUNT_BITS = FOLD > 1 ? $clog2(FOLD) : 1;

    logic en;
    wire step = in_valid && en && (EMBEDDED || weight_valid);
    assign in_ready = en && (EMBEDDED || weight_valid);
    assign weight_ready = !EMBEDDED && in_valid && en;

    logic [PE-1:0][A_BITS-1:0][SIMD-1:0] a;
    logic [PE-1:0][W_BITS-1:0][SIMD-1:0] w;
    logic [COUNT_BITS-1:0] count;
    logic valid;
    logic last;
    wire at_end = count == COUNT_BITS'(FOLD - 1);
    always_ff @(posedge clk) begin
        if (rst) begin
            valid <= 1'b0;
            count <= '0;
        end else begin
            if (en) valid <= step;
            if (step) count <= at_end ? '0 : count + 1'b1;
        end
        if (step) begin
            last <= at_end;
            for (int unsigned i = 0; i < SIMD; i++)
                for (int unsigned p = 0; p < PE; p++)
                    for (int unsigned j = 0; j < A_BITS; j++)
                        a[p][j][i] <= in_data[(i*PE+p)*A_BITS+j];
        end
    end

    weight_planes #(
        .PE(PE), .SIMD(SIMD), .W_BITS(W_BITS), .DEPTH(FOLD * GROUPS), .EMBEDDED(EMBEDDED),
        .FILE(FILE), .STYLE(STYLE)
    ) weights (.clk, .rst, .step, .streamed(weight_data[PE*SIMD*W_BITS-1:0]), .w);

    logic [PE-1:0][SUM_BITS-1:0] sums;
    dot_rows #(
        .ROWS(PE), .LANES(PE), .N(SIMD), .FOLD(FOLD), .A_BITS(A_BITS), .W_BITS(W_BITS),
        .A_KIND(A_KIND), .W_KIND(W_KIND), .SUM_BITS(SUM_BITS),
        .AGAIN(EMBEDDED && STYLE == "block")
    ) rows (
        .clk, .rst, .en, .a_in(a), .w_in(w), .valid_in(valid), .last_in(last),
        .sums, .sums_valid(out_valid), .sums_ready(out_ready)
    );
    assign out_data = (8*OUT_BYTES)'(sums);

endmodule
