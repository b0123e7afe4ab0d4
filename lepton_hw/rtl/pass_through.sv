// A stream unchanged: for layers that only give a tensor another shape.

module pass_through #(
    int unsigned BITS,

    localparam int unsigned BYTES = (BITS + 7) / 8
) (
    input  logic clk,
    input  logic rst,

    input  logic [8*BYTES-1:0] in_data,
    input  logic in_valid,
    output logic in_ready,

    output logic [8*BYTES-1:0] out_data,
    output logic out_valid,
    input  logic out_ready
);

    assign out_data = in_data;
    assign out_valid = in_valid;
    assign in_ready = out_ready;

endmodule
