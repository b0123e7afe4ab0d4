// Whose turn it is among N streams that each move BEATS[i] beats, one stream after the other.

module stream_turns #(
    int unsigned N,
    bit [N-1:0][31:0] BEATS,

    localparam int unsigned TURN_BITS = N > 1 ? $clog2(N) : 1
) (
    input  logic clk,
    input  logic rst,
    input  logic move,
    output logic [TURN_BITS-1:0] turn
);

    function automatic int unsigned most();
        most = 2;
        for (int unsigned i = 0; i < N; i++) if (BEATS[i] > most) most = BEATS[i];
    endfunction

    localparam int unsigned COUNT_BITS = $clog2(most());
    typedef logic [COUNT_BITS-1:0] count_t;
    count_t count;
    count_t [N-1:0] ends;
    for (genvar i = 0; i < N; i++) begin : genEnd
        assign ends[i] = count_t'(BEATS[i] - 1);
    end : genEnd
    wire last = count == ends[turn];

    always_ff @(posedge clk) begin
        if (rst) begin
            turn <= '0;
            count <= '0;
        end else if (move) begin
            count <= last ? '0 : count + 1'b1;
            if (last) turn <= turn == TURN_BITS'(N - 1) ? '0 : turn + 1'b1;
        end
    end

endmodule
