// N streams joined along the channels: BEATS[i] beats of stream i, then those of the next one.
//
// A beat has SIMD elements of BITS[i] bits in the format KINDS[i] (see `dot_pkg`), at the output
// of OUT_BITS bits in two's complement. Stream i begins at bit OFFSETS[i] of `in_data`, and
// OFFSETS[N] is the end of the last one.

module concat_streams #(
    int unsigned N,
    int unsigned SIMD,
    int unsigned OUT_BITS,
    bit [N-1:0][31:0] BEATS,
    bit [N-1:0][31:0] BITS,
    bit [N-1:0][31:0] KINDS,
    bit [N:0][31:0] OFFSETS,

    localparam int unsigned OUT_BYTES = (SIMD * OUT_BITS + 7) / 8
) (
    input  logic clk,
    input  logic rst,

    input  logic [OFFSETS[N]-1:0] in_data,
    input  logic [N-1:0] in_valid,
    output logic [N-1:0] in_ready,

    output logic [8*OUT_BYTES-1:0] out_data,
    output logic out_valid,
    input  logic out_ready
);

    localparam int unsigned TURN_BITS = N > 1 ? $clog2(N) : 1;

    logic [TURN_BITS-1:0] turn;
    wire en = !out_valid || out_ready;
    wire move = in_valid[turn] && en;
    stream_turns #(.N(N), .BEATS(BEATS)) turns (.clk, .rst, .move, .turn);

    logic [N-1:0][SIMD-1:0][OUT_BITS-1:0] wide;
    for (genvar i = 0; i < N; i++) begin : genStream
        assign in_ready[i] = en && turn == TURN_BITS'(i);
        for (genvar j = 0; j < SIMD; j++) begin : genElement
            widen #(.BITS(BITS[i]), .KIND(KINDS[i]), .OUT_BITS(OUT_BITS)) element (
                .code(in_data[OFFSETS[i]+j*BITS[i]+:BITS[i]]), .value(wide[i][j])
            );
        end
    end : genStream

    always_ff @(posedge clk) begin
        if (rst) out_valid <= 1'b0;
        else if (en) out_valid <= move;
        if (en) out_data <= (8*OUT_BYTES)'(wide[turn]);
    end

endmodule
