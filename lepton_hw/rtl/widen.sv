// One number in BITS bits to OUT_BITS bits of two's complement, modulo 2^OUT_BITS.

module widen import dot_pkg::*; #(
    int unsigned BITS,
    int unsigned KIND,
    int unsigned OUT_BITS
) (
    input  logic [BITS-1:0] code,
    output logic [OUT_BITS-1:0] value
);

    if (KIND == BIPOLAR) assign value = code[0] ? OUT_BITS'(1) : '1;
    else if (KIND == UNSIGNED) assign value = OUT_BITS'(code);
    else assign value = OUT_BITS'($signed(code));

endmodule
