// Block RAM of AMD's 7 series as Yosys uses it, for the simulation of netlists.
//
// Written from AMD UG473, "7 Series FPGAs Memory Resources". Output registers, error correction and
// cascades (which Yosys takes for 65,536 words of a bit) stop the simulation. A port that reads what
// the other one writes in the same cycle gets the opposite of the new data, unless the writing port
// is READ_FIRST: the hardware promises nothing then, and a netlist that relies on it must fail. Both
// ports have one clock.

// Two ports on 512 rows of DATA bits and a parity bit for each byte. Widths count parity bits as
// AMD does: 0 (unused), 1, 2, 4, 9, 18, 36, 72.
module lepton_ramb #(
  parameter DATA = 32,
  parameter [512*DATA-1:0] INIT = 0,
  parameter [64*DATA-1:0] INITP = 0,
  parameter READ_0 = 0, WRITE_0 = 0, READ_1 = 0, WRITE_1 = 0,
  parameter MODE_0 = "WRITE_FIRST", MODE_1 = "WRITE_FIRST",
  parameter [71:0] START_0 = 0, START_1 = 0,  // parity above the data
  parameter [71:0] RESET_0 = 0, RESET_1 = 0
) (
  input clk_0, enable_0, reset_0,
  input [14:0] address_0,
  input [7:0] write_0,
  input [DATA-1:0] data_0,
  input [DATA/8-1:0] parity_0,
  output reg [DATA-1:0] out_0,
  output reg [DATA/8-1:0] out_parity_0,
  input clk_1, enable_1, reset_1,
  input [14:0] address_1,
  input [7:0] write_1,
  input [DATA-1:0] data_1,
  input [DATA/8-1:0] parity_1,
  output reg [DATA-1:0] out_1,
  output reg [DATA/8-1:0] out_parity_1
);
  localparam ROW = $clog2(DATA);

  reg [DATA-1:0] rows[512];
  reg [DATA/8-1:0] parities[512];

  function automatic int data_bits(int width);
    return width < 9 ? width : width / 9 * 8;
  endfunction

  // Where in its row a word begins.
  function automatic [ROW-1:0] place(input [14:0] address, int width);
    return address[ROW-1:0] & ~ROW'(data_bits(width) - 1);
  endfunction

  function automatic [DATA-1:0] written(input [14:0] address, input [7:0] write, int width);
    written = 0;
    if (width == 0) return 0;
    if (width < 9) return write[0] ? DATA'((1 << width) - 1) << place(address, width) : 0;
    for (int i = 0; i < width / 9; i++)
      if (write[i]) written |= DATA'(255) << (place(address, width) + 8 * i);
  endfunction

  function automatic [DATA/8-1:0] bytes(input [DATA-1:0] mask, int width);
    for (int i = 0; i < DATA / 8; i++) bytes[i] = width >= 9 && mask[8*i];
  endfunction

  function automatic [DATA-1:0] readable(input [14:0] address, int width);
    readable = width == 0 ? 0 : {DATA{1'b1}} >> (DATA - data_bits(width));
    return readable << place(address, width);
  endfunction

  initial for (int i = 0; i < 512; i++) begin
    rows[i] = INIT[i*DATA+:DATA];
    parities[i] = INITP[i*DATA/8+:DATA/8];
  end

  `define LEPTON_RAMB_PORT(N, O) \
  wire [DATA-1:0] mask_``N = enable_``N ? written(address_``N, write_``N, WRITE_``N) : 0; \
  wire [DATA/8-1:0] bytes_``N = bytes(mask_``N, WRITE_``N); \
  wire [DATA-1:0] new_``N = data_``N << place(address_``N, WRITE_``N); \
  wire [DATA/8-1:0] new_parity_``N = parity_``N << (place(address_``N, WRITE_``N) / 8); \
  wire [14-ROW:0] row_``N = address_``N[14:ROW] & 511; \
  wire [DATA-1:0] wanted_``N = readable(address_``N, READ_``N); \
  wire [DATA-1:0] beside_``N = row_``N == row_``O ? mask_``O : 0; \
  wire [DATA/8-1:0] bytes_beside_``N = row_``N == row_``O ? bytes_``O : 0; \
  wire collides_``N = |(beside_``N & wanted_``N) && MODE_``O != "READ_FIRST"; \
  wire [DATA-1:0] keep_``N = MODE_``N == "WRITE_FIRST" ? mask_``N : 0; \
  wire [DATA/8-1:0] keep_parity_``N = MODE_``N == "WRITE_FIRST" ? bytes_``N : 0; \
  wire [DATA-1:0] seen_``N = collides_``N ? ~(rows[row_``N] & ~mask_``O | new_``O & mask_``O) : \
    rows[row_``N] & ~keep_``N | new_``N & keep_``N; \
  wire [DATA/8-1:0] seen_parity_``N = collides_``N ? \
    ~(parities[row_``N] & ~bytes_``O | new_parity_``O & bytes_``O) : \
    parities[row_``N] & ~keep_parity_``N | new_parity_``N & keep_parity_``N; \
  initial out_``N = START_``N[DATA-1:0]; \
  initial out_parity_``N = START_``N[DATA+:DATA/8]; \
  always @(posedge clk_``N) if (enable_``N) begin \
    if (mask_``N != 0) begin \
      rows[row_``N] <= rows[row_``N] & ~(mask_``N | beside_``N) \
        | new_``N & mask_``N | new_``O & beside_``N; \
      parities[row_``N] <= parities[row_``N] & ~(bytes_``N | bytes_beside_``N) \
        | new_parity_``N & bytes_``N | new_parity_``O & bytes_beside_``N; \
    end \
    if (reset_``N) begin \
      out_``N <= RESET_``N[DATA-1:0]; \
      out_parity_``N <= RESET_``N[DATA+:DATA/8]; \
    end else if (READ_``N != 0 && (MODE_``N != "NO_CHANGE" || mask_``N == 0)) begin \
      out_``N <= (seen_``N & wanted_``N) >> place(address_``N, READ_``N); \
      out_parity_``N <= READ_``N < 9 ? 0 : \
        (seen_parity_``N & bytes(wanted_``N, READ_``N)) >> (place(address_``N, READ_``N) / 8); \
    end \
  end

  `LEPTON_RAMB_PORT(0, 1)
  `LEPTON_RAMB_PORT(1, 0)
  `undef LEPTON_RAMB_PORT
endmodule
