// Sum of COUNT numbers modulo 2^BITS, up to `dot_pkg::FAN_IN` of them in each clock cycle.
//
// A single number passes unchanged and without a register; all registers stop with `en`.

module sum_pipeline #(
    int unsigned COUNT,
    int unsigned BITS
) (
    input  logic clk,
    input  logic en,
    input  logic [COUNT-1:0][BITS-1:0] addends,
    output logic [BITS-1:0] sum
);

    if (COUNT == 1) begin : genNone
        assign sum = addends[0];
    end else begin : genLevel
        localparam int unsigned FAN_IN = dot_pkg::FAN_IN;
        localparam int unsigned GROUPS = (COUNT + FAN_IN - 1) / FAN_IN;
        logic [GROUPS-1:0][BITS-1:0] group_sum;
        for (genvar g = 0; g < GROUPS; g++) begin : genGroup
            localparam int unsigned FIRST = g * FAN_IN;
            localparam int unsigned SIZE = COUNT - FIRST < FAN_IN ? COUNT - FIRST : FAN_IN;
            logic [BITS-1:0] now;
            always_comb begin
                now = '0;
                for (int unsigned i = 0; i < SIZE; i++) now += addends[FIRST + i];
            end
            always_ff @(posedge clk) if (en) group_sum[g] <= now;
        end : genGroup
        sum_pipeline #(.COUNT(GROUPS), .BITS(BITS)) rest (.clk, .en, .addends(group_sum), .sum);
    end : genLevel

endmodule
