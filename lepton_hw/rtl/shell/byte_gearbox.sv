// Words of IN_BYTES to words of OUT_BYTES, first byte lowest, at the full rate of the slower side.
//
// `in_bytes` says how many bytes of a last word count (IN_BYTES in all others). After a last word
// the rest goes out, in `out_bytes` bytes, before anything new comes in. No path leads from
// out_ready to in_ready.

module byte_gearbox #(
    int unsigned IN_BYTES  = 8,
    int unsigned OUT_BYTES = 8,
    localparam int unsigned IN_BITS  = $clog2(IN_BYTES + 1),
    localparam int unsigned OUT_BITS = $clog2(OUT_BYTES + 1)
) (
    input logic clk,
    input logic rst,

    input  logic [8*IN_BYTES-1:0] in_data,
    input  logic [IN_BITS-1:0] in_bytes,
    input  logic in_last,
    input  logic in_valid,
    output logic in_ready,

    output logic [8*OUT_BYTES-1:0] out_data,
    output logic [OUT_BITS-1:0] out_bytes,
    output logic out_last,
    output logic out_valid,
    input  logic out_ready
);

    import shell_pkg::*;

    // All amounts are multiples of a unit: a last word ends a whole number of the other side's.
    localparam int unsigned UNIT = gcd(IN_BYTES, OUT_BYTES);
    localparam int unsigned IN_UNITS = IN_BYTES / UNIT;
    localparam int unsigned OUT_UNITS = OUT_BYTES / UNIT;
    // One word that goes, one that waits, and room for the next before the space is known.
    localparam int unsigned CAPACITY = 2 * max(IN_UNITS, OUT_UNITS) + min(IN_UNITS, OUT_UNITS);
    localparam int unsigned BITS = 8 * UNIT * CAPACITY;
    localparam int unsigned COUNT_BITS = $clog2(CAPACITY + 1);
    typedef logic [COUNT_BITS-1:0] count_t;

    logic [BITS-1:0] held;  // 0 above the units that count
    count_t count;
    logic ending;

    assign in_ready = !ending && count <= count_t'(CAPACITY - IN_UNITS);
    assign out_valid = count >= count_t'(OUT_UNITS) || (ending && count != '0);
    assign out_last = ending && count <= count_t'(OUT_UNITS);
    assign out_data = held[8*OUT_BYTES-1:0];
    assign out_bytes = out_last ? OUT_BITS'(count * UNIT) : OUT_BITS'(OUT_BYTES);

    wire put = in_valid && in_ready;
    wire take = out_valid && out_ready;
    wire count_t put_units = put ? count_t'(32'(in_bytes) / UNIT) : '0;

    // The word moves up by `count` units in stages of constant shifts.
    logic [BITS-1:0] placed;
    always_comb begin
        placed = BITS'(in_data);
        for (int i = 0; i < COUNT_BITS; i++) begin
            if (count[i]) placed = placed << (8 * UNIT * (1 << i));
        end
    end
    wire [BITS-1:0] filled = put ? held | placed : held;

    always_ff @(posedge clk) begin
        if (rst || (take && out_last)) begin
            held <= '0;
            count <= '0;
            ending <= '0;
        end else begin
            held <= take ? filled >> (8 * OUT_BYTES) : filled;
            count <= count + put_units - (take ? count_t'(OUT_UNITS) : '0);
            if (put && in_last) ending <= 1'b1;
        end
    end

endmodule
