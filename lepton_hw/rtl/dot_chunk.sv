// The combinational part of `dot`, which see: the sum of N products, modulo 2^SUM_BITS.

module dot_chunk import dot_pkg::*; #(
    int unsigned N,
    int unsigned A_BITS,
    int unsigned W_BITS,
    int unsigned A_KIND,
    int unsigned W_KIND,
    int unsigned SUM_BITS,
    int unsigned PART
) (
    input  logic [A_BITS-1:0][N-1:0] a,
    input  logic [W_BITS-1:0][N-1:0] w,
    output logic [SUM_BITS-1:0] sum
);

    typedef logic [SUM_BITS-1:0] sum_t;
    localparam bit A_SIGNED = A_KIND == SIGNED;
    localparam bit W_SIGNED = W_KIND == SIGNED || W_KIND == TERNARY;

    // Ones in a plane, at its place.
    function automatic sum_t ones(logic [N-1:0] plane, int unsigned place);
        return sum_t'(sum_t'($countones(plane)) << place);
    endfunction

    if (A_KIND == BIPOLAR && W_KIND == BIPOLAR) begin : genBothBipolar
        assign sum = ones(a[0] ~^ w[0], 0);
    end else if (by_table(A_BITS, A_KIND, W_KIND)) begin : genTables
        localparam int unsigned EACH = table_elements(A_BITS);
        localparam int unsigned TABLES = (N + EACH - 1) / EACH;
        localparam table_t SUMS = bipolar_sums(A_BITS, A_KIND);
        logic [TABLES-1:0][3:0] looked_up;
        for (genvar t = 0; t < TABLES; t++) begin : genTable
            logic [LUT_INPUTS-1:0] index;
            always_comb begin
                index = '0;  // elements that are not there are 0
                for (int unsigned i = 0; i < EACH; i++)
                    if (t * EACH + i < N) begin
                        for (int unsigned j = 0; j < A_BITS; j++)
                            index[i*(A_BITS+1)+j] = a[j][t*EACH+i];
                        index[i*(A_BITS+1)+A_BITS] = w[0][t*EACH+i];
                    end
            end
            assign looked_up[t] = SUMS[index];
        end
        always_comb begin
            sum = -sum_t'(TABLES * EACH * largest(A_BITS, A_KIND));
            for (int unsigned t = 0; t < TABLES; t++) sum += sum_t'(looked_up[t]);
        end
    end else if (W_KIND == BIPOLAR) begin : genBipolarWeights
        always_comb begin
            sum = '0;
            for (int unsigned j = 0; j < A_BITS; j++) begin
                automatic sum_t all = ones(a[j], j);
                automatic sum_t kept = ones(a[j] & w[0], j + 1);
                automatic sum_t term = '0;
                if (PART != COMMON) term += kept;
                if (PART != PRODUCTS) term -= all;
                if (A_SIGNED && j == A_BITS - 1) sum -= term;
                else sum += term;
            end
        end
    end else if (A_KIND == BIPOLAR) begin : genBipolarActivations
        always_comb begin
            sum = '0;
            if (PART != COMMON)
                for (int unsigned k = 0; k < W_BITS; k++) begin
                    if (W_SIGNED && k == W_BITS - 1) sum -= ones(w[k] ~^ a[0], k);
                    else sum += ones(w[k] ~^ a[0], k);
                end
            if (PART != PRODUCTS) begin
                sum += ones(~a[0], 0);
                if (!W_SIGNED) sum -= ones(~a[0], W_BITS);
            end
        end
    end else if (W_KIND == TERNARY && A_BITS > 1) begin : genTernary
        always_comb begin
            sum = ones(w[1], 0);
            if (!A_SIGNED) sum -= ones(w[1], A_BITS);
            for (int unsigned j = 0; j < A_BITS; j++) begin
                if (A_SIGNED && j == A_BITS - 1) sum -= ones((a[j] ^ w[1]) & w[0], j);
                else sum += ones((a[j] ^ w[1]) & w[0], j);
            end
        end
    end else begin : genProducts
        always_comb begin
            sum = '0;
            for (int unsigned j = 0; j < A_BITS; j++)
                for (int unsigned k = 0; k < W_BITS; k++) begin
                    if ((A_SIGNED && j == A_BITS - 1) != (W_SIGNED && k == W_BITS - 1))
                        sum -= ones(a[j] & w[k], j + k);
                    else sum += ones(a[j] & w[k], j + k);
                end
        end
    end

endmodule
