// DP16KD, the block RAM of Lattice's ECP5, as Yosys uses it, for the simulation of netlists.
//
// Written from Lattice FPGA-TN-02204, "ECP5 and ECP5-5G Memory Usage Guide". Output registers and
// chip selects stop the simulation: Yosys does not use them. A port that reads what the other one
// writes in the same cycle gets the opposite of the new data: the hardware promises nothing then,
// and a netlist that relies on it must fail. Bytes that are not written then are read as they are,
// on which Yosys does rely. Both ports have one clock.

module DP16KD #(
  parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18,  // 1, 2, 4, 9, 18, 36
  parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG",
  parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC",
  parameter CSDECODE_A = "0b000", CSDECODE_B = "0b000",
  parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL",
  parameter CLKAMUX = "CLKA", CLKBMUX = "CLKB",
  parameter GSR = "ENABLED", WID = 0, INIT_DATA = "STATIC",
  parameter [319:0]  // 16 words of 18 bits, each in 20
    INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0, INITVAL_04 = 0,
    INITVAL_05 = 0, INITVAL_06 = 0, INITVAL_07 = 0, INITVAL_08 = 0, INITVAL_09 = 0,
    INITVAL_0A = 0, INITVAL_0B = 0, INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0,
    INITVAL_0F = 0, INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0, INITVAL_13 = 0,
    INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0, INITVAL_18 = 0,
    INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0, INITVAL_1C = 0, INITVAL_1D = 0,
    INITVAL_1E = 0, INITVAL_1F = 0, INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0,
    INITVAL_23 = 0, INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0,
    INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0, INITVAL_2C = 0,
    INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0, INITVAL_30 = 0, INITVAL_31 = 0,
    INITVAL_32 = 0, INITVAL_33 = 0, INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0,
    INITVAL_37 = 0, INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0,
    INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0
) (
  input
    DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
    DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0,
    DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
    DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
  input
    ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7,
    ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7,
    ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
  input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
  input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
  output
    DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
    DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0,
    DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
    DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
);
  localparam [20479:0] INIT = {
    INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A,
    INITVAL_39, INITVAL_38, INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34,
    INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30, INITVAL_2F, INITVAL_2E,
    INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
    INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22,
    INITVAL_21, INITVAL_20, INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C,
    INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18, INITVAL_17, INITVAL_16,
    INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
    INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A,
    INITVAL_09, INITVAL_08, INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04,
    INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00};

  initial begin
    if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG") begin
      $error("DP16KD with an output register");
      $finish;
    end
    if (CSDECODE_A != "0b000" || CSDECODE_B != "0b000") begin
      $error("DP16KD with a chip select");
      $finish;
    end
  end

  wire [35:0] data = {
    DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
    DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
    DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
    DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
  wire [13:0] address_a = {
    ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7,
    ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  wire [13:0] address_b = {
    ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7,
    ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};

  reg [35:0] rows[512];  // four bytes of nine bits
  reg [35:0] out_a = 0, out_b = 0;
  initial
    for (int i = 0; i < 512; i++) rows[i] = {INIT[40*i+20+:18], INIT[40*i+:18]};

  // The bits of a row that a word takes, and where they begin.
  function automatic [35:0] reach(input [13:0] address, int width);
    return ~(36'hFFFFFFFFF << width) << place(address, width);
  endfunction

  function automatic [5:0] place(input [13:0] address, int width);
    case (width)
      36: return 0;
      18: return address[4] ? 18 : 0;
      default: return 9 * address[4:3] + (width == 9 ? 0 : address[2:0] & ~3'(width - 1));
    endcase
  endfunction

  // Two and four bytes have an enable each, in the lowest bits of the address.
  function automatic [35:0] written(input [13:0] address, int width);
    written = reach(address, width);
    if (width == 18 || width == 36)
      for (int i = 0; i < 4; i++)
        if (!address[width == 36 ? i : i % 2]) written[9*i+:9] = 0;
  endfunction

  wire clk_a = CLKA ^ (CLKAMUX == "INV"), clk_b = CLKB ^ (CLKBMUX == "INV");
  wire reset_a = RESETMODE == "ASYNC" && RSTA, reset_b = RESETMODE == "ASYNC" && RSTB;
  wire writes_a = CEA && WEA && (RESETMODE == "ASYNC" || !RSTA);
  wire writes_b = CEB && WEB && (RESETMODE == "ASYNC" || !RSTB);
  wire [35:0] mask_a = writes_a ? written(address_a, DATA_WIDTH_A) : 0;
  wire [35:0] mask_b = writes_b ? written(address_b, DATA_WIDTH_B) : 0;
  wire [35:0] new_a = (DATA_WIDTH_A == 36 ? data : {18'd0, data[17:0]})
    << place(address_a, DATA_WIDTH_A);
  wire [35:0] new_b = {18'd0, data[35:18]} << place(address_b, DATA_WIDTH_B);
  wire [8:0] row_a = address_a[13:5], row_b = address_b[13:5];

  function automatic [35:0] seen(
      input [35:0] old, input [35:0] mine, input [35:0] mask, input [35:0] theirs,
      input [35:0] their_mask, input [35:0] wanted, input through, input [5:0] from);
    seen = through ? old & ~mask | mine & mask : old;
    seen = seen & ~their_mask | ~theirs & their_mask;
    return (seen & wanted) >> from;
  endfunction

  wire [35:0] their_a = row_a == row_b ? mask_b : 0, their_b = row_a == row_b ? mask_a : 0;

  always @(posedge clk_a)
    if (mask_a != 0)
      rows[row_a] <= rows[row_a] & ~(mask_a | their_a) | new_a & mask_a | new_b & their_a;

  always @(posedge clk_a or posedge reset_a)
    if (RSTA) out_a <= 0;
    else if (CEA && (!WEA || WRITEMODE_A != "NORMAL"))
      out_a <= seen(rows[row_a], new_a, mask_a, new_b, their_a, reach(address_a, DATA_WIDTH_A),
        WRITEMODE_A == "WRITETHROUGH", place(address_a, DATA_WIDTH_A));

  always @(posedge clk_b)
    if (mask_b != 0)
      rows[row_b] <= rows[row_b] & ~(mask_b | their_b) | new_b & mask_b | new_a & their_b;

  always @(posedge clk_b or posedge reset_b)
    if (RSTB) out_b <= 0;
    else if (CEB && (!WEB || WRITEMODE_B != "NORMAL"))
      out_b <= seen(rows[row_b], new_b, mask_b, new_a, their_b, reach(address_b, DATA_WIDTH_B),
        WRITEMODE_B == "WRITETHROUGH", place(address_b, DATA_WIDTH_B));

  // A port of 36 bits reads on both ports' pins, the low half on A's.
  assign {
    DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
    DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0} =
    DATA_WIDTH_B == 36 ? out_b[35:18] : out_b[17:0];
  assign {
    DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
    DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} =
    DATA_WIDTH_B == 36 ? out_b[17:0] : out_a[17:0];
endmodule
