// Pools beats of PE elements: their maximum, their sum, or their average, element by element.
//
// Takes a beat a cycle. GROUPS streams of beats take turns (group 0, 1, … GROUPS-1, 0, …); after
// COUNT rounds, a beat a group leaves. GROUPS 1 pools windows of COUNT beats, as a depthwise
// sliding window sends them; GROUPS = channels/PE and COUNT = pixels pools whole images.
//
// A sum is shifted right by SHIFT (rounding down) and divided by DIVISOR (rounding to 0).
// KIND is a format of `dot_pkg`; sums of BIPOLAR elements are signed. The maximum of BIPOLAR
// elements is that of their codes: UNSIGNED.

module pool import dot_pkg::*; #(
    int unsigned PE,
    int unsigned COUNT,
    int unsigned GROUPS = 1,
    int unsigned IN_BITS,
    int unsigned KIND,
    bit MAXIMUM,
    int unsigned SUM_BITS,
    int unsigned OUT_BITS,
    int unsigned SHIFT = 0,
    int unsigned DIVISOR = 1,

    localparam int unsigned IN_BYTES = (PE * IN_BITS + 7) / 8,
    localparam int unsigned OUT_BYTES = (PE * OUT_BITS + 7) / 8
) (
    input  logic clk,
    input  logic rst,

    input  logic [8*IN_BYTES-1:0] in_data,
    input  logic in_valid,
    output logic in_ready,

    output logic [8*OUT_BYTES-1:0] out_data,
    output logic out_valid,
    input  logic out_ready
);

    localparam int unsigned ROUND_BITS = COUNT > 1 ? $clog2(COUNT) : 1;
    localparam int unsigned GROUP_BITS = GROUPS > 1 ? $clog2(GROUPS) : 1;
    localparam bit SIGNED_SUM = KIND != UNSIGNED;

    // Where in the rounds the next beat is.
    logic [ROUND_BITS-1:0] count;
    logic [GROUP_BITS-1:0] group;
    wire first = count == '0;
    wire last = count == ROUND_BITS'(COUNT - 1);
    wire last_group = group == GROUP_BITS'(GROUPS - 1);

    // Only a beat that completes a result waits for the previous result to leave.
    logic [PE-1:0][SUM_BITS-1:0] totals;
    logic totals_valid;
    logic totals_ready;
    assign in_ready = !last || !totals_valid || totals_ready;
    wire take = in_valid && in_ready;

    always_ff @(posedge clk) begin
        if (rst) begin
            count <= '0;
            group <= '0;
        end else if (take) begin
            group <= last_group ? '0 : group + 1'b1;
            if (last_group) count <= last ? '0 : count + 1'b1;
        end
    end

    logic [PE-1:0][SUM_BITS-1:0] partial, now;
    for (genvar p = 0; p < PE; p++) begin : genLane
        wire [IN_BITS-1:0] code = in_data[p*IN_BITS+:IN_BITS];
        logic [SUM_BITS-1:0] element;
        logic larger;
        always_comb begin
            element = SUM_BITS'(code);
            larger = element > partial[p];
            if (KIND == SIGNED) begin
                element = SUM_BITS'(signed'(code));
                larger = signed'(element) > signed'(partial[p]);
            end else if (KIND == BIPOLAR) element = code[0] ? SUM_BITS'(1) : '1;
        end
        assign now[p] = MAXIMUM ? (first || larger ? element : partial[p])
            : element + (first ? SUM_BITS'(0) : partial[p]);
    end : genLane

    // What the groups have so far.
    if (GROUPS == 1) begin : genRegister
        always_ff @(posedge clk) if (take) partial <= now;
    end else begin : genMemory
        logic [PE*SUM_BITS-1:0] memory[GROUPS];
        assign partial = memory[group];
        always_ff @(posedge clk) if (take) memory[group] <= now;
    end

    always_ff @(posedge clk) begin
        if (rst) totals_valid <= 1'b0;
        else if (take && last) totals_valid <= 1'b1;
        else if (totals_ready) totals_valid <= 1'b0;
        if (take && last) totals <= now;
    end

    if (DIVISOR == 1) begin : genShift
        logic [PE-1:0][OUT_BITS-1:0] results;
        for (genvar p = 0; p < PE; p++) begin : genResult
            assign results[p] = SIGNED_SUM
                ? OUT_BITS'(signed'(totals[p]) >>> SHIFT) : OUT_BITS'(totals[p] >> SHIFT);
        end
        assign out_data = (8*OUT_BYTES)'(results);
        assign out_valid = totals_valid;
        assign totals_ready = out_ready;
    end else begin : genDivide
        // Division of |sum| < 2^SUM_BITS by a constant d as a multiplication by its reciprocal m,
        // scaled by 2^(SUM_BITS + l), where 2^l >= d: exact for m = floor(2^(SUM_BITS+l)/d) + 1
        // (Granlund and Montgomery, "Division by Invariant Integers", 1994, theorem 4.2).
        localparam int unsigned SCALE = SUM_BITS + $clog2(DIVISOR);
        localparam longint unsigned RECIPROCAL = (64'd1 << SCALE) / 64'(DIVISOR) + 1;
        localparam int unsigned PRODUCT_BITS = 2 * SUM_BITS + 2;

        logic [PE-1:0][OUT_BITS-1:0] results;
        for (genvar p = 0; p < PE; p++) begin : genResult
            wire negative = SIGNED_SUM && totals[p][SUM_BITS-1];
            wire [SUM_BITS-1:0] magnitude = negative ? -totals[p] : totals[p];
            wire [PRODUCT_BITS-1:0] product =
                PRODUCT_BITS'(magnitude) * PRODUCT_BITS'(RECIPROCAL);
            wire [SUM_BITS-1:0] quotient = SUM_BITS'(product >> SCALE);
            always_ff @(posedge clk)
                if (totals_ready) results[p] <= OUT_BITS'(negative ? -quotient : quotient);
        end
        logic valid;
        always_ff @(posedge clk) begin
            if (rst) valid <= 1'b0;
            else if (totals_ready) valid <= totals_valid;
        end
        assign totals_ready = !valid || out_ready;
        assign out_data = (8*OUT_BYTES)'(results);
        assign out_valid = valid;
    end

endmodule
