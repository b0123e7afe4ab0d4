// A processor's AXI3 port, 32 bits, in front of AXI4-Lite registers: one transfer at a time.
//
// Bursts become one register access a word, whatever their type: the address counts up for an
// incrementing one and stays for a fixed one; a wrapping one is answered by SLVERR and does
// nothing. Words narrower than 32 bits keep their byte strobes. Reads and writes do not wait for
// each other.

module axi3_lite #(
    int unsigned ADDRESS_BITS = 18,
    int unsigned ID_BITS = 12
) (
    input logic clk,
    input logic rst,

    input  logic [ID_BITS-1:0] s_awid,
    input  logic [ADDRESS_BITS-1:0] s_awaddr,
    input  logic [3:0] s_awlen,
    input  logic [1:0] s_awsize,
    input  logic [1:0] s_awburst,
    input  logic s_awvalid,
    output logic s_awready,
    input  logic [31:0] s_wdata,
    input  logic [3:0] s_wstrb,
    input  logic s_wlast,
    input  logic s_wvalid,
    output logic s_wready,
    output logic [ID_BITS-1:0] s_bid,
    output logic [1:0] s_bresp,
    output logic s_bvalid,
    input  logic s_bready,
    input  logic [ID_BITS-1:0] s_arid,
    input  logic [ADDRESS_BITS-1:0] s_araddr,
    input  logic [3:0] s_arlen,
    input  logic [1:0] s_arsize,
    input  logic [1:0] s_arburst,
    input  logic s_arvalid,
    output logic s_arready,
    output logic [ID_BITS-1:0] s_rid,
    output logic [31:0] s_rdata,
    output logic [1:0] s_rresp,
    output logic s_rlast,
    output logic s_rvalid,
    input  logic s_rready,

    output logic [ADDRESS_BITS-1:0] m_awaddr,
    output logic m_awvalid,
    input  logic m_awready,
    output logic [31:0] m_wdata,
    output logic [3:0] m_wstrb,
    output logic m_wvalid,
    input  logic m_wready,
    input  logic [1:0] m_bresp,
    input  logic m_bvalid,
    output logic m_bready,
    output logic [ADDRESS_BITS-1:0] m_araddr,
    output logic m_arvalid,
    input  logic m_arready,
    input  logic [31:0] m_rdata,
    input  logic [1:0] m_rresp,
    input  logic m_rvalid,
    output logic m_rready
);

    localparam logic [1:0] FIXED = 2'd0, WRAP = 2'd2, SLVERR = 2'd2;

    function automatic logic [ADDRESS_BITS-1:0] following(
        logic [ADDRESS_BITS-1:0] address, logic [1:0] size, logic [1:0] burst
    );
        // An unaligned first address stays so: its word, which is all that counts, is the same.
        return burst == FIXED ? address : address + (ADDRESS_BITS'(1) << size);
    endfunction

    // Reads: take the request, ask for a word, give it, until the last.
    typedef enum logic [1:0] {READ_IDLE, READ_ASK, READ_WAIT, READ_GIVE} read_t;
    read_t reading;
    logic [ADDRESS_BITS-1:0] read_at;
    logic [3:0] read_left;
    logic [1:0] read_size;
    logic [1:0] read_burst;

    assign s_arready = reading == READ_IDLE && !rst;
    assign m_araddr = {read_at[ADDRESS_BITS-1:2], 2'b00};
    assign m_arvalid = reading == READ_ASK;
    assign m_rready = reading == READ_WAIT;
    assign s_rvalid = reading == READ_GIVE;
    assign s_rlast = read_left == '0;

    always_ff @(posedge clk) begin
        unique case (reading)
            READ_IDLE: if (s_arvalid && s_arready) begin
                s_rid <= s_arid;
                read_at <= s_araddr;
                read_left <= s_arlen;
                read_size <= s_arsize;
                read_burst <= s_arburst;
                s_rresp <= SLVERR;
                s_rdata <= '0;
                reading <= s_arburst == WRAP ? READ_GIVE : READ_ASK;
            end
            READ_ASK: if (m_arready) reading <= READ_WAIT;
            READ_WAIT: if (m_rvalid) begin
                s_rdata <= m_rdata;
                s_rresp <= m_rresp;
                reading <= READ_GIVE;
            end
            READ_GIVE: if (s_rready) begin
                read_at <= following(read_at, read_size, read_burst);
                read_left <= read_left - 1'b1;
                if (s_rlast) reading <= READ_IDLE;
                else reading <= read_burst == WRAP ? READ_GIVE : READ_ASK;
            end
        endcase
        if (rst) reading <= READ_IDLE;
    end

    // Writes: take the request, then each word; the worst answer is the burst's.
    typedef enum logic [2:0] {WRITE_IDLE, WRITE_TAKE, WRITE_TELL, WRITE_WAIT, WRITE_GIVE} write_t;
    write_t writing;
    logic [ADDRESS_BITS-1:0] write_at;
    logic [1:0] write_size;
    logic [1:0] write_burst;
    logic last;

    assign s_awready = writing == WRITE_IDLE && !rst;
    assign s_wready = writing == WRITE_TAKE;
    assign m_awaddr = {write_at[ADDRESS_BITS-1:2], 2'b00};
    assign m_bready = writing == WRITE_WAIT;
    assign s_bvalid = writing == WRITE_GIVE;

    always_ff @(posedge clk) begin
        if (m_awready) m_awvalid <= 1'b0;
        if (m_wready) m_wvalid <= 1'b0;
        unique case (writing)
            WRITE_IDLE: if (s_awvalid && s_awready) begin
                s_bid <= s_awid;
                write_at <= s_awaddr;
                write_size <= s_awsize;
                write_burst <= s_awburst;
                s_bresp <= s_awburst == WRAP ? SLVERR : 2'b00;
                writing <= WRITE_TAKE;
            end
            WRITE_TAKE: if (s_wvalid) begin
                m_wdata <= s_wdata;
                m_wstrb <= s_wstrb;
                last <= s_wlast;
                if (write_burst == WRAP) begin
                    if (s_wlast) writing <= WRITE_GIVE;
                end else begin
                    m_awvalid <= 1'b1;
                    m_wvalid <= 1'b1;
                    writing <= WRITE_TELL;
                end
            end
            WRITE_TELL: if (!(m_awvalid && !m_awready) && !(m_wvalid && !m_wready)) begin
                writing <= WRITE_WAIT;
            end
            WRITE_WAIT: if (m_bvalid) begin
                if (m_bresp > s_bresp) s_bresp <= m_bresp;
                write_at <= following(write_at, write_size, write_burst);
                writing <= last ? WRITE_GIVE : WRITE_TAKE;
            end
            WRITE_GIVE: if (s_bready) writing <= WRITE_IDLE;
            default: writing <= WRITE_IDLE;
        endcase
        if (rst) begin
            writing <= WRITE_IDLE;
            m_awvalid <= 1'b0;
            m_wvalid <= 1'b0;
        end
    end

    wire unused = &{1'b0, s_awlen};  // s_wlast says the same

endmodule
