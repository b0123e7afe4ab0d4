// RAMB18E1 of AMD's 7 series for the simulation of netlists; see lepton_ramb.sv.
module RAMB18E1 #(
  parameter DOA_REG = 0, DOB_REG = 0,
  parameter RAM_MODE = "TDP", RDADDR_COLLISION_HWCONFIG = "DELAYED_WRITE",
  parameter READ_WIDTH_A = 0, READ_WIDTH_B = 0, WRITE_WIDTH_A = 0, WRITE_WIDTH_B = 0,
  parameter WRITE_MODE_A = "WRITE_FIRST", WRITE_MODE_B = "WRITE_FIRST",
  parameter [17:0] INIT_A = 0, INIT_B = 0, SRVAL_A = 0, SRVAL_B = 0,
  parameter RSTREG_PRIORITY_A = "RSTREG", RSTREG_PRIORITY_B = "RSTREG",
  parameter SIM_COLLISION_CHECK = "ALL", SIM_DEVICE = "7SERIES", INIT_FILE = "NONE",
  parameter [0:0] IS_CLKARDCLK_INVERTED = 0, IS_CLKBWRCLK_INVERTED = 0,
  parameter [0:0] IS_ENARDEN_INVERTED = 0, IS_ENBWREN_INVERTED = 0,
  parameter [0:0] IS_RSTRAMARSTRAM_INVERTED = 0, IS_RSTRAMB_INVERTED = 0,
  parameter [0:0] IS_RSTREGARSTREG_INVERTED = 0, IS_RSTREGB_INVERTED = 0,
  parameter [255:0]
    INIT_00 = 0, INIT_01 = 0, INIT_02 = 0, INIT_03 = 0, INIT_04 = 0, INIT_05 = 0,
    INIT_06 = 0, INIT_07 = 0, INIT_08 = 0, INIT_09 = 0, INIT_0A = 0, INIT_0B = 0,
    INIT_0C = 0, INIT_0D = 0, INIT_0E = 0, INIT_0F = 0, INIT_10 = 0, INIT_11 = 0,
    INIT_12 = 0, INIT_13 = 0, INIT_14 = 0, INIT_15 = 0, INIT_16 = 0, INIT_17 = 0,
    INIT_18 = 0, INIT_19 = 0, INIT_1A = 0, INIT_1B = 0, INIT_1C = 0, INIT_1D = 0,
    INIT_1E = 0, INIT_1F = 0, INIT_20 = 0, INIT_21 = 0, INIT_22 = 0, INIT_23 = 0,
    INIT_24 = 0, INIT_25 = 0, INIT_26 = 0, INIT_27 = 0, INIT_28 = 0, INIT_29 = 0,
    INIT_2A = 0, INIT_2B = 0, INIT_2C = 0, INIT_2D = 0, INIT_2E = 0, INIT_2F = 0,
    INIT_30 = 0, INIT_31 = 0, INIT_32 = 0, INIT_33 = 0, INIT_34 = 0, INIT_35 = 0,
    INIT_36 = 0, INIT_37 = 0, INIT_38 = 0, INIT_39 = 0, INIT_3A = 0, INIT_3B = 0,
    INIT_3C = 0, INIT_3D = 0, INIT_3E = 0, INIT_3F = 0,
  parameter [255:0]
    INITP_00 = 0, INITP_01 = 0, INITP_02 = 0, INITP_03 = 0, INITP_04 = 0, INITP_05 = 0,
    INITP_06 = 0, INITP_07 = 0
) (
  input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, REGCEAREGCE, REGCEB,
  input RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB,
  input [13:0] ADDRARDADDR, ADDRBWRADDR,
  input [15:0] DIADI, DIBDI,
  input [1:0] DIPADIP, DIPBDIP,
  input [1:0] WEA,
  input [3:0] WEBWE,
  output [15:0] DOADO, DOBDO,
  output [1:0] DOPADOP, DOPBDOP
);
  localparam SIMPLE = RAM_MODE == "SDP";
  localparam WIDE = 36;  // of a simple dual port

  // SRVAL and INIT as Yosys and AMD write them: of a word of READ_WIDTH, parity above the data.
  function automatic [71:0] spread(input [17:0] low, input [17:0] high, int width);
    spread = 0;
    if (width == WIDE) return {high[17:16], low[17:16], high[15:0], low[15:0]};
    spread[15:0] = width < 9 ? low & ((1 << width) - 1) : low & ((64'd1 << (width / 9 * 8)) - 1);
    if (width >= 9) spread[32+:2] = low >> (width / 9 * 8);
  endfunction

  initial begin
    if (DOA_REG != 0 || DOB_REG != 0) begin
      $error("RAMB18E1 with an output register");
      $finish;
    end
    if (RAM_MODE != "SDP" && RAM_MODE != "TDP") begin
      $error("RAMB18E1 in mode %s", RAM_MODE);
      $finish;
    end
  end

  wire [31:0] out_a, out_b;
  wire [3:0] out_parity_a, out_parity_b;
  assign DOADO = out_a[15:0];
  assign DOPADOP = out_parity_a[1:0];
  assign DOBDO = SIMPLE ? out_a[31:16] : out_b[15:0];
  assign DOPBDOP = SIMPLE ? out_parity_a[3:2] : out_parity_b[1:0];

  lepton_ramb #(
    .DATA(32),
    .INIT({
      INIT_3F, INIT_3E, INIT_3D, INIT_3C, INIT_3B, INIT_3A,
      INIT_39, INIT_38, INIT_37, INIT_36, INIT_35, INIT_34,
      INIT_33, INIT_32, INIT_31, INIT_30, INIT_2F, INIT_2E,
      INIT_2D, INIT_2C, INIT_2B, INIT_2A, INIT_29, INIT_28,
      INIT_27, INIT_26, INIT_25, INIT_24, INIT_23, INIT_22,
      INIT_21, INIT_20, INIT_1F, INIT_1E, INIT_1D, INIT_1C,
      INIT_1B, INIT_1A, INIT_19, INIT_18, INIT_17, INIT_16,
      INIT_15, INIT_14, INIT_13, INIT_12, INIT_11, INIT_10,
      INIT_0F, INIT_0E, INIT_0D, INIT_0C, INIT_0B, INIT_0A,
      INIT_09, INIT_08, INIT_07, INIT_06, INIT_05, INIT_04,
      INIT_03, INIT_02, INIT_01, INIT_00}),
    .INITP({
      INITP_07, INITP_06, INITP_05, INITP_04, INITP_03, INITP_02,
      INITP_01, INITP_00}),
    .READ_0(READ_WIDTH_A), .WRITE_0(SIMPLE ? 0 : WRITE_WIDTH_A),
    .READ_1(SIMPLE ? 0 : READ_WIDTH_B), .WRITE_1(WRITE_WIDTH_B),
    .MODE_0(WRITE_MODE_A), .MODE_1(WRITE_MODE_B),
    .START_0(spread(INIT_A, INIT_B, READ_WIDTH_A)), .START_1(spread(INIT_B, 0, READ_WIDTH_B)),
    .RESET_0(spread(SRVAL_A, SRVAL_B, READ_WIDTH_A)), .RESET_1(spread(SRVAL_B, 0, READ_WIDTH_B))
  ) memory (
    .clk_0(CLKARDCLK ^ IS_CLKARDCLK_INVERTED),
    .enable_0(ENARDEN ^ IS_ENARDEN_INVERTED),
    .reset_0(RSTRAMARSTRAM ^ IS_RSTRAMARSTRAM_INVERTED),
    .address_0({1'b0, ADDRARDADDR}),
    .write_0({6'd0, WEA}),
    .data_0({16'd0, DIADI}),
    .parity_0({2'd0, DIPADIP}),
    .out_0(out_a),
    .out_parity_0(out_parity_a),
    .clk_1(CLKBWRCLK ^ IS_CLKBWRCLK_INVERTED),
    .enable_1(ENBWREN ^ IS_ENBWREN_INVERTED),
    .reset_1(RSTRAMB ^ IS_RSTRAMB_INVERTED),
    .address_1({1'b0, ADDRBWRADDR}),
    .write_1({4'd0, WEBWE}),
    .data_1(SIMPLE && WRITE_WIDTH_B == WIDE ? {DIBDI, DIADI} : {16'd0, DIBDI}),
    .parity_1(SIMPLE && WRITE_WIDTH_B == WIDE ? {DIPBDIP, DIPADIP} : {2'd0, DIPBDIP}),
    .out_1(out_b),
    .out_parity_1(out_parity_b)
  );
endmodule
