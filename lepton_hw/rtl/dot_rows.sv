// ROWS dot products side by side, each accumulated over the beats up to `last`.
//
// Lane r of `a` belongs to row r, or lane 0 to all rows where LANES is 1 (a matrix). What depends
// on the shared activations alone is then computed once. FOLD is the number of beats in a sum.
// Everything stops while a result waits: `en` is low. With AGAIN the operands pass one more register:
// words of a block RAM come late in the cycle, and from a few places of the device only.

module dot_rows import dot_pkg::*; #(
    int unsigned ROWS,
    int unsigned LANES,
    int unsigned N,
    int unsigned FOLD,
    int unsigned A_BITS,
    int unsigned W_BITS,
    int unsigned A_KIND,
    int unsigned W_KIND,
    int unsigned SUM_BITS,
    bit AGAIN = 0
) (
    input  logic clk,
    input  logic rst,
    output logic en,

    input  logic [LANES-1:0][A_BITS-1:0][N-1:0] a_in,
    input  logic [ROWS-1:0][W_BITS-1:0][N-1:0] w_in,
    input  logic valid_in,
    input  logic last_in,

    output logic [ROWS-1:0][SUM_BITS-1:0] sums,
    output logic sums_valid,
    input  logic sums_ready
);

    localparam int unsigned LATENCY = latency(N, A_BITS * W_BITS);
    localparam bit SHARED = LANES == 1 && ROWS > 1 && has_common(A_BITS, A_KIND, W_KIND);

    assign en = !sums_valid || sums_ready;

    logic [LANES-1:0][A_BITS-1:0][N-1:0] a;
    logic [ROWS-1:0][W_BITS-1:0][N-1:0] w;
    logic valid, last;
    if (AGAIN) begin : genAgain
        always_ff @(posedge clk) begin
            if (rst) valid <= 1'b0;
            else if (en) valid <= valid_in;
            if (en) begin
                a <= a_in;
                w <= w_in;
                last <= last_in;
            end
        end
    end else begin : genOnce
        assign a = a_in, w = w_in, valid = valid_in, last = last_in;
    end

    logic [LATENCY-1:0] pass_valid;
    logic [LATENCY-1:0] pass_last;
    always_ff @(posedge clk) begin
        if (rst) pass_valid <= '0;
        else if (en) begin
            pass_valid <= LATENCY'({pass_valid, valid});
            pass_last <= LATENCY'({pass_last, last});
        end
    end
    wire now_valid = pass_valid[LATENCY-1];
    wire now_last = FOLD == 1 || pass_last[LATENCY-1];
    // A sum of one beat may be anything while it is not valid.
    wire add = en && (FOLD == 1 || now_valid);

    logic start;  // the next beat is the first of a sum
    logic done;  // the accumulators hold a sum
    always_ff @(posedge clk) begin
        if (rst) begin
            start <= 1'b1;
            done <= 1'b0;
        end else if (en) begin
            done <= now_valid && now_last;
            if (now_valid) start <= now_last;
        end
    end

    logic [ROWS-1:0][SUM_BITS-1:0] totals;
    for (genvar r = 0; r < ROWS; r++) begin : genRow
        logic [SUM_BITS-1:0] now;
        dot #(
            .N(N), .A_BITS(A_BITS), .W_BITS(W_BITS), .A_KIND(A_KIND), .W_KIND(W_KIND),
            .SUM_BITS(SUM_BITS), .PART(SHARED ? PRODUCTS : ALL)
        ) row (.clk, .en, .a(a[LANES == 1 ? 0 : r]), .w(w[r]), .sum(now));
        accumulator #(.BITS(SUM_BITS), .FOLD(FOLD)) total (
            .clk, .en(add), .start, .addend(now), .sum(totals[r])
        );
    end : genRow

    if (SHARED) begin : genShared
        logic [SUM_BITS-1:0] now, common;
        logic valid_sums;
        dot #(
            .N(N), .A_BITS(A_BITS), .W_BITS(W_BITS), .A_KIND(A_KIND), .W_KIND(W_KIND),
            .SUM_BITS(SUM_BITS), .PART(COMMON)
        ) row (.clk, .en, .a(a[0]), .w('0), .sum(now));
        accumulator #(.BITS(SUM_BITS), .FOLD(FOLD)) total (
            .clk, .en(add), .start, .addend(now), .sum(common)
        );
        always_ff @(posedge clk) begin
            if (rst) valid_sums <= 1'b0;
            else if (en) valid_sums <= done;
            if (en) for (int unsigned r = 0; r < ROWS; r++) sums[r] <= totals[r] + common;
        end
        assign sums_valid = valid_sums;
    end else begin : genOwn
        assign sums = totals;
        assign sums_valid = done;
    end

endmodule
