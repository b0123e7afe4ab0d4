// The K largest of two descending lists; of equal keys those of list `a` come first.
//
// An entry is {key, index}; key 0 marks an empty place. Only the first LENGTH entries of `b` count.

module topk_merge #(
    int unsigned K,
    int unsigned LENGTH,
    int unsigned KEY_BITS,
    int unsigned INDEX_BITS
) (
    input  logic [K-1:0][KEY_BITS+INDEX_BITS-1:0] a,
    input  logic [K-1:0][KEY_BITS+INDEX_BITS-1:0] b,
    output logic [K-1:0][KEY_BITS+INDEX_BITS-1:0] merged
);

    localparam int unsigned BITS = KEY_BITS + INDEX_BITS;

    // above[i][j]: entry j of b is larger than entry i of a
    logic [K-1:0][LENGTH-1:0] above;
    for (genvar i = 0; i < K; i++)
        for (genvar j = 0; j < LENGTH; j++)
            assign above[i][j] = b[j][INDEX_BITS+:KEY_BITS] > a[i][INDEX_BITS+:KEY_BITS];

    // Entry i of a moves to place i + j where j entries of b are above it; as b is in order, that
    // is so where entry j - 1 is and entry j is not. The same for b.
    always_comb begin
        merged = '0;
        for (int i = 0; i < K; i++)
            for (int j = 0; j <= LENGTH; j++)
                if (i + j < K)
                    if ((j == 0 || above[i][j==0?0:j-1]) && (j == LENGTH || !above[i][j==LENGTH?0:j]))
                        merged[i+j] = merged[i+j] | a[i];
        for (int j = 0; j < LENGTH; j++)
            for (int i = 0; i <= K; i++)
                if (i + j < K)
                    if ((i == 0 || !above[i==0?0:i-1][j]) && (i == K || above[i==K?0:i][j]))
                        merged[i+j] = merged[i+j] | b[j];
    end

endmodule
