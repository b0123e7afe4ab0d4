// One AXI4-Lite slave in front of the shell's registers and of memories of weights.
//
// Target 0 is the shell: all addresses below 2^18. Target i + 1 is the memory whose BYTES[i] bytes
// begin at BASE[i]. Everything else answers SLVERR, and so does a write of part of a weight's word,
// or a transfer that a soft reset of the accelerator meets. One transfer at a time: FINN's memories
// mix up a read with a write that comes beside it.

module axil_windows #(
    int unsigned ADDRESS_BITS = 19,
    int unsigned WINDOWS = 1,
    bit [WINDOWS-1:0][31:0] BASE = '0,
    bit [WINDOWS-1:0][31:0] BYTES = '0
) (
    input logic clk,
    input logic resetn,
    input logic acc_resetn,

    input  logic [ADDRESS_BITS-1:0] s_awaddr,
    input  logic s_awvalid,
    output logic s_awready,
    input  logic [31:0] s_wdata,
    input  logic [3:0] s_wstrb,
    input  logic s_wvalid,
    output logic s_wready,
    output logic [1:0] s_bresp,
    output logic s_bvalid,
    input  logic s_bready,
    input  logic [ADDRESS_BITS-1:0] s_araddr,
    input  logic s_arvalid,
    output logic s_arready,
    output logic [31:0] s_rdata,
    output logic [1:0] s_rresp,
    output logic s_rvalid,
    input  logic s_rready,

    output logic [ADDRESS_BITS-1:0] m_addr,  // of reads and writes; a window needs the lower bits
    output logic [31:0] m_wdata,
    output logic [3:0] m_wstrb,
    output logic [WINDOWS:0] m_awvalid,
    input  logic [WINDOWS:0] m_awready,
    output logic [WINDOWS:0] m_wvalid,
    input  logic [WINDOWS:0] m_wready,
    input  logic [WINDOWS:0][1:0] m_bresp,
    input  logic [WINDOWS:0] m_bvalid,
    output logic [WINDOWS:0] m_bready,
    output logic [WINDOWS:0] m_arvalid,
    input  logic [WINDOWS:0] m_arready,
    input  logic [WINDOWS:0][31:0] m_rdata,
    input  logic [WINDOWS:0][1:0] m_rresp,
    input  logic [WINDOWS:0] m_rvalid,
    output logic [WINDOWS:0] m_rready
);

    localparam logic [1:0] SLVERR = 2'b10;

    logic rst;
    always_ff @(posedge clk) rst <= !resetn;

    // Requests, as they come.
    logic awake;  // nothing is ready during reset
    logic have_write_address, have_data, have_read;
    logic [ADDRESS_BITS-1:0] write_address, read_address;
    wire write_over = s_bvalid && s_bready;
    wire read_over = s_rvalid && s_rready;
    assign s_awready = awake && !have_write_address;
    assign s_wready = awake && !have_data;
    assign s_arready = awake && !have_read;
    always_ff @(posedge clk) begin
        if (s_awvalid && s_awready) write_address <= s_awaddr;
        if (s_wvalid && s_wready) {m_wstrb, m_wdata} <= {s_wstrb, s_wdata};
        if (s_arvalid && s_arready) read_address <= s_araddr;
        awake <= !rst;
        have_write_address <= !rst && (have_write_address ? !write_over : s_awvalid && s_awready);
        have_data <= !rst && (have_data ? !write_over : s_wvalid && s_wready);
        have_read <= !rst && (have_read ? !read_over : s_arvalid && s_arready);
    end

    // One of them at a time goes to its target.
    typedef enum logic [1:0] {IDLE, CHOOSE, RUN, REPLY} state_t;
    state_t state;
    logic is_write, address_due, data_due;
    logic [WINDOWS:0] target, hit;
    logic [1:0] response;
    wire write_waits = have_write_address && have_data;

    always_comb begin
        hit = '0;
        hit[0] = m_addr >> 18 == '0;
        for (int i = 0; i < WINDOWS; i++)
            hit[i+1] = 32'(m_addr) >= BASE[i] && 32'(m_addr) - BASE[i] < BYTES[i];
    end
    wire of_weights = hit[WINDOWS:1] != '0;
    wire refused = hit == '0 || (of_weights && is_write && m_wstrb != '1);

    wire took_address = |(target & (is_write ? m_awready : m_arready));
    wire took_data = |(target & m_wready);
    wire answered = |(target & (is_write ? m_bvalid : m_rvalid));
    logic [1:0] answer;
    logic [31:0] value;
    always_comb begin
        answer = '0;
        value = '0;
        for (int i = 0; i <= WINDOWS; i++) begin
            answer |= {2{target[i]}} & (is_write ? m_bresp[i] : m_rresp[i]);
            value |= {32{target[i]}} & m_rdata[i];
        end
    end

    wire run = state == RUN;
    assign m_awvalid = target & {(WINDOWS + 1){run && is_write && address_due}};
    assign m_wvalid = target & {(WINDOWS + 1){run && data_due}};
    assign m_bready = target & {(WINDOWS + 1){run && is_write}};
    assign m_arvalid = target & {(WINDOWS + 1){run && !is_write && address_due}};
    assign m_rready = target & {(WINDOWS + 1){run && !is_write}};
    assign s_bvalid = state == REPLY && is_write;
    assign s_rvalid = state == REPLY && !is_write;
    assign s_bresp = response;
    assign s_rresp = response;

    always_ff @(posedge clk) begin
        unique case (state)
            IDLE: begin
                // In turn, so that neither starves.
                is_write <= write_waits && !(have_read && is_write);
                m_addr <= write_waits && !(have_read && is_write) ? write_address : read_address;
                if (write_waits || have_read) state <= CHOOSE;
            end
            CHOOSE: begin
                target <= hit;
                address_due <= 1'b1;
                data_due <= is_write;
                response <= SLVERR;
                if (refused) state <= REPLY;
                else if (acc_resetn || !of_weights) state <= RUN;
            end
            RUN: begin
                if (took_address) address_due <= 1'b0;
                if (took_data) data_due <= 1'b0;
                if (!acc_resetn && !target[0]) state <= REPLY;
                else if (answered) begin
                    response <= answer;
                    s_rdata <= value;
                    state <= REPLY;
                end
            end
            REPLY: if (write_over || read_over) state <= IDLE;
        endcase
        if (rst) begin
            state <= IDLE;
            is_write <= 1'b0;
        end
    end

endmodule
