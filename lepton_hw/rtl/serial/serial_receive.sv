// From bytes to frames: removes escapes, checks length and check sum.
//
// Payload bytes come as they arrive, before anybody knows whether the frame is good; `good` or
// `bad` says so one cycle after its last byte. It never waits.

module serial_receive
    import serial_pkg::*;
(
    input logic clk,
    input logic rst,

    input logic [7:0] data,
    input logic valid,

    output logic [7:0] kind,
    output logic [7:0] tag,
    output logic [7:0] length,
    output logic begins,  // the kind is there, the payload is not
    output logic [7:0] byte_index,
    output logic [7:0] byte_data,
    output logic byte_valid,
    output logic good,
    output logic bad
);

    logic escaped;
    logic [8:0] count;  // bytes of this frame; stays at its highest
    logic [31:0] crc;

    wire flag = valid && data == FLAG;
    wire escape = valid && data == ESCAPE;
    wire take = valid && !flag && !escape;
    wire [7:0] plain = escaped ? data ^ FLIP : data;
    wire whole = !escaped && crc == CRC_GOOD && count == 9'(length) + 9'(HEAD + CHECK);

    always_ff @(posedge clk) begin
        begins <= 1'b0;
        byte_valid <= 1'b0;
        good <= flag && count != '0 && whole;
        bad <= flag && (count != '0 || escaped) && !whole;
        if (rst || flag) begin
            escaped <= 1'b0;
            count <= '0;
            crc <= CRC_START;
        end else if (escape) begin
            escaped <= 1'b1;
        end else if (take) begin
            escaped <= 1'b0;
            crc <= crc_next(crc, plain);
            if (count != '1) count <= count + 1'b1;
            if (count == 9'd0) kind <= plain;
            if (count == 9'd1) tag <= plain;
            if (count == 9'd2) begin
                length <= plain;
                begins <= 1'b1;
            end
            byte_index <= 8'(count - 9'(HEAD));
            byte_data <= plain;
            byte_valid <= count >= 9'(HEAD) && count < 9'(length) + 9'(HEAD);
        end
        if (rst) begin
            good <= 1'b0;
            bad <= 1'b0;
        end
    end

endmodule
