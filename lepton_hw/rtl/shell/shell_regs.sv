// The segment lepton0: identity, status, errors, soft reset, and the view of the counters.

module shell_regs
    import shell_pkg::*;
#(
    int unsigned ADDRESS_BITS = 32,
    logic [255:0] DIGEST = '0,
    int unsigned IN_FRAME_BYTES  = 8,
    int unsigned OUT_FRAME_BYTES = 8,
    int unsigned IN_BYTES  = 8,
    int unsigned OUT_BYTES = 8,
    int unsigned WORD_BYTES = BUS_BYTES
) (
    input logic clk,
    input logic rst,

    input  logic wr_en,
    input  logic [15:0] wr_addr,
    input  logic [15:0] rd_addr,
    input  logic [31:0] wr_data,
    input  logic [3:0] wr_strb,
    output logic [31:0] rd_data,

    output logic soft_reset,
    output logic clear,
    output logic latch,
    input  logic resetting,
    input  logic [7:0] status,
    input  logic [COUNTER_BITS-1:0] counters[COUNTERS],

    // One cycle each; the address belongs to the event beside it.
    input logic read_error,
    input logic [ADDRESS_BITS-1:0] read_address,
    input logic write_error,
    input logic [ADDRESS_BITS-1:0] write_address,
    input logic length_error,
    input logic [ADDRESS_BITS-1:0] length_address,
    input logic reset_while_busy
);

    localparam logic [15:0] CONTROL = 16'h08, ERROR = 16'h10, FIRST_COUNTER = 16'h80;
    localparam int unsigned COUNTER_REGISTERS = 2 * COUNTERS;

    logic [3:0] error;
    logic [63:0] error_address;
    wire control = wr_en && wr_addr == CONTROL && wr_strb[0];
    assign soft_reset = control && wr_data[0];
    assign clear = control && wr_data[1];
    assign latch = control && wr_data[2];

    wire [3:0] events = {reset_while_busy, length_error, write_error, read_error};
    wire [3:0] cleared = wr_en && wr_addr == ERROR && wr_strb[0] ? wr_data[3:0] : '0;
    always_ff @(posedge clk) begin
        if (rst) begin
            error <= '0;
            error_address <= '0;
        end else begin
            error <= (error & ~cleared) | events;
            if (error[2:0] == '0 && events[2:0] != '0) begin
                if (read_error) error_address <= 64'(read_address);
                else if (write_error) error_address <= 64'(write_address);
                else error_address <= 64'(length_address);
            end
        end
    end

    logic [31:0] counter_words[COUNTER_REGISTERS];
    always_comb begin
        for (int i = 0; i < COUNTERS; i++) begin
            counter_words[2*i] = counters[i][31:0];
            counter_words[2*i+1] = 32'(counters[i][COUNTER_BITS-1:32]);
        end
    end

    wire [15:0] counter_offset = rd_addr - FIRST_COUNTER;
    wire is_counter = rd_addr >= FIRST_COUNTER
        && counter_offset < 16'(4 * COUNTER_REGISTERS) && rd_addr[1:0] == '0;
    always_comb begin
        unique case (rd_addr)
            16'h00: rd_data = MAGIC;
            16'h04: rd_data = VERSION;
            CONTROL: rd_data = 32'(resetting);
            16'h0C: rd_data = 32'(status);
            ERROR: rd_data = 32'(error);
            16'h14: rd_data = error_address[31:0];
            16'h18: rd_data = error_address[63:32];
            16'h20: rd_data = DIGEST[255:224];
            16'h24: rd_data = DIGEST[223:192];
            16'h28: rd_data = DIGEST[191:160];
            16'h2C: rd_data = DIGEST[159:128];
            16'h30: rd_data = DIGEST[127:96];
            16'h34: rd_data = DIGEST[95:64];
            16'h38: rd_data = DIGEST[63:32];
            16'h3C: rd_data = DIGEST[31:0];
            16'h40: rd_data = IN_FRAME_BYTES;
            16'h44: rd_data = OUT_FRAME_BYTES;
            16'h48: rd_data = IN_BYTES;
            16'h4C: rd_data = OUT_BYTES;
            16'h50: rd_data = WORD_BYTES;
            default: rd_data = is_counter ? counter_words[counter_offset[6:2]] : '0;
        endcase
    end

endmodule
