// Everything between a processor and an accelerator: registers, both DMA engines, soft reset.
//
// The accelerator is outside; its reset comes from here. ID signals are one bit, always 0.

module shell
    import shell_pkg::*;
#(
    bit AXI3 = 1'b0,  // 4-bit lengths and WID; MAX_BURST at most 16
    int unsigned ADDRESS_BITS = 32,
    int unsigned MAX_BURST = 16,  // a power of two
    int unsigned IN_BYTES  = 8,  // of a beat
    int unsigned OUT_BYTES = 8,
    int unsigned IN_BEATS  = 1,  // of a frame
    int unsigned OUT_BEATS = 1,
    logic [255:0] DIGEST = '0,
    localparam int unsigned LENGTH_BITS = AXI3 ? 4 : 8,
    localparam int unsigned LOCK_BITS = AXI3 ? 2 : 1
) (
    input logic clk,
    input logic resetn,

    input  logic [17:0] s_axi_awaddr,
    input  logic [2:0] s_axi_awprot,
    input  logic s_axi_awvalid,
    output logic s_axi_awready,
    input  logic [31:0] s_axi_wdata,
    input  logic [3:0] s_axi_wstrb,
    input  logic s_axi_wvalid,
    output logic s_axi_wready,
    output logic [1:0] s_axi_bresp,
    output logic s_axi_bvalid,
    input  logic s_axi_bready,
    input  logic [17:0] s_axi_araddr,
    input  logic [2:0] s_axi_arprot,
    input  logic s_axi_arvalid,
    output logic s_axi_arready,
    output logic [31:0] s_axi_rdata,
    output logic [1:0] s_axi_rresp,
    output logic s_axi_rvalid,
    input  logic s_axi_rready,

    output logic m_axi_awid,
    output logic [ADDRESS_BITS-1:0] m_axi_awaddr,
    output logic [LENGTH_BITS-1:0] m_axi_awlen,
    output logic [2:0] m_axi_awsize,
    output logic [1:0] m_axi_awburst,
    output logic [LOCK_BITS-1:0] m_axi_awlock,
    output logic [3:0] m_axi_awcache,
    output logic [2:0] m_axi_awprot,
    output logic m_axi_awvalid,
    input  logic m_axi_awready,
    output logic m_axi_wid,
    output logic [63:0] m_axi_wdata,
    output logic [7:0] m_axi_wstrb,
    output logic m_axi_wlast,
    output logic m_axi_wvalid,
    input  logic m_axi_wready,
    input  logic m_axi_bid,
    input  logic [1:0] m_axi_bresp,
    input  logic m_axi_bvalid,
    output logic m_axi_bready,
    output logic m_axi_arid,
    output logic [ADDRESS_BITS-1:0] m_axi_araddr,
    output logic [LENGTH_BITS-1:0] m_axi_arlen,
    output logic [2:0] m_axi_arsize,
    output logic [1:0] m_axi_arburst,
    output logic [LOCK_BITS-1:0] m_axi_arlock,
    output logic [3:0] m_axi_arcache,
    output logic [2:0] m_axi_arprot,
    output logic m_axi_arvalid,
    input  logic m_axi_arready,
    input  logic m_axi_rid,
    input  logic [63:0] m_axi_rdata,
    input  logic [1:0] m_axi_rresp,
    input  logic m_axi_rlast,
    input  logic m_axi_rvalid,
    output logic m_axi_rready,

    output logic acc_resetn,
    output logic [8*IN_BYTES-1:0] in_tdata,
    output logic in_tvalid,
    input  logic in_tready,
    input  logic [8*OUT_BYTES-1:0] out_tdata,
    input  logic out_tvalid,
    output logic out_tready
);

    localparam int unsigned IDMA = 0, ODMA = 1, LEPTON = 2;
    localparam int unsigned RESET_CYCLES = 16;
    // Eight bursts of 16 on their way hide a latency of memory of some 100 cycles.
    localparam int unsigned READ_WORDS = max(128, 4 * MAX_BURST);
    localparam int unsigned WRITE_WORDS = max(64, 2 * MAX_BURST);

    logic rst;
    always_ff @(posedge clk) rst <= !resetn;

    // Registers.
    wire wr_en;
    wire rd_en;
    wire [17:0] wr_addr;
    wire [17:0] rd_addr;
    wire [31:0] wr_data;
    wire [3:0] wr_strb;
    wire [31:0] idma_data;
    wire [31:0] odma_data;
    wire [31:0] lepton_data;
    logic [31:0] rd_data;
    always_comb begin
        unique case (rd_addr[17:16])
            2'(IDMA): rd_data = idma_data;
            2'(ODMA): rd_data = odma_data;
            2'(LEPTON): rd_data = lepton_data;
            default: rd_data = '0;
        endcase
    end

    axil_regs #(
        .ADDRESS_BITS(18)
    ) registers (
        .clk, .rst,
        .awaddr(s_axi_awaddr), .awvalid(s_axi_awvalid), .awready(s_axi_awready),
        .wdata(s_axi_wdata), .wstrb(s_axi_wstrb), .wvalid(s_axi_wvalid), .wready(s_axi_wready),
        .bresp(s_axi_bresp), .bvalid(s_axi_bvalid), .bready(s_axi_bready),
        .araddr(s_axi_araddr), .arvalid(s_axi_arvalid), .arready(s_axi_arready),
        .rdata(s_axi_rdata), .rresp(s_axi_rresp), .rvalid(s_axi_rvalid), .rready(s_axi_rready),
        .wr_en, .wr_addr, .wr_data, .wr_strb, .wr_bad(wr_addr[17:16] == 2'd3),
        .rd_en, .rd_addr, .rd_data, .rd_bad(rd_addr[17:16] == 2'd3)
    );

    // Soft reset: stop, wait for memory, reset.
    wire soft_reset;
    wire read_drained;
    wire write_drained;
    logic stop;
    logic [4:0] reset_left;
    wire over = reset_left != '0;
    logic part_rst;  // DMA engines and accelerator
    always_ff @(posedge clk) begin
        if (rst) begin
            stop <= 1'b0;
            reset_left <= '0;
        end else if (over) begin
            reset_left <= reset_left - 1'b1;
            if (reset_left == 1) stop <= 1'b0;
        end else if (stop) begin
            if (read_drained && write_drained) reset_left <= 5'(RESET_CYCLES);
        end else begin
            stop <= soft_reset;
        end
        part_rst <= !resetn || over;
        acc_resetn <= resetn && !over;
    end

    // DMA engines.
    wire in_go;
    wire out_go;
    wire in_running;
    wire out_running;
    wire in_finished;
    wire out_finished;
    wire [ADDRESS_BITS-1:0] in_address;
    wire [ADDRESS_BITS-1:0] out_address;
    wire [ADDRESS_BITS:0] in_size;
    wire [ADDRESS_BITS:0] out_size;
    wire in_bad_address;
    wire in_bad_length;
    wire out_bad_address;
    wire out_bad_length;

    dma_control #(
        .ADDRESS_BITS(ADDRESS_BITS),
        .FRAME_BYTES (IN_BYTES * IN_BEATS)
    ) idma_control (
        .clk, .rst, .stop, .over,
        .wr_en(wr_en && wr_addr[17:16] == 2'(IDMA)), .rd_en(rd_en && rd_addr[17:16] == 2'(IDMA)),
        .wr_addr(wr_addr[15:0]), .rd_addr(rd_addr[15:0]), .wr_data, .wr_strb,
        .rd_data(idma_data),
        .go(in_go), .address(in_address), .bytes(in_size), .finished(in_finished),
        .running(in_running), .bad_address(in_bad_address), .bad_length(in_bad_length)
    );

    dma_control #(
        .ADDRESS_BITS(ADDRESS_BITS),
        .FRAME_BYTES (OUT_BYTES * OUT_BEATS)
    ) odma_control (
        .clk, .rst, .stop, .over,
        .wr_en(wr_en && wr_addr[17:16] == 2'(ODMA)), .rd_en(rd_en && rd_addr[17:16] == 2'(ODMA)),
        .wr_addr(wr_addr[15:0]), .rd_addr(rd_addr[15:0]), .wr_data, .wr_strb,
        .rd_data(odma_data),
        .go(out_go), .address(out_address), .bytes(out_size), .finished(out_finished),
        .running(out_running), .bad_address(out_bad_address), .bad_length(out_bad_length)
    );

    wire read_error;
    wire write_error;
    wire [ADDRESS_BITS-1:0] read_error_address;
    wire [ADDRESS_BITS-1:0] write_error_address;
    wire [7:0] arlen;
    wire [7:0] awlen;

    dma_read #(
        .ADDRESS_BITS(ADDRESS_BITS),
        .OUT_BYTES(IN_BYTES),
        .MAX_BURST(MAX_BURST),
        .DEPTH(READ_WORDS)
    ) reader (
        .clk, .rst(part_rst), .stop, .drained(read_drained),
        .go(in_go), .address(in_address), .bytes(in_size), .finished(in_finished),
        .error(read_error), .error_address(read_error_address),
        .araddr(m_axi_araddr), .arlen, .arvalid(m_axi_arvalid), .arready(m_axi_arready),
        .rdata(m_axi_rdata), .rresp(m_axi_rresp), .rvalid(m_axi_rvalid), .rready(m_axi_rready),
        .out_data(in_tdata), .out_valid(in_tvalid), .out_ready(in_tready)
    );

    dma_write #(
        .ADDRESS_BITS(ADDRESS_BITS),
        .IN_BYTES(OUT_BYTES),
        .MAX_BURST(MAX_BURST),
        .DEPTH(WRITE_WORDS)
    ) writer (
        .clk, .rst(part_rst), .stop, .drained(write_drained),
        .go(out_go), .address(out_address), .bytes(out_size), .finished(out_finished),
        .error(write_error), .error_address(write_error_address),
        .awaddr(m_axi_awaddr), .awlen, .awvalid(m_axi_awvalid), .awready(m_axi_awready),
        .wdata(m_axi_wdata), .wstrb(m_axi_wstrb), .wlast(m_axi_wlast), .wvalid(m_axi_wvalid),
        .wready(m_axi_wready), .bresp(m_axi_bresp), .bvalid(m_axi_bvalid), .bready(m_axi_bready),
        .in_data(out_tdata), .in_valid(out_tvalid), .in_ready(out_tready)
    );

    assign m_axi_arlen = arlen[LENGTH_BITS-1:0];
    assign m_axi_awlen = awlen[LENGTH_BITS-1:0];
    // Words of 8 bytes, incrementing, normal memory that may be buffered, unprivileged data.
    assign {m_axi_arid, m_axi_awid, m_axi_wid} = '0;
    assign {m_axi_arsize, m_axi_awsize} = {2{3'b011}};
    assign {m_axi_arburst, m_axi_awburst} = {2{2'b01}};
    assign {m_axi_arlock, m_axi_awlock} = '0;
    assign {m_axi_arcache, m_axi_awcache} = {2{4'b0011}};
    assign {m_axi_arprot, m_axi_awprot} = '0;

    // Identity, errors, counters.
    wire clear;
    wire latch;
    wire [COUNTER_BITS-1:0] counters[COUNTERS];

    shell_regs #(
        .ADDRESS_BITS(ADDRESS_BITS),
        .DIGEST(DIGEST),
        .IN_FRAME_BYTES(IN_BYTES * IN_BEATS),
        .OUT_FRAME_BYTES(OUT_BYTES * OUT_BEATS),
        .IN_BYTES(IN_BYTES),
        .OUT_BYTES(OUT_BYTES)
    ) lepton (
        .clk, .rst,
        .wr_en(wr_en && wr_addr[17:16] == 2'(LEPTON)),
        .wr_addr(wr_addr[15:0]), .rd_addr(rd_addr[15:0]), .wr_data, .wr_strb,
        .rd_data(lepton_data),
        .soft_reset, .clear, .latch, .resetting(stop),
        .status({out_tready, out_tvalid, in_tready, in_tvalid, 1'b0, stop, out_running,
            in_running}),
        .counters,
        .read_error(read_error || in_bad_address),
        .read_address(in_bad_address ? in_address : read_error_address),
        .write_error(write_error || out_bad_address),
        .write_address(out_bad_address ? out_address : write_error_address),
        .length_error(in_bad_length || out_bad_length),
        .length_address(in_bad_length ? in_address : out_address),
        .reset_while_busy(soft_reset && !stop && (in_running || out_running))
    );

    shell_counters #(
        .IN_BEATS (IN_BEATS),
        .OUT_BEATS(OUT_BEATS)
    ) counting (
        .clk, .rst, .acc_rst(part_rst), .clear, .latch,
        .in_started(in_go), .in_running, .out_running,
        .in_valid(in_tvalid), .in_ready(in_tready), .out_valid(out_tvalid), .out_ready(out_tready),
        .read_beat(m_axi_rvalid && m_axi_rready), .write_beat(m_axi_wvalid && m_axi_wready),
        .in_frame(), .out_frame(), .latched(counters)
    );

endmodule
