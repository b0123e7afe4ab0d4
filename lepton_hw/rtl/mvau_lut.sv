// Matrix-vector unit without multipliers: any weights and activations from 1 bit up.
//
// Every input vector of MW elements, SIMD a beat, is multiplied by a matrix of MH rows, PE at a
// time: (MW/SIMD)*(MH/PE) cycles a vector. FINN's MVAU without thresholds; see `dot` for formats.
//
// Weights are embedded or streamed, see `weight_planes`.

module mvau_lut #(
    int unsigned MW,
    int unsigned MH,
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

    localparam int unsigned IN_BYTES = (SIMD * A_BITS + 7) / 8,
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

    localparam int unsigned FOLD = MW / SIMD;
    localparam int unsigned GROUPS = MH / PE;

    logic [SIMD*A_BITS-1:0] beat;
    logic beat_valid, beat_last, en;
    wire step = beat_valid && en && (EMBEDDED || weight_valid);
    assign weight_ready = !EMBEDDED && beat_valid && en;

    repeat_buffer #(.LENGTH(FOLD), .TIMES(GROUPS), .BITS(SIMD * A_BITS)) vector (
        .clk, .rst,
        .in_data(in_data[SIMD*A_BITS-1:0]), .in_valid, .in_ready,
        .out_data(beat), .out_valid(beat_valid), .out_last(beat_last),
        .out_ready(en && (EMBEDDED || weight_valid))
    );

    logic [A_BITS-1:0][SIMD-1:0] a;
    logic [PE-1:0][W_BITS-1:0][SIMD-1:0] w;
    logic valid;
    logic last;
    always_ff @(posedge clk) begin
        if (rst) valid <= 1'b0;
        else if (en) valid <= step;
        if (step) begin
            last <= beat_last;
            for (int unsigned i = 0; i < SIMD; i++)
                for (int unsigned j = 0; j < A_BITS; j++) a[j][i] <= beat[i*A_BITS+j];
        end
    end

    weight_planes #(
        .PE(PE), .SIMD(SIMD), .W_BITS(W_BITS), .DEPTH(FOLD * GROUPS), .EMBEDDED(EMBEDDED),
        .FILE(FILE), .STYLE(STYLE)
    ) weights (.clk, .rst, .step, .streamed(weight_data[PE*SIMD*W_BITS-1:0]), .w);

    logic [PE-1:0][SUM_BITS-1:0] sums;
    dot_rows #(
        .ROWS(PE), .LANES(1), .N(SIMD), .FOLD(FOLD), .A_BITS(A_BITS), .W_BITS(W_BITS),
        .A_KIND(A_KIND), .W_KIND(W_KIND), .SUM_BITS(SUM_BITS),
        .AGAIN(EMBEDDED && STYLE == "block")
    ) rows (
        .clk, .rst, .en, .a_in(a), .w_in(w), .valid_in(valid), .last_in(last),
        .sums, .sums_valid(out_valid), .sums_ready(out_ready)
    );
    assign out_data = (8*OUT_BYTES)'(sums);

endmodule
