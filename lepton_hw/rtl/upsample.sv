// Enlarges images by repetition: each pixel COLUMNS times, then each row of pixels ROWS times.
//
// A row has WIDTH pixels of FOLD beats of SIMD elements. A beat leaves every cycle; the next row
// comes in while the last repetition of this one leaves, through a buffer of one row (of one pixel
// where ROWS is 1).

module upsample #(
    int unsigned WIDTH,
    int unsigned FOLD,
    int unsigned ROWS,
    int unsigned COLUMNS,
    int unsigned SIMD,
    int unsigned BITS,
    parameter STYLE = "auto",

    localparam int unsigned BYTES = (SIMD * BITS + 7) / 8
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

    localparam int unsigned KEPT = ROWS > 1 ? WIDTH * FOLD : FOLD;
    localparam int unsigned ADDRESS_BITS = KEPT > 2 ? $clog2(KEPT) : 1;
    localparam int unsigned FOLD_BITS = FOLD > 1 ? $clog2(FOLD) : 1;
    localparam int unsigned COLUMN_BITS = COLUMNS > 1 ? $clog2(COLUMNS) : 1;
    localparam int unsigned WIDTH_BITS = WIDTH > 1 ? $clog2(WIDTH) : 1;
    localparam int unsigned ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1;

    // Pointers have one more bit than addresses, which tells full from empty.
    typedef logic [ADDRESS_BITS:0] pointer_t;
    pointer_t write;
    pointer_t read;
    pointer_t pixel;  // first beat of the pixel that is read
    pointer_t row;  // first beat of the row that is read
    pointer_t free;  // first beat that is still needed

    logic [FOLD_BITS-1:0] beat;
    logic [COLUMN_BITS-1:0] column;
    logic [WIDTH_BITS-1:0] place;
    logic [ROW_BITS-1:0] turn;
    wire last_beat = beat == FOLD_BITS'(FOLD - 1);
    wire last_column = column == COLUMN_BITS'(COLUMNS - 1);
    wire last_place = place == WIDTH_BITS'(WIDTH - 1);
    wire last_turn = turn == ROW_BITS'(ROWS - 1);

    (* ram_style = STYLE *)
    logic [SIMD*BITS-1:0] memory[1 << ADDRESS_BITS];
    logic [SIMD*BITS-1:0] word;
    logic valid;
    wire move = !valid || out_ready;
    wire found = write != read;
    wire step = move && found;

    assign in_ready = pointer_t'(write - free) != pointer_t'(1 << ADDRESS_BITS);
    assign out_data = (8*BYTES)'(word);
    assign out_valid = valid;

    always_ff @(posedge clk) begin
        if (rst) valid <= 1'b0;
        else if (move) valid <= found;
        if (move) word <= memory[read[ADDRESS_BITS-1:0]];
        if (in_valid && in_ready) memory[write[ADDRESS_BITS-1:0]] <= in_data[SIMD*BITS-1:0];
    end

    always_ff @(posedge clk) begin
        if (rst) begin
            beat <= '0;
            column <= '0;
            place <= '0;
            turn <= '0;
        end else if (step) begin
            beat <= last_beat ? '0 : beat + 1'b1;
            if (last_beat) column <= last_column ? '0 : column + 1'b1;
            if (last_beat && last_column) place <= last_place ? '0 : place + 1'b1;
            if (last_beat && last_column && last_place) turn <= last_turn ? '0 : turn + 1'b1;
        end
    end

    wire pointer_t next = read + 1'b1;
    always_ff @(posedge clk) begin
        if (rst) begin
            write <= '0;
            read <= '0;
            pixel <= '0;
            row <= '0;
            free <= '0;
        end else begin
            if (in_valid && in_ready) write <= write + 1'b1;
            if (step) begin
                if (last_turn && last_column) free <= next;
                if (!last_beat) read <= next;
                else if (!last_column) read <= pixel;
                else if (!last_place || last_turn) begin
                    read <= next;
                    pixel <= next;
                    if (last_place) row <= next;
                end else begin
                    read <= row;
                    pixel <= row;
                end
            end
        end
    end

endmodule
