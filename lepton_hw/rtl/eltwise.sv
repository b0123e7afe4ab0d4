// Sum, difference or product of two operands, PE elements a beat, one beat a cycle.
//
// OP is 0 for a + b, 1 for a - b, 2 for a * b; results are taken modulo 2^OUT_BITS. An operand of
// one lane is used for all PE elements. See `operand_source` for constants and broadcasting, and
// `dot_pkg` for formats. DSP "yes" asks Vivado to multiply in DSPs, "no" in LUTs.

module eltwise #(
    int unsigned OP,
    int unsigned PE,
    int unsigned A_LANES,
    int unsigned B_LANES,
    int unsigned A_BITS,
    int unsigned B_BITS,
    int unsigned OUT_BITS,
    int unsigned A_KIND,
    int unsigned B_KIND,
    int unsigned A_DEPTH = 0,
    int unsigned B_DEPTH = 0,
    int unsigned A_OUTER_LENGTH = 1,
    int unsigned A_OUTER_TIMES = 1,
    int unsigned A_INNER_LENGTH = 1,
    int unsigned A_INNER_TIMES = 1,
    int unsigned B_OUTER_LENGTH = 1,
    int unsigned B_OUTER_TIMES = 1,
    int unsigned B_INNER_LENGTH = 1,
    int unsigned B_INNER_TIMES = 1,
    parameter A_FILE = "",
    parameter B_FILE = "",
    parameter STYLE = "auto",
    parameter DSP = "no",

    localparam int unsigned A_BYTES = (A_LANES * A_BITS + 7) / 8,
    localparam int unsigned B_BYTES = (B_LANES * B_BITS + 7) / 8,
    localparam int unsigned OUT_BYTES = (PE * OUT_BITS + 7) / 8
) (
    input  logic clk,
    input  logic rst,

    input  logic [8*A_BYTES-1:0] a_data,
    input  logic a_valid,
    output logic a_ready,

    input  logic [8*B_BYTES-1:0] b_data,
    input  logic b_valid,
    output logic b_ready,

    output logic [8*OUT_BYTES-1:0] out_data,
    output logic out_valid,
    input  logic out_ready
);

    localparam int unsigned ADD = 0;
    localparam int unsigned SUB = 1;

    logic [A_LANES*A_BITS-1:0] a_beat;
    logic [B_LANES*B_BITS-1:0] b_beat;
    logic a_there, b_there, en;
    assign en = !out_valid || out_ready;

    operand_source #(
        .BITS(A_LANES * A_BITS), .DEPTH(A_DEPTH), .FILE(A_FILE), .STYLE(STYLE),
        .OUTER_LENGTH(A_OUTER_LENGTH), .OUTER_TIMES(A_OUTER_TIMES),
        .INNER_LENGTH(A_INNER_LENGTH), .INNER_TIMES(A_INNER_TIMES)
    ) a_source (
        .clk, .rst, .in_data(a_data[A_LANES*A_BITS-1:0]), .in_valid(a_valid), .in_ready(a_ready),
        .out_data(a_beat), .out_valid(a_there), .out_ready(en && b_there)
    );
    operand_source #(
        .BITS(B_LANES * B_BITS), .DEPTH(B_DEPTH), .FILE(B_FILE), .STYLE(STYLE),
        .OUTER_LENGTH(B_OUTER_LENGTH), .OUTER_TIMES(B_OUTER_TIMES),
        .INNER_LENGTH(B_INNER_LENGTH), .INNER_TIMES(B_INNER_TIMES)
    ) b_source (
        .clk, .rst, .in_data(b_data[B_LANES*B_BITS-1:0]), .in_valid(b_valid), .in_ready(b_ready),
        .out_data(b_beat), .out_valid(b_there), .out_ready(en && a_there)
    );

    logic [A_LANES*A_BITS-1:0] a;
    logic [B_LANES*B_BITS-1:0] b;
    logic valid;
    always_ff @(posedge clk) begin
        if (rst) begin
            valid <= 1'b0;
            out_valid <= 1'b0;
        end else if (en) begin
            valid <= a_there && b_there;
            out_valid <= valid;
        end
        if (en) begin
            a <= a_beat;
            b <= b_beat;
        end
    end

    logic [PE-1:0][OUT_BITS-1:0] results;
    for (genvar i = 0; i < PE; i++) begin : genLane
        wire [A_BITS-1:0] a_code = a[(A_LANES == 1 ? 0 : i)*A_BITS+:A_BITS];
        wire [B_BITS-1:0] b_code = b[(B_LANES == 1 ? 0 : i)*B_BITS+:B_BITS];
        if (OP == ADD || OP == SUB) begin : genSum
            logic [OUT_BITS-1:0] x, y;
            widen #(.BITS(A_BITS), .KIND(A_KIND), .OUT_BITS(OUT_BITS)) left (a_code, x);
            widen #(.BITS(B_BITS), .KIND(B_KIND), .OUT_BITS(OUT_BITS)) right (b_code, y);
            always_ff @(posedge clk) if (en) results[i] <= OP == ADD ? x + y : x - y;
        end else begin : genProduct
            logic signed [A_BITS:0] x;
            logic signed [B_BITS:0] y;
            widen #(.BITS(A_BITS), .KIND(A_KIND), .OUT_BITS(A_BITS + 1)) left (a_code, x);
            widen #(.BITS(B_BITS), .KIND(B_KIND), .OUT_BITS(B_BITS + 1)) right (b_code, y);
            (* use_dsp = DSP *)
            logic signed [A_BITS+B_BITS+1:0] product;
            always_ff @(posedge clk) if (en) product <= x * y;
            assign results[i] = OUT_BITS'(product);
        end
    end : genLane
    assign out_data = (8*OUT_BYTES)'(results);

endmodule
