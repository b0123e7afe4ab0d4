// One operand of an elementwise operation: a stream (DEPTH 0) or DEPTH constant words, in order.
//
// Broadcasting repeats beats: OUTER_TIMES groups of OUTER_LENGTH beats, and within what comes out
// of that, INNER_TIMES groups of INNER_LENGTH. A repeated group is kept in a buffer.

module operand_source #(
    int unsigned BITS,
    int unsigned DEPTH,
    parameter FILE = "",
    parameter STYLE = "auto",
    int unsigned OUTER_LENGTH = 1,
    int unsigned OUTER_TIMES = 1,
    int unsigned INNER_LENGTH = 1,
    int unsigned INNER_TIMES = 1
) (
    input  logic clk,
    input  logic rst,

    input  logic [BITS-1:0] in_data,
    input  logic in_valid,
    output logic in_ready,

    output logic [BITS-1:0] out_data,
    output logic out_valid,
    input  logic out_ready
);

    logic [BITS-1:0] data, outer_data;
    logic valid, ready, outer_valid, outer_ready;

    if (DEPTH == 0) begin : genStream
        assign data = in_data;
        assign valid = in_valid;
        assign in_ready = ready;
    end else if (DEPTH == 1) begin : genWord
        logic [BITS-1:0] memory[1];
        initial $readmemh(FILE, memory);
        assign data = memory[0];
        assign valid = 1'b1;
        assign in_ready = 1'b0;
    end else begin : genMemory
        logic filled;
        always_ff @(posedge clk) filled <= !rst;
        weight_rom #(.DEPTH(DEPTH), .BITS(BITS), .FILE(FILE), .STYLE(STYLE)) words (
            .clk, .rst, .next(!filled || ready), .word(data)
        );
        assign valid = filled;
        assign in_ready = 1'b0;
    end

    repeat_buffer #(.LENGTH(OUTER_LENGTH), .TIMES(OUTER_TIMES), .BITS(BITS)) outer (
        .clk, .rst, .in_data(data), .in_valid(valid), .in_ready(ready),
        .out_data(outer_data), .out_valid(outer_valid), .out_last(), .out_ready(outer_ready)
    );
    repeat_buffer #(.LENGTH(INNER_LENGTH), .TIMES(INNER_TIMES), .BITS(BITS)) inner (
        .clk, .rst, .in_data(outer_data), .in_valid(outer_valid), .in_ready(outer_ready),
        .out_data, .out_valid, .out_last(), .out_ready
    );

endmodule
