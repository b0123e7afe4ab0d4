// AXI4-Lite slave that turns transfers into one-cycle register accesses.
//
// Address and data of a write may come in any order. An access lasts one cycle: `wr_en` or `rd_en`
// is high, and `rd_data`, `wr_bad`, `rd_bad` answer in that cycle. One write and one read at a
// time; `*_bad` becomes SLVERR.

module axil_regs #(
    int unsigned ADDRESS_BITS = 18
) (
    input logic clk,
    input logic rst,

    input  logic [ADDRESS_BITS-1:0] awaddr,
    input  logic awvalid,
    output logic awready,
    input  logic [31:0] wdata,
    input  logic [3:0] wstrb,
    input  logic wvalid,
    output logic wready,
    output logic [1:0] bresp,
    output logic bvalid,
    input  logic bready,
    input  logic [ADDRESS_BITS-1:0] araddr,
    input  logic arvalid,
    output logic arready,
    output logic [31:0] rdata,
    output logic [1:0] rresp,
    output logic rvalid,
    input  logic rready,

    output logic wr_en,
    output logic [ADDRESS_BITS-1:0] wr_addr,
    output logic [31:0] wr_data,
    output logic [3:0] wr_strb,
    input  logic wr_bad,
    output logic rd_en,
    output logic [ADDRESS_BITS-1:0] rd_addr,
    input  logic [31:0] rd_data,
    input  logic rd_bad
);

    logic have_address;
    logic have_data;
    logic have_read;
    logic awake;  // nothing is ready during reset

    assign awready = awake && !have_address;
    assign wready = awake && !have_data;
    assign arready = awake && !have_read;
    assign wr_en = have_address && have_data && !bvalid;
    assign rd_en = have_read && !rvalid;

    always_ff @(posedge clk) begin
        if (awvalid && awready) wr_addr <= awaddr;
        if (wvalid && wready) begin
            wr_data <= wdata;
            wr_strb <= wstrb;
        end
        if (arvalid && arready) rd_addr <= araddr;
        if (wr_en) bresp <= {wr_bad, 1'b0};
        if (rd_en) begin
            rdata <= rd_data;
            rresp <= {rd_bad, 1'b0};
        end
        if (rst) begin
            awake <= 1'b0;
            have_address <= 1'b0;
            have_data <= 1'b0;
            have_read <= 1'b0;
            bvalid <= 1'b0;
            rvalid <= 1'b0;
        end else begin
            awake <= 1'b1;
            have_address <= have_address ? !wr_en : awvalid && awready;
            have_data <= have_data ? !wr_en : wvalid && wready;
            have_read <= have_read ? !rd_en : arvalid && arready;
            bvalid <= wr_en || (bvalid && !bready);
            rvalid <= rd_en || (rvalid && !rready);
        end
    end

endmodule
