// Registers of one DMA engine, in FINN's layout, and the checks before a transfer.
//
// Bytes of a transfer are frames x FRAME_BYTES, multiplied bit by bit from the moment at which the
// number of frames is written; a start waits for the product. `go` starts the engine for one
// cycle; a request that cannot be carried out sets `bad_address` or `bad_length` for one cycle and
// is done.

module dma_control
    import shell_pkg::*;
#(
    int unsigned ADDRESS_BITS = 32,
    int unsigned FRAME_BYTES  = 8
) (
    input logic clk,
    input logic rst,
    input logic stop,  // a soft reset drains: starts are ignored
    input logic over,  // the soft reset's end: idle and not done

    input  logic wr_en,
    input  logic rd_en,
    input  logic [15:0] wr_addr,
    input  logic [15:0] rd_addr,
    input  logic [31:0] wr_data,
    input  logic [3:0] wr_strb,
    output logic [31:0] rd_data,

    output logic go,
    output logic [ADDRESS_BITS-1:0] address,
    output logic [ADDRESS_BITS:0] bytes,
    input  logic finished,
    output logic running,
    output logic bad_address,
    output logic bad_length
);

    localparam logic [15:0] CONTROL = 16'h00, LOW = 16'h10, HIGH = 16'h14, FRAMES = 16'h1C;
    localparam int unsigned SUM_BITS = ADDRESS_BITS + 3;

    logic [63:0] buffer;
    logic [31:0] frames;
    logic done;

    // The product: 32 steps of doubling, the highest bit of the number of frames first.
    logic [31:0] rest;
    logic [5:0] steps;
    logic too_long;
    wire [SUM_BITS-1:0] doubled = SUM_BITS'({bytes, 1'b0})
        + (rest[31] ? SUM_BITS'(FRAME_BYTES) : '0);

    wire set_frames = wr_en && wr_addr == FRAMES;
    wire [31:0] new_frames = merged(frames, wr_data, wr_strb);
    wire start = wr_en && wr_addr == CONTROL && wr_strb[0] && wr_data[0];

    // Started, multiplied, compared: a request is refused or goes in the third state.
    typedef enum logic [1:0] {IDLE, CHECK, DECIDE, RUN} state_t;
    state_t state;
    logic beyond;
    wire [SUM_BITS-1:0] last = SUM_BITS'(address) + SUM_BITS'(bytes);
    wire refused = bad_address || bad_length;

    assign address = buffer[ADDRESS_BITS-1:0];
    assign running = state != IDLE;
    assign bad_address = state == DECIDE && !stop && address[2:0] != '0;
    assign bad_length = state == DECIDE && !stop && (frames == '0 || beyond);
    assign go = state == DECIDE && !stop && !refused;

    always_comb begin
        unique case (rd_addr)
            CONTROL: rd_data = {28'd0, done, !running, done, running};
            LOW: rd_data = buffer[31:0];
            HIGH: rd_data = buffer[63:32];
            FRAMES: rd_data = frames;
            default: rd_data = '0;
        endcase
    end

    always_ff @(posedge clk) begin
        if (set_frames) begin
            rest <= new_frames;
            steps <= 6'd32;
            bytes <= '0;
            too_long <= 1'b0;
        end else if (steps != '0) begin
            rest <= rest << 1;
            steps <= steps - 1'b1;
            bytes <= doubled[ADDRESS_BITS:0];
            too_long <= too_long || doubled[SUM_BITS-1:ADDRESS_BITS+1] != '0;
        end
        beyond <= too_long || last > (SUM_BITS'(1) << ADDRESS_BITS)
            || |(buffer >> ADDRESS_BITS);

        if (wr_en && wr_addr == LOW) buffer[31:0] <= merged(buffer[31:0], wr_data, wr_strb);
        if (wr_en && wr_addr == HIGH) buffer[63:32] <= merged(buffer[63:32], wr_data, wr_strb);
        if (set_frames) frames <= new_frames;

        unique case (state)
            IDLE: if (start && !stop) state <= CHECK;
            CHECK: if (steps == '0) state <= DECIDE;
            DECIDE: state <= refused ? IDLE : RUN;
            RUN: if (finished) state <= IDLE;
        endcase
        if (rd_en && rd_addr == CONTROL) done <= 1'b0;
        if (refused || (state == RUN && finished)) done <= 1'b1;

        if (rst) begin
            buffer <= '0;
            frames <= '0;
            bytes <= '0;
            steps <= '0;
            too_long <= 1'b0;
        end
        if (rst || over) begin
            state <= IDLE;
            done <= 1'b0;
        end
    end

endmodule
