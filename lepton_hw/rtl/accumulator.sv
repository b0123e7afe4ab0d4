// Adds up numbers modulo 2^BITS; `start` begins a new sum. With FOLD 1 it is only a register.

module accumulator #(
    int unsigned BITS,
    int unsigned FOLD
) (
    input  logic clk,
    input  logic en,
    input  logic start,
    input  logic [BITS-1:0] addend,
    output logic [BITS-1:0] sum
);

    logic [BITS-1:0] value;
    assign sum = value;
    if (FOLD == 1) begin : genSingle
        always_ff @(posedge clk) if (en) value <= addend;
    end else begin : genMany
        always_ff @(posedge clk) if (en) value <= addend + (start ? BITS'(0) : value);
    end

endmodule
