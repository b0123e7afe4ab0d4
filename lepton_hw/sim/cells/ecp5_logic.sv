// LUTs of Lattice's ECP5: what Yosys's models say, as one look-up, which simulates faster.
//
// tests/rtl/test_cells.py compares them with Yosys's.

module LUT2(input A, B, output Z);
  parameter [3:0] INIT = 0;
  assign Z = INIT[{B, A}];
endmodule

module LUT4(input A, B, C, D, output Z);
  parameter [15:0] INIT = 0;
  assign Z = INIT[{D, C, B, A}];
endmodule
