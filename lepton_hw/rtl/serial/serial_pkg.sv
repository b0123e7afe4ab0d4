// Frames of the serial link: kinds, codes, sizes, and the check sum; docs/serial.md describes them.

package serial_pkg;

    localparam logic [7:0] FLAG = 8'h7E, ESCAPE = 8'h7D, FLIP = 8'h20;

    // Requests; the answer has the same kind and bit 7.
    localparam logic [7:0] READ = 8'h01, WRITE = 8'h02, INPUT = 8'h03, GRANT = 8'h04,
        STATE = 8'h05, REWIND = 8'h06;
    localparam logic [7:0] OUTPUT = 8'h90, ERROR = 8'hFF;
    localparam logic [7:0] ANSWER = 8'h80;

    // Codes of an error.
    localparam logic [7:0] BAD_FRAME = 8'd1, BAD_REQUEST = 8'd2, BAD_POSITION = 8'd3,
        NO_SPACE = 8'd4, IN_RESET = 8'd5;

    localparam int unsigned HEAD = 3;  // kind, tag, length
    localparam int unsigned CHECK = 4;
    localparam int unsigned MOST = 255;  // payload

    // CRC-32 of IEEE 802.3, reflected, a byte at a time.
    localparam logic [31:0] CRC_START = 32'hFFFF_FFFF;
    localparam logic [31:0] CRC_GOOD = 32'hDEBB_20E3;  // over a frame and its own check sum

    function automatic logic [31:0] crc_next(logic [31:0] crc, logic [7:0] data);
        logic [31:0] result;
        result = crc ^ 32'(data);
        for (int i = 0; i < 8; i++) begin
            result = (result >> 1) ^ (result[0] ? 32'hEDB8_8320 : 32'd0);
        end
        return result;
    endfunction

endpackage
