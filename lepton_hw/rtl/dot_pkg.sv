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

    // Bits added in one clock cycle; a flow may set it (compile.bits_per_stage). With 64, nextpnr
    // misses 80 MHz on an xc7 -1 where the weights come from block RAM.
    localparam int unsigned BITS_PER_STAGE = 32;
    // Numbers added in one clock cycle after the first.
    localparam int unsigned FAN_IN = 8;

    // Whether sums of a few elements come from tables of one LUT a bit: see `dot`.
    function automatic bit by_table(int unsigned a_bits, int unsigned a_kind, int unsigned w_kind);
        return w_kind == BIPOLAR && a_kind != BIPOLAR && a_bits <= 2;
    endfunction

    // Whether the activations alone contribute a part.
    function automatic bit has_common(
        int unsigned a_bits, int unsigned a_kind, int unsigned w_kind
    );
        return (a_kind == BIPOLAR) != (w_kind == BIPOLAR) && !by_table(a_bits, a_kind, w_kind);
    endfunction

    // Inputs of a LUT, and the elements, each of an activation and a weight of one bit, in them.
    localparam int unsigned LUT_INPUTS = 6;
    function automatic int unsigned table_elements(int unsigned a_bits);
        return LUT_INPUTS / (a_bits + 1);
    endfunction

    // Largest absolute value of an activation.
    function automatic int unsigned largest(int unsigned a_bits, int unsigned a_kind);
        return a_kind == UNSIGNED ? (1 << a_bits) - 1 : 1 << (a_bits - 1);
    endfunction

    // Sums of table_elements(a_bits) products with BIPOLAR weights, plus `largest` for each so that
    // none is negative. Element i has its activation from bit i*(a_bits+1) of the index on, and its
    // weight above it.
    typedef logic [(1<<LUT_INPUTS)-1:0][3:0] table_t;
    function automatic table_t bipolar_sums(int unsigned a_bits, int unsigned a_kind);
        table_t sums;
        int total, value;
        int unsigned element;
        for (int unsigned index = 0; index < 1 << LUT_INPUTS; index++) begin
            total = 0;
            for (int unsigned i = 0; i < table_elements(a_bits); i++) begin
                element = index >> (i * (a_bits + 1));
                value = int'(element % (1 << a_bits));
                if (a_kind == SIGNED && value >= 1 << (a_bits - 1)) value -= 1 << a_bits;
                total += element[a_bits] ? value : -value;
                total += int'(largest(a_bits, a_kind));
            end
            sums[index] = total[3:0];
        end
        return sums;
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
