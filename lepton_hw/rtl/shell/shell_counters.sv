// Counts what the accelerator's streams and the DMA port do; read as latched, all at one moment.

module shell_counters
    import shell_pkg::*;
#(
    int unsigned IN_BEATS  = 1,  // a frame
    int unsigned OUT_BEATS = 1
) (
    input logic clk,
    input logic rst,      // of the whole shell
    input logic acc_rst,  // of the accelerator: a frame begins anew
    input logic clear,
    input logic latch,

    input logic in_started,  // idma0 starts
    input logic in_running,
    input logic out_running,
    input logic in_valid,
    input logic in_ready,
    input logic out_valid,
    input logic out_ready,
    input logic read_beat,
    input logic write_beat,

    output logic in_frame,  // the last beat of a frame passes
    output logic out_frame,
    output logic [COUNTER_BITS-1:0] latched[COUNTERS]
);

    wire in_beat = in_valid && in_ready;
    wire out_beat = out_valid && out_ready;

    // Position within a frame.
    logic [31:0] in_left;
    logic [31:0] out_left;
    assign in_frame = in_beat && in_left == '0;
    assign out_frame = out_beat && out_left == '0;
    always_ff @(posedge clk) begin
        if (acc_rst) begin
            in_left <= IN_BEATS - 1;
            out_left <= OUT_BEATS - 1;
        end else begin
            if (in_beat) in_left <= in_frame ? IN_BEATS - 1 : in_left - 1'b1;
            if (out_beat) out_left <= out_frame ? OUT_BEATS - 1 : out_left - 1'b1;
        end
    end

    // From the first beat in after a start of idma0 to the first beat out after that.
    logic armed;
    logic measuring;
    wire first_in = armed && in_beat;
    always_ff @(posedge clk) begin
        if (acc_rst) begin
            armed <= 1'b0;
            measuring <= 1'b0;
        end else begin
            armed <= in_started || (armed && !in_beat);
            measuring <= first_in || (measuring && !out_beat);
        end
    end

    logic [COUNTERS-1:0] step;
    logic [COUNTERS-1:0] clears;
    assign step = {
        in_valid && !in_ready,
        write_beat,
        read_beat,
        out_frame,
        in_frame,
        measuring,
        out_valid && !out_ready,
        in_running && in_ready && !in_valid,
        in_running || out_running,
        1'b1
    };
    assign clears = {COUNTERS{clear}} | (COUNTERS'(first_in) << 4);

    logic [COUNTER_BITS-1:0] counter[COUNTERS];
    always_ff @(posedge clk) begin
        for (int i = 0; i < COUNTERS; i++) begin
            counter[i] <= rst || clears[i] ? '0 : counter[i] + COUNTER_BITS'(step[i]);
            if (rst) latched[i] <= '0;
            else if (latch) latched[i] <= counter[i];
        end
    end

endmodule
