// Passes groups of LENGTH beats on TIMES times each; takes the next group while the last pass runs.
//
// A beat leaves one cycle after it came at the earliest. `last` marks the end of each pass.

module repeat_buffer #(
    int unsigned LENGTH,
    int unsigned TIMES,
    int unsigned BITS
) (
    input  logic clk,
    input  logic rst,

    input  logic [BITS-1:0] in_data,
    input  logic in_valid,
    output logic in_ready,

    output logic [BITS-1:0] out_data,
    output logic out_valid,
    output logic out_last,
    input  logic out_ready
);

    localparam int unsigned COUNT_BITS = LENGTH > 1 ? $clog2(LENGTH) : 1;
    localparam int unsigned TIMES_BITS = TIMES > 1 ? $clog2(TIMES) : 1;

    logic [COUNT_BITS-1:0] count;
    logic [TIMES_BITS-1:0] pass;
    wire move = out_valid && out_ready;
    wire final_pass = pass == TIMES_BITS'(TIMES - 1);
    assign out_last = count == COUNT_BITS'(LENGTH - 1);

    always_ff @(posedge clk) begin
        if (rst) begin
            count <= '0;
            pass <= '0;
        end else if (move) begin
            count <= out_last ? '0 : count + 1'b1;
            if (out_last) pass <= final_pass ? '0 : pass + 1'b1;
        end
    end

    if (TIMES == 1) begin : genOnce
        assign out_data = in_data;
        assign out_valid = in_valid;
        assign in_ready = out_ready;
    end else begin : genBuffer
        // Pointers have one more bit than addresses, which tells full from empty.
        localparam int unsigned ADDRESS_BITS = COUNT_BITS;
        typedef logic [ADDRESS_BITS:0] pointer_t;
        logic [BITS-1:0] memory[1 << ADDRESS_BITS];
        pointer_t write;
        pointer_t read;
        pointer_t free;  // first beat that is still needed

        assign in_ready = pointer_t'(write - free) != pointer_t'(1 << ADDRESS_BITS);
        assign out_valid = write != read;
        assign out_data = memory[read[ADDRESS_BITS-1:0]];

        always_ff @(posedge clk) begin
            if (rst) begin
                write <= '0;
                read <= '0;
                free <= '0;
            end else begin
                if (in_valid && in_ready) write <= write + 1'b1;
                if (move) begin
                    read <= out_last && !final_pass ? free : read + 1'b1;
                    if (final_pass) free <= free + 1'b1;
                end
            end
            if (in_valid && in_ready) memory[write[ADDRESS_BITS-1:0]] <= in_data;
        end
    end : genBuffer

endmodule
