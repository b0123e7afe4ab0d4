// Number formats of a dot product, and how many cycles `dot` takes; shared by all who use `dot`.

package dot_pkg;

    // Formats of activations and weights. TERNARY is INT2 without -2; BIPOLAR is one bit, 1 for +1
    // and 0 for -1.
    localparam int unsigned UNSIGNED = 0;
    localparam int unsigned SIGNED = 1;
    localparam int unsigned BIPOLAR = 2;
    localparam int unsigned TERNARY = 3;

    // What a `dot` adds up: the part that depends on both operands, the part that depends on the
    // activations alone (the same for all rows of a matrix), or both.
    localparam int unsigned PRODUCTS = 0;
    localparam int unsigned COMMON = 1;
    localparam int unsigned ALL = 2;

    // Bits added in one clock cycle: six levels of LUTs and a carry chain, 100 MHz on an xc7 -1.
    localparam int unsigned BITS_PER_STAGE = 64;
    // Numbers added in one clock cycle after the first.
    localparam int unsigned FAN_IN = 16;

    // Whether the activations alone contribute a part.
    function automatic bit has_common(int unsigned a_kind, int unsigned w_kind);
        return (a_kind == BIPOLAR) != (w_kind == BIPOLAR);
    endfunction

    // Elements whose products are added in the first stage.
    function automatic int unsigned chunk(int unsigned n, int unsigned planes);
        int unsigned most;
        most = BITS_PER_STAGE / planes;
        if (most < 1) most = 1;
        return n < most ? n : most;
    endfunction

    // Cycles from operands to sum.
    function automatic int unsigned latency(int unsigned n, int unsigned planes);
        int unsigned left, cycles;
        left = (n + chunk(n, planes) - 1) / chunk(n, planes);
        cycles = 1;
        while (left > 1) begin
            left = (left + FAN_IN - 1) / FAN_IN;
            cycles++;
        end
        return cycles;
    endfunction

endpackage
