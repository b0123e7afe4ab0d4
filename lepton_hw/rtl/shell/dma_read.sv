// Reads a buffer in bursts and gives its bytes as beats of OUT_BYTES.
//
// A burst is asked for only when the FIFO has room for all of it, so that memory never waits and
// RREADY is always high. Bursts end on multiples of their longest length, hence never cross 4 KiB.
// After `stop` no burst begins; `drained` says that none is open, then `rst` may come.

module dma_read #(
    int unsigned ADDRESS_BITS = 32,
    int unsigned OUT_BYTES    = 8,
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

    output logic [ADDRESS_BITS-1:0] araddr,
    output logic [7:0] arlen,
    output logic arvalid,
    input  logic arready,
    input  logic [63:0] rdata,
    input  logic [1:0] rresp,
    input  logic rvalid,
    output logic rready,

    output logic [8*OUT_BYTES-1:0] out_data,
    output logic out_valid,
    input  logic out_ready
);

    localparam int unsigned INDEX_BITS = $clog2(MAX_BURST);
    localparam int unsigned ROOM_BITS = $clog2(DEPTH) + 1;
    typedef logic [ADDRESS_BITS-4:0] word_t;  // the address of a word
    typedef logic [ADDRESS_BITS-3:0] words_t;  // a number of words
    typedef logic [ROOM_BITS-1:0] room_t;
    typedef logic [INDEX_BITS:0] burst_t;

    wire words_t words = words_t'((bytes + 7) >> 3);

    // Requests.
    word_t next;
    words_t left;
    room_t room;       // words of the FIFO that no burst has claimed
    room_t in_flight;  // words asked for that have not come
    wire burst_t to_boundary = burst_t'(MAX_BURST) - burst_t'(next[INDEX_BITS-1:0]);
    wire burst_t burst = left < words_t'(to_boundary) ? burst_t'(left) : to_boundary;
    wire ask = left != '0 && room >= room_t'(burst) && !stop && (!arvalid || arready);
    wire pop;

    assign drained = !arvalid && in_flight == '0;
    assign rready = 1'b1;

    always_ff @(posedge clk) begin
        if (ask) begin
            araddr <= {next, 3'b0};
            arlen <= 8'(burst) - 1'b1;
        end
        if (rst) begin
            left <= '0;
            room <= room_t'(DEPTH);
            in_flight <= '0;
            arvalid <= 1'b0;
        end else begin
            if (go) begin
                next <= address[ADDRESS_BITS-1:3];
                left <= words;
            end else if (ask) begin
                next <= next + word_t'(burst);
                left <= left - words_t'(burst);
            end
            room <= room - (ask ? room_t'(burst) : '0) + room_t'(pop);
            in_flight <= in_flight + (ask ? room_t'(burst) : '0) - room_t'(rvalid);
            arvalid <= ask || (arvalid && !arready);
        end
    end

    // Where the next word comes from, for the error register.
    word_t coming;
    always_ff @(posedge clk) begin
        if (go) coming <= address[ADDRESS_BITS-1:3];
        else if (rvalid) coming <= coming + 1'b1;
        error <= rvalid && rresp[1] && !rst;
        error_address <= {coming, 3'b0};
    end

    // Words to beats.
    wire [63:0] word;
    wire word_valid;
    wire word_ready;
    assign pop = word_valid && word_ready;
    words_t passing;
    logic [3:0] tail;
    wire last = passing == words_t'(1);

    always_ff @(posedge clk) begin
        if (go) begin
            passing <= words;
            tail <= bytes[2:0] == '0 ? 4'd8 : {1'b0, bytes[2:0]};
        end else if (pop) begin
            passing <= passing - 1'b1;
        end
    end

    shell_fifo #(
        .BITS (64),
        .DEPTH(DEPTH)
    ) fifo (
        .clk, .rst,
        .in_data(rdata), .in_valid(rvalid), .in_ready(),
        .out_data(word), .out_valid(word_valid), .out_ready(word_ready)
    );

    wire beat_last;
    byte_gearbox #(
        .IN_BYTES (8),
        .OUT_BYTES(OUT_BYTES)
    ) gearbox (
        .clk, .rst,
        .in_data(word), .in_bytes(last ? tail : 4'd8), .in_last(last),
        .in_valid(word_valid), .in_ready(word_ready),
        .out_data, .out_bytes(), .out_last(beat_last), .out_valid, .out_ready
    );
    assign finished = out_valid && out_ready && beat_last;

endmodule
