// Bytes to beats of the accelerator's input, and beats of its output to bytes; first byte lowest.

// Asks for one byte after the other by `at`, as long as there are some; `data` follows by a cycle.
module serial_join #(
    int unsigned BYTES = 1
) (
    input logic clk,
    input logic rst,

    input  logic [15:0] filled,  // position behind the last byte that is there
    output logic [15:0] at,      // next byte; what is before it was taken
    input  logic [7:0] data,
    output logic takes,

    output logic [8*BYTES-1:0] beat,
    output logic valid,
    input  logic ready
);

    localparam int unsigned COUNT_BITS = $clog2(BYTES + 1);

    logic fetched;  // `data` is the byte at `at`
    logic [COUNT_BITS-1:0] count;

    assign valid = count == COUNT_BITS'(BYTES);
    assign takes = fetched && !valid;

    always_ff @(posedge clk) begin
        if (rst) begin
            at <= '0;
            count <= '0;
            fetched <= 1'b0;
        end else begin
            fetched <= !takes && at != filled;
            if (takes) begin
                at <= at + 1'b1;
                count <= count + 1'b1;
            end
            if (valid && ready) count <= '0;
        end
        if (takes) beat <= (8 * BYTES)'({data, beat} >> 8);
    end

endmodule

module serial_split #(
    int unsigned BYTES = 1
) (
    input logic clk,
    input logic rst,

    input  logic [8*BYTES-1:0] beat,
    input  logic valid,
    output logic ready,

    output logic [7:0] data,
    output logic gives,
    input  logic space
);

    localparam int unsigned COUNT_BITS = $clog2(BYTES + 1);

    logic [8*BYTES-1:0] held;
    logic [COUNT_BITS-1:0] count;

    assign ready = count == '0;
    assign data = held[7:0];
    assign gives = count != '0 && space;

    always_ff @(posedge clk) begin
        if (rst) begin
            count <= '0;
        end else if (ready) begin
            if (valid) count <= COUNT_BITS'(BYTES);
        end else if (gives) begin
            count <= count - 1'b1;
        end
        if (ready) held <= beat;
        else if (gives) held <= held >> 8;
    end

endmodule
