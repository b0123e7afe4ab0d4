// Takes beats of IN_BYTES and writes their bytes to a buffer in bursts.
//
// A burst is announced only when the FIFO holds all of its words, so that its data never pause,
// and the next one is announced while they move. Bursts end on multiples of their longest length,
// hence never cross 4 KiB. After `stop` no burst begins and the words of begun ones carry no
// strobes; `drained` says that memory has answered everything, then `rst` may come.

module dma_write #(
    int unsigned ADDRESS_BITS = 32,
    int unsigned IN_BYTES     = 8,
    int unsigned MAX_BURST    = 16,  // a power of two, at most 256
    int unsigned DEPTH        = 64   // words of the FIFO, at least two bursts
) (
    input logic clk,
    input logic rst,
    input logic stop,
    output logic drained,

    input  logic go,
    input  logic [ADDRESS_BITS-1:0] address,
    input  logic [ADDRESS_BITS:0] bytes,
    output logic finished,
    output logic error,
    output logic [ADDRESS_BITS-1:0] error_address,

    output logic [ADDRESS_BITS-1:0] awaddr,
    output logic [7:0] awlen,
    output logic awvalid,
    input  logic awready,
    output logic [63:0] wdata,
    output logic [7:0] wstrb,
    output logic wlast,
    output logic wvalid,
    input  logic wready,
    input  logic [1:0] bresp,
    input  logic bvalid,
    output logic bready,

    input  logic [8*IN_BYTES-1:0] in_data,
    input  logic in_valid,
    output logic in_ready
);

    localparam int unsigned MAX_OPEN = 8;  // bursts that memory has not answered
    localparam int unsigned BEAT_BITS = $clog2(IN_BYTES + 1);
    localparam int unsigned INDEX_BITS = $clog2(MAX_BURST);
    localparam int unsigned ROOM_BITS = $clog2(DEPTH) + 1;
    typedef logic [ADDRESS_BITS-4:0] word_t;  // the address of a word
    typedef logic [ADDRESS_BITS-3:0] words_t;  // a number of words
    typedef logic [ADDRESS_BITS:0] bytes_t;
    typedef logic [ROOM_BITS-1:0] room_t;
    typedef logic [INDEX_BITS:0] burst_t;
    typedef logic [3:0] open_t;

    wire words_t words = words_t'((bytes + 7) >> 3);
    logic busy;

    // Beats to words.
    bytes_t missing;  // bytes that have not come
    wire beat_ready;
    wire wanted = missing != '0 && !stop;
    wire take = in_valid && in_ready;
    assign in_ready = beat_ready && wanted;

    wire [63:0] word;
    wire word_valid;
    wire word_ready;
    byte_gearbox #(
        .IN_BYTES (IN_BYTES),
        .OUT_BYTES(8)
    ) gearbox (
        .clk, .rst,
        .in_data, .in_bytes(BEAT_BITS'(IN_BYTES)),
        .in_last(missing == bytes_t'(IN_BYTES)), .in_valid(in_valid && wanted),
        .in_ready(beat_ready),
        .out_data(word), .out_bytes(), .out_last(), .out_valid(word_valid), .out_ready(word_ready)
    );

    wire [63:0] next_data;
    wire next_valid;
    wire load;  // a word moves into the W channel's register
    shell_fifo #(
        .BITS (64),
        .DEPTH(DEPTH)
    ) fifo (
        .clk, .rst,
        .in_data(word), .in_valid(word_valid), .in_ready(word_ready),
        .out_data(next_data), .out_valid(next_valid), .out_ready(load)
    );

    // Bursts.
    word_t next;
    words_t left;
    room_t waiting;   // words in the FIFO that no burst has claimed
    open_t owed;      // bursts announced whose last word is not in the W channel
    open_t unanswered;
    wire burst_t to_boundary = burst_t'(MAX_BURST) - burst_t'(next[INDEX_BITS-1:0]);
    wire burst_t burst = left < words_t'(to_boundary) ? burst_t'(left) : to_boundary;
    wire announce = left != '0 && waiting >= room_t'(burst) && !stop
        && unanswered != open_t'(MAX_OPEN) && (!awvalid || awready);
    wire answered = bvalid && bready;

    // The W channel counts its own bursts.
    logic [INDEX_BITS-1:0] index;
    words_t unsent;
    logic [7:0] tail;
    wire last = unsent == words_t'(1);
    wire burst_last = last || index == INDEX_BITS'(MAX_BURST - 1);
    assign load = owed != '0 && next_valid && (!wvalid || wready);

    word_t answering;  // where the burst begins that memory answers next

    assign bready = 1'b1;
    assign drained = !awvalid && !wvalid && owed == '0 && unanswered == '0;
    assign finished = busy && unsent == '0 && unanswered == '0;

    always_ff @(posedge clk) begin
        if (announce) begin
            awaddr <= {next, 3'b0};
            awlen <= 8'(burst) - 1'b1;
        end
        if (load) begin
            wdata <= next_data;
            wstrb <= stop ? '0 : last ? tail : '1;
            wlast <= burst_last;
        end
        error <= answered && bresp[1] && !rst;
        error_address <= {answering, 3'b0};

        if (go) begin
            next <= address[ADDRESS_BITS-1:3];
            index <= address[3+:INDEX_BITS];
            answering <= address[ADDRESS_BITS-1:3];
            unsent <= words;
            tail <= bytes[2:0] == '0 ? '1 : ~(8'hFF << bytes[2:0]);
        end else begin
            if (announce) next <= next + word_t'(burst);
            if (load) begin
                index <= index + 1'b1;
                unsent <= unsent - 1'b1;
            end
            if (answered) begin
                answering <= {answering[ADDRESS_BITS-4:INDEX_BITS] + 1'b1, INDEX_BITS'(0)};
            end
        end

        if (rst) begin
            busy <= 1'b0;
            missing <= '0;
            left <= '0;
            waiting <= '0;
            owed <= '0;
            unanswered <= '0;
            awvalid <= 1'b0;
            wvalid <= 1'b0;
        end else begin
            busy <= go || (busy && !finished);
            if (go) missing <= bytes;
            else if (take) missing <= missing - bytes_t'(IN_BYTES);
            if (go) left <= words;
            else if (announce) left <= left - words_t'(burst);
            waiting <= waiting + room_t'(word_valid && word_ready)
                - (announce ? room_t'(burst) : '0);
            owed <= owed + open_t'(announce) - open_t'(load && burst_last);
            unanswered <= unanswered + open_t'(announce) - open_t'(answered);
            awvalid <= announce || (awvalid && !awready);
            wvalid <= load || (wvalid && !wready);
        end
    end

endmodule
