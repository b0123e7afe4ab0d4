// From answers and output bytes to frames: escapes, length, check sum. Answers go first.
//
// `at` is what of the output goes next; `frame_at` and `frame_bytes` are taken when it begins, and
// `begins` says so. A reset of the output while its frame is on the way spoils the check sum: the
// bytes may be others by then.

module serial_send
    import serial_pkg::*;
(
    input logic clk,
    input logic rst,
    input logic spoil,  // the output's bytes are no longer what they were

    input  logic [47:0] answer,  // kind, tag, four bytes of data, the first lowest
    input  logic answer_valid,
    output logic answer_ready,

    input  logic [15:0] at,
    input  logic [7:0] bytes,  // 0: nothing to send
    output logic begins,

    output logic [15:0] ring_at,
    input  logic [7:0] ring_data,  // one cycle after its position

    output logic [7:0] out_data,
    output logic out_valid,
    input  logic out_ready
);

    typedef enum logic [2:0] {IDLE, OPEN, FETCH, LOOK, BODY, SECOND, CLOSE} state_t;
    state_t state;

    logic is_output;
    logic spoiled;
    logic [7:0] kind;
    logic [7:0] tag;
    logic [31:0] words;  // an answer's data; the position of output
    logic [7:0] length;
    logic [8:0] index;
    logic [31:0] crc;
    logic [7:0] current;

    wire [8:0] last = 9'(length) + 9'(HEAD + CHECK - 1);
    wire in_check = index >= 9'(length) + 9'(HEAD);
    wire [8:0] payload = index - 9'(HEAD);
    wire [1:0] check_byte = 2'(index - 9'(length) - 9'(HEAD));
    wire [31:0] check = spoiled ? crc : ~crc;
    wire begin_output = state == IDLE && !answer_valid && bytes != '0 && !spoil;

    assign answer_ready = state == IDLE;
    assign begins = begin_output;
    assign ring_at = words[15:0] + 16'(payload) - 16'd2;

    logic [7:0] chosen;
    always_comb begin
        if (index == 9'd0) chosen = kind;
        else if (index == 9'd1) chosen = tag;
        else if (index == 9'd2) chosen = length;
        else if (in_check) chosen = check[8*check_byte+:8];
        else if (is_output && payload >= 9'd2) chosen = ring_data;
        else chosen = words[8*payload[1:0]+:8];
    end

    wire special = current == FLAG || current == ESCAPE;
    always_comb begin
        unique case (state)
            OPEN, CLOSE: out_data = FLAG;
            BODY: out_data = special ? ESCAPE : current;
            default: out_data = current ^ FLIP;
        endcase
    end
    assign out_valid = state inside {OPEN, BODY, SECOND, CLOSE};

    always_ff @(posedge clk) begin
        if (state != IDLE && is_output && spoil) spoiled <= 1'b1;
        unique case (state)
            IDLE: begin
                index <= '0;
                crc <= CRC_START;
                spoiled <= 1'b0;
                if (answer_valid) begin
                    {words, tag, kind} <= answer;
                    is_output <= 1'b0;
                    length <= 8'd4;
                    state <= OPEN;
                end else if (begin_output) begin
                    {words, tag, kind} <= {16'd0, at, 8'd0, OUTPUT};
                    is_output <= 1'b1;
                    length <= bytes + 8'd2;
                    state <= OPEN;
                end
            end
            OPEN: if (out_ready) state <= FETCH;
            FETCH: state <= LOOK;
            LOOK: begin
                current <= chosen;
                if (!in_check) crc <= crc_next(crc, chosen);
                state <= BODY;
            end
            BODY, SECOND:
            if (out_ready) begin
                index <= index + 1'b1;
                if (state == BODY && special) begin
                    index <= index;
                    state <= SECOND;
                end else begin
                    state <= index == last ? CLOSE : FETCH;
                end
            end
            default: if (out_ready) state <= IDLE;  // CLOSE
        endcase
        if (rst) state <= IDLE;
    end

endmodule
