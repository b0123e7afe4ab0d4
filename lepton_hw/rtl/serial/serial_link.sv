// Everything between a line of bytes and an accelerator: frames, registers, flow control, reset.
//
// The accelerator is outside; its reset comes from here. docs/serial.md says what the host sees.

module serial_link
    import serial_pkg::*;
    import shell_pkg::*;
#(
    int unsigned IN_BYTES  = 1,  // of a beat
    int unsigned OUT_BYTES = 1,
    int unsigned IN_BEATS  = 1,  // of a frame
    int unsigned OUT_BEATS = 1,
    int unsigned DEPTH = 2048,  // of each ring, in bytes, a power of two up to 32768
    logic [255:0] DIGEST = '0
) (
    input logic clk,
    input logic rst,

    input  logic [7:0] rx_data,
    input  logic rx_valid,
    output logic [7:0] tx_data,
    output logic tx_valid,
    input  logic tx_ready,

    output logic acc_resetn,
    output logic [8*IN_BYTES-1:0] in_tdata,
    output logic in_tvalid,
    input  logic in_tready,
    input  logic [8*OUT_BYTES-1:0] out_tdata,
    input  logic out_tvalid,
    output logic out_tready,

    output logic waits  // nothing is to be done here before the host says something
);

    localparam int unsigned IDMA = 0, ODMA = 1, LEPTON = 2;
    localparam int unsigned RESET_CYCLES = 16;
    localparam int unsigned ANSWERS = 16;  // that wait
    localparam int unsigned PART = 128;    // bytes of output in a frame

    // Requests as they arrive.
    wire [7:0] kind;
    wire [7:0] tag;
    wire [7:0] length;
    wire begins;
    wire [7:0] byte_index;
    wire [7:0] byte_data;
    wire byte_valid;
    wire good;
    wire bad;
    serial_receive receive (
        .clk, .rst, .data(rx_data), .valid(rx_valid),
        .kind, .tag, .length, .begins, .byte_index, .byte_data, .byte_valid, .good, .bad
    );

    // The first eight bytes, for all but input.
    logic [63:0] words;
    always_ff @(posedge clk) begin
        if (byte_valid && byte_index < 8) words[8*byte_index[2:0]+:8] <= byte_data;
    end
    wire [17:0] address = words[17:0];
    wire [31:0] value = words[63:32];
    wire [15:0] position = words[15:0];

    // Input goes into its ring as it comes, and counts when its frame is good.
    logic resetting;
    logic part_rst;
    logic [15:0] expected;  // position behind the last byte that counts
    logic [15:0] next;      // where the next byte of this frame goes
    logic overflow;
    wire [15:0] taken;
    wire input_byte = byte_valid && kind == INPUT && byte_index >= 2;
    wire full = 16'(next - taken) == 16'(DEPTH);
    always_ff @(posedge clk) begin
        if (begins) begin
            next <= expected;
            overflow <= 1'b0;
        end else if (input_byte) begin
            if (full) overflow <= 1'b1;
            else next <= next + 1'b1;
        end
    end

    // What a request asks for; `done` a cycle later changes nothing else.
    wire address_bad = address[1:0] != '0 || address[17:16] == 2'd3 || words[31:18] != '0;
    wire is_read = kind == READ && length == 8'd4 && !address_bad;
    wire is_write = kind == WRITE && length == 8'd8 && !address_bad;
    wire is_input = kind == INPUT && length >= 8'd2;
    wire is_grant = (kind == GRANT || kind == REWIND) && length == 8'd4;
    wire is_state = kind == STATE && length == 8'd0;
    wire queue_ready;
    wire heard = good && queue_ready;  // what cannot be answered is not done

    logic [15:0] acked;  // the host has all before
    logic [15:0] sent;
    logic [15:0] made;
    logic [15:0] limit;
    wire grant_bad = 16'(position - acked) > 16'(sent - acked);

    logic [7:0] refusal;
    always_comb begin
        refusal = '0;
        if (bad) refusal = BAD_FRAME;
        else if (!(is_read || is_write || is_input || is_grant || is_state)) refusal = BAD_REQUEST;
        else if (resetting && (is_input || is_grant)) refusal = IN_RESET;
        else if (is_input && position != expected) refusal = BAD_POSITION;
        else if (is_input && overflow) refusal = NO_SPACE;
        else if (is_grant && grant_bad) refusal = BAD_POSITION;
    end
    wire act = heard && refusal == '0;

    // Registers.
    wire wr_en = act && is_write;
    wire rd_en = act && is_read;
    wire [31:0] idma_data;
    wire [31:0] odma_data;
    wire [31:0] lepton_data;
    logic [31:0] rd_data;
    always_comb begin
        unique case (address[17:16])
            2'(IDMA): rd_data = idma_data;
            2'(ODMA): rd_data = odma_data;
            default: rd_data = lepton_data;
        endcase
    end

    // Answers.
    logic [31:0] answer_data;
    always_comb begin
        if (refusal != '0) answer_data = {expected, 8'd0, refusal};
        else if (is_read) answer_data = rd_data;
        else if (is_input) answer_data = {next, taken};
        else if (is_state) answer_data = {expected, taken};
        else if (is_grant) answer_data = {made, kind == REWIND ? position : sent};
        else answer_data = value;
    end
    wire [47:0] answer;
    wire answer_valid;
    wire answer_ready;
    shell_fifo #(
        .BITS(48),
        .DEPTH(ANSWERS)
    ) answers (
        .clk, .rst,
        .in_data({answer_data, bad ? 8'd0 : tag, refusal != '0 ? ERROR : kind | ANSWER}),
        .in_valid(good || bad), .in_ready(queue_ready),
        .out_data(answer), .out_valid(answer_valid), .out_ready(answer_ready)
    );

    // Soft reset: there is nothing to drain.
    wire soft_reset;
    logic [4:0] reset_left;
    wire over = reset_left != '0;
    assign resetting = over || part_rst;
    always_ff @(posedge clk) begin
        if (rst) reset_left <= '0;
        else if (over) reset_left <= reset_left - 1'b1;
        else if (soft_reset) reset_left <= 5'(RESET_CYCLES);
        part_rst <= rst || over;
        acc_resetn <= !(rst || over);
    end

    // Input: ring, beats.
    always_ff @(posedge clk) begin
        if (part_rst) expected <= '0;
        else if (act && is_input) expected <= next;
    end
    wire [7:0] in_byte;
    wire in_takes;
    serial_ring #(
        .DEPTH(DEPTH)
    ) in_ring (
        .clk, .wr_en(input_byte && !full), .wr_at(next), .wr_data(byte_data),
        .rd_at(taken), .rd_data(in_byte)
    );
    serial_join #(
        .BYTES(IN_BYTES)
    ) join_bytes (
        .clk, .rst(part_rst), .filled(expected), .at(taken), .data(in_byte), .takes(in_takes),
        .beat(in_tdata), .valid(in_tvalid), .ready(in_tready)
    );

    // Output: bytes, ring, frames.
    wire [7:0] out_byte;
    wire out_gives;
    wire space = 16'(made - acked) != 16'(DEPTH);
    serial_split #(
        .BYTES(OUT_BYTES)
    ) split_beats (
        .clk, .rst(part_rst), .beat(out_tdata), .valid(out_tvalid), .ready(out_tready),
        .data(out_byte), .gives(out_gives), .space
    );
    wire send_begins;
    wire [15:0] ring_at;
    wire [7:0] ring_data;
    logic [7:0] part;  // bytes of the next frame, 0 for none
    serial_ring #(
        .DEPTH(DEPTH)
    ) out_ring (
        .clk, .wr_en(out_gives), .wr_at(made), .wr_data(out_byte), .rd_at(ring_at),
        .rd_data(ring_data)
    );
    wire [15:0] ahead = made - sent;
    wire [15:0] room = limit - sent;
    wire [15:0] most = ahead < room ? ahead : room;
    wire moves = send_begins || (act && is_grant);
    always_ff @(posedge clk) begin
        if (out_gives) made <= made + 1'b1;
        if (send_begins) sent <= sent + 16'(part);
        if (act && is_grant) begin
            acked <= position;
            limit <= words[31:16];
            if (kind == REWIND) sent <= position;
        end
        // A limit behind what was sent is far ahead, modulo 2^16.
        part <= moves || room > 16'(DEPTH) ? '0 : most > 16'(PART) ? 8'(PART) : 8'(most);
        if (part_rst) begin
            {made, sent, acked, limit} <= '0;
            part <= '0;
        end
    end
    serial_send send (
        .clk, .rst, .spoil(part_rst),
        .answer, .answer_valid, .answer_ready,
        .at(sent), .bytes(part), .begins(send_begins), .ring_at, .ring_data,
        .out_data(tx_data), .out_valid(tx_valid), .out_ready(tx_ready)
    );

    // Both sides' registers, identity, errors, counters.
    wire in_running;
    wire out_running;
    wire in_started;
    wire out_started;
    wire in_bad_length;
    wire out_bad_length;
    wire in_frame;
    wire out_frame;
    serial_engine idma (
        .clk, .rst, .over, .wr_en(wr_en && address[17:16] == 2'(IDMA)),
        .rd_en(rd_en && address[17:16] == 2'(IDMA)), .address(address[15:0]), .wr_data(value),
        .rd_data(idma_data), .frame(in_frame), .started(in_started), .running(in_running),
        .bad_length(in_bad_length)
    );
    serial_engine odma (
        .clk, .rst, .over, .wr_en(wr_en && address[17:16] == 2'(ODMA)),
        .rd_en(rd_en && address[17:16] == 2'(ODMA)), .address(address[15:0]), .wr_data(value),
        .rd_data(odma_data), .frame(out_frame), .started(out_started), .running(out_running),
        .bad_length(out_bad_length)
    );

    wire starved = in_running && in_tready && !in_tvalid && taken == expected;
    assign waits = !(in_running || out_running) || starved || !space;

    wire clear;
    wire latch;
    wire [COUNTER_BITS-1:0] counters[COUNTERS];
    shell_regs #(
        .DIGEST(DIGEST),
        .IN_FRAME_BYTES(IN_BYTES * IN_BEATS),
        .OUT_FRAME_BYTES(OUT_BYTES * OUT_BEATS),
        .IN_BYTES(IN_BYTES),
        .OUT_BYTES(OUT_BYTES),
        .WORD_BYTES(1)
    ) lepton (
        .clk, .rst, .wr_en(wr_en && address[17:16] == 2'(LEPTON)),
        .wr_addr(address[15:0]), .rd_addr(address[15:0]), .wr_data(value), .wr_strb('1),
        .rd_data(lepton_data), .soft_reset, .clear, .latch, .resetting,
        .status({out_tready, out_tvalid, in_tready, in_tvalid, 1'b0, resetting, out_running,
            in_running}),
        .counters, .read_error(1'b0), .read_address('0), .write_error(1'b0), .write_address('0),
        .length_error(in_bad_length || out_bad_length), .length_address('0),
        .reset_while_busy(soft_reset && !resetting && (in_running || out_running))
    );

    shell_counters #(
        .IN_BEATS (IN_BEATS),
        .OUT_BEATS(OUT_BEATS)
    ) counting (
        .clk, .rst, .acc_rst(part_rst), .clear, .latch, .in_started, .in_running, .out_running,
        .in_valid(in_tvalid), .in_ready(in_tready), .out_valid(out_tvalid), .out_ready(out_tready),
        .read_beat(in_takes), .write_beat(out_gives), .in_frame, .out_frame, .latched(counters)
    );

endmodule
