// Indices of the K largest of LABELS numbers, largest first, lower index first among equals.
//
// PE numbers come a beat; K beats of one index leave. A vector takes max(LABELS/PE, K) cycles: a
// tree of merges, one level a cycle, then a list that is kept over the beats of a vector.

module label_select import dot_pkg::*; #(
    int unsigned LABELS,
    int unsigned PE,
    int unsigned K,
    int unsigned BITS,
    int unsigned KIND,
    int unsigned OUT_BITS,

    localparam int unsigned IN_BYTES = (PE * BITS + 7) / 8,
    localparam int unsigned OUT_BYTES = (OUT_BITS + 7) / 8
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

    localparam int unsigned INDEX_BITS = LABELS > 1 ? $clog2(LABELS) : 1;
    localparam int unsigned KEY_BITS = BITS + 1;  // the top bit is set in every number
    localparam int unsigned ENTRY_BITS = KEY_BITS + INDEX_BITS;
    localparam int unsigned LEVELS = PE > 1 ? $clog2(PE) : 0;
    localparam int unsigned LANES = 1 << LEVELS;
    localparam int unsigned COUNT_BITS = $clog2(K + 1);
    // Two's complement in the order of unsigned numbers.
    localparam logic [BITS-1:0] FLIP = BITS'(KIND == SIGNED || KIND == TERNARY) << (BITS - 1);
    typedef logic [K-1:0][ENTRY_BITS-1:0] list_t;

    logic en;
    assign in_ready = en;

    logic [INDEX_BITS-1:0] base;  // index of the first number of the beat
    wire last = base == INDEX_BITS'(LABELS - PE);
    always_ff @(posedge clk) begin
        if (rst) base <= '0;
        else if (in_valid && en) base <= last ? '0 : base + INDEX_BITS'(PE);
    end

    list_t [LANES-1:0] level[LEVELS+1];
    for (genvar i = 0; i < LANES; i++) begin : genLane
        if (i < PE) begin : genNumber
            wire [BITS-1:0] key = in_data[i*BITS+:BITS] ^ FLIP;
            assign level[0][i] = (K*ENTRY_BITS)'({1'b1, key, base + INDEX_BITS'(i)});
        end else begin : genEmpty
            assign level[0][i] = '0;
        end
    end : genLane

    logic [LEVELS:0] valids, lasts;
    assign valids[0] = in_valid;
    assign lasts[0] = last;
    for (genvar l = 1; l <= LEVELS; l++) begin : genLevel
        localparam int unsigned LENGTH = K < (1 << (l - 1)) ? K : 1 << (l - 1);
        for (genvar i = 0; i < LANES; i++) begin : genPair
            if (i < (LANES >> l)) begin : genMerge
                list_t merged;
                topk_merge #(
                    .K(K), .LENGTH(LENGTH), .KEY_BITS(KEY_BITS), .INDEX_BITS(INDEX_BITS)
                ) pair (.a(level[l-1][2*i]), .b(level[l-1][2*i+1]), .merged);
                always_ff @(posedge clk) if (en) level[l][i] <= merged;
            end else begin : genNone
                assign level[l][i] = '0;
            end
        end : genPair
        always_ff @(posedge clk) begin
            if (rst) valids[l] <= 1'b0;
            else if (en) valids[l] <= valids[l-1];
            if (en) lasts[l] <= lasts[l-1];
        end
    end : genLevel

    list_t best, next_best;
    logic start;  // the next beat is the first of a vector
    logic full;  // `best` is final
    logic [COUNT_BITS-1:0] left;  // indices still to leave
    topk_merge #(
        .K(K), .LENGTH(K < LANES ? K : LANES), .KEY_BITS(KEY_BITS), .INDEX_BITS(INDEX_BITS)
    ) total (.a(start ? '0 : best), .b(level[LEVELS][0]), .merged(next_best));

    wire take = out_valid && out_ready;
    wire load = full && (left == '0 || (left == COUNT_BITS'(1) && take));
    assign en = !full || load;

    always_ff @(posedge clk) begin
        if (rst) begin
            start <= 1'b1;
            full <= 1'b0;
        end else if (en) begin
            full <= valids[LEVELS] && lasts[LEVELS];
            if (valids[LEVELS]) start <= lasts[LEVELS];
        end
        if (en && valids[LEVELS]) best <= next_best;
    end

    logic [K-1:0][INDEX_BITS-1:0] indices;
    always_ff @(posedge clk) begin
        if (rst) left <= '0;
        else if (load) left <= COUNT_BITS'(K);
        else if (take) left <= left - 1'b1;
        if (load) for (int unsigned i = 0; i < K; i++) indices[i] <= best[i][INDEX_BITS-1:0];
        else if (take) indices <= indices >> INDEX_BITS;
    end
    assign out_valid = left != '0;
    assign out_data = (8*OUT_BYTES)'(indices[0]);

endmodule
