// A FIFO whose depth is read when a simulation starts, for measuring; never synthesised.
//
// Cycle by cycle it is FINN's fifo.sv as a shift register or in distributed RAM: a beat comes out
// two cycles after it went in, a full FIFO takes nothing in the cycle in which it gives, and no
// FIFO holds fewer than five beats.

`default_nettype none

module lepton_fifo_gauge #(
    int unsigned WIDTH = 8,
    parameter    DEPTH_FILE = ""
) (
    input  wire              clk,
    input  wire              rst,
    input  wire  [WIDTH-1:0] idat,
    input  wire              ivld,
    output logic             irdy,
    output logic [WIDTH-1:0] odat,
    output logic             ovld,
    input  wire              ordy
);

  logic [31:0] depth[1];
  initial $readmemh(DEPTH_FILE, depth);
  wire [31:0] waiting_at_most = (depth[0] > 5 ? depth[0] : 5) - 1;  // one more in the output

  logic [WIDTH-1:0] waiting[$];
  logic [31:0] held = 0;

  wire push = irdy && ivld;
  wire free = !ovld || ordy;
  wire pop = held != 0 && free;
  wire [31:0] held_next = held + 32'(push) - 32'(pop);

  always @(posedge clk) begin
    if (rst) begin
      waiting.delete();
      held <= 0;
      irdy <= 1;
      ovld <= 0;
    end else begin
      if (pop) odat <= waiting.pop_front();
      if (push) waiting.push_back(idat);
      if (free) ovld <= pop;
      held <= held_next;
      irdy <= held_next < waiting_at_most;
    end
  end

endmodule

`default_nettype wire
