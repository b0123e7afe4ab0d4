// LUTs and carry cells of AMD's 7 series: what Yosys's models say, in a form that simulates faster.
//
// A LUT is one look-up; a carry cell has a wire for each step, where a vector that depends on
// itself would be taken for a loop. tests/rtl/test_cells.py compares them with Yosys's.

module LUT1(output O, input I0);
  parameter [1:0] INIT = 0;
  assign O = INIT[I0];
endmodule

module LUT2(output O, input I0, I1);
  parameter [3:0] INIT = 0;
  assign O = INIT[{I1, I0}];
endmodule

module LUT3(output O, input I0, I1, I2);
  parameter [7:0] INIT = 0;
  assign O = INIT[{I2, I1, I0}];
endmodule

module LUT4(output O, input I0, I1, I2, I3);
  parameter [15:0] INIT = 0;
  assign O = INIT[{I3, I2, I1, I0}];
endmodule

module LUT5(output O, input I0, I1, I2, I3, I4);
  parameter [31:0] INIT = 0;
  assign O = INIT[{I4, I3, I2, I1, I0}];
endmodule

module LUT6(output O, input I0, I1, I2, I3, I4, I5);
  parameter [63:0] INIT = 0;
  assign O = INIT[{I5, I4, I3, I2, I1, I0}];
endmodule

module CARRY4(output [3:0] CO, O, input CI, CYINIT, input [3:0] DI, S);
  wire first = CI | CYINIT;
  wire carry_0 = S[0] ? first : DI[0];
  wire carry_1 = S[1] ? carry_0 : DI[1];
  wire carry_2 = S[2] ? carry_1 : DI[2];
  assign O = S ^ {carry_2, carry_1, carry_0, first};
  assign CO = {S[3] ? carry_2 : DI[3], carry_2, carry_1, carry_0};
endmodule
