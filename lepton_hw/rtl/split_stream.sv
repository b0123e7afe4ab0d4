// One stream cut along the channels: BEATS[i] beats to output i, then to the next one.

module split_stream #(
    int unsigned N,
    int unsigned BITS,
    bit [N-1:0][31:0] BEATS,

    localparam int unsigned BYTES = (BITS + 7) / 8
) (
    input  logic clk,
    input  logic rst,

    input  logic [8*BYTES-1:0] in_data,
    input  logic in_valid,
    output logic in_ready,

    output logic [N-1:0][8*BYTES-1:0] out_data,
    output logic [N-1:0] out_valid,
    input  logic [N-1:0] out_ready
);

    localparam int unsigned TURN_BITS = N > 1 ? $clog2(N) : 1;

    logic [TURN_BITS-1:0] turn;
    stream_turns #(.N(N), .BEATS(BEATS)) turns (.clk, .rst, .move(in_valid && in_ready), .turn);

    assign in_ready = out_ready[turn];
    assign out_data = {N{in_data}};
    for (genvar i = 0; i < N; i++) begin : genStream
        assign out_valid[i] = in_valid && turn == TURN_BITS'(i);
    end : genStream

endmodule
