// Registers of one side, in FINN's layout: it runs from its start to the last beat of its frames.
//
// Nothing is held back by it: data flow as they come. There are no addresses; the host has them.

module serial_engine (
    input logic clk,
    input logic rst,
    input logic over,  // a soft reset's end: idle and not done

    input  logic wr_en,
    input  logic rd_en,
    input  logic [15:0] address,
    input  logic [31:0] wr_data,
    output logic [31:0] rd_data,

    input  logic frame,  // the last beat of a frame passed
    output logic started,
    output logic running,
    output logic bad_length
);

    localparam logic [15:0] CONTROL = 16'h00, FRAMES = 16'h1C;

    logic [31:0] frames;
    logic [31:0] left;
    logic done;

    wire start = wr_en && address == CONTROL && wr_data[0] && !running;
    assign bad_length = start && frames == '0;
    assign started = start && frames != '0;
    assign running = left != '0;

    always_comb begin
        unique case (address)
            CONTROL: rd_data = {28'd0, done, !running, done, running};
            FRAMES: rd_data = frames;
            default: rd_data = '0;
        endcase
    end

    always_ff @(posedge clk) begin
        if (wr_en && address == FRAMES) frames <= wr_data;
        if (rd_en && address == CONTROL) done <= 1'b0;
        if (started) begin
            left <= frames;
        end else if (running && frame) begin
            left <= left - 1'b1;
            if (left == 1) done <= 1'b1;
        end
        if (bad_length) done <= 1'b1;
        if (rst) frames <= '0;
        if (rst || over) begin
            left <= '0;
            done <= 1'b0;
        end
    end

endmodule
