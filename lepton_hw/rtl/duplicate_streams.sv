// One stream to N: each output takes a beat when it can, the input goes on when all have it.
//
// `valid` of an output never waits for another one's `ready`.

module duplicate_streams #(
    int unsigned N,
    int unsigned BITS,

    localparam int unsigned BYTES = (BITS + 7) / 8
) (
    input  logic clk,
    input  logic rst,

    input  logic [8*BYTES-1:0] in_data,
    input  logic in_valid,
    output logic in_ready,

    output logic [N-1:0][8*BYTES-1:0] out_data,
    output logic [N-1:0] out_valid,
    input  logic [N-1:0] out_ready
);

    logic [N-1:0] taken;  // outputs that have the present beat
    assign in_ready = &(taken | out_ready);
    assign out_valid = {N{in_valid}} & ~taken;
    assign out_data = {N{in_data}};

    always_ff @(posedge clk) begin
        if (rst) taken <= '0;
        else if (in_valid) taken <= in_ready ? '0 : taken | out_ready;
    end

endmodule
