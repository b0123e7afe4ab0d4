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

    logic [31:0] count;  // synthesis drops the bits that BEATS never reaches
    wire last = count == BEATS[turn] - 1;

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
