"""Small designs written by hand, so that the simulator is tested without FINN.

`adder`: input → FIFO → a kernel that adds constants from a data file, a beat in four cycles →
FIFO → output. `fork`: two branches, one of which swallows eight beats before it delivers any.
"""

from pathlib import Path

from lepton_hw.design import Design, Node, Stream

FIFO = """
module small_fifo #(int unsigned DEPTH = 4, int unsigned WIDTH = 8) (
    input logic ap_clk, ap_rst_n,
    input logic [WIDTH-1:0] in_tdata, input logic in_tvalid, output logic in_tready,
    output logic [WIDTH-1:0] out_tdata, output logic out_tvalid, input logic out_tready
);
    logic [WIDTH-1:0] memory[DEPTH];
    int unsigned fill = 0;
    assign in_tready = fill < DEPTH;
    assign out_tvalid = fill > 0;
    assign out_tdata = memory[0];
    always_ff @(posedge ap_clk) begin
        automatic logic push = in_tvalid && in_tready;
        automatic logic pop = out_tvalid && out_tready;
        if (!ap_rst_n) fill <= 0;
        else begin
            if (pop) for (int i = 0; i + 1 < DEPTH; i++) memory[i] <= memory[i+1];
            if (push) memory[fill - (pop ? 1 : 0)] <= in_tdata;
            fill <= fill + (push ? 1 : 0) - (pop ? 1 : 0);
        end
    end
endmodule
"""

KERNEL = """
module add_two #(parameter FILE = "rtl/offsets.dat", int unsigned EXTRA = 0) (
    input logic ap_clk, ap_rst_n,
    input logic [7:0] in_tdata, input logic in_tvalid, output logic in_tready,
    output logic [15:0] out_tdata, output logic out_tvalid, input logic out_tready
);
    logic [5:0] offsets[2];
    initial $readmemh(FILE, offsets);
    logic [1:0] wait_for = 0;
    logic extra = 0;
    assign in_tready = wait_for == 0 && !extra && (!out_tvalid || out_tready);
    always_ff @(posedge ap_clk) begin
        if (!ap_rst_n) begin
            out_tvalid <= 0;
            wait_for <= 0;
            extra <= 0;
        end else begin
            if (out_tvalid && out_tready) begin
                out_tvalid <= EXTRA != 0 && !extra;
                extra <= EXTRA != 0 && !extra;
            end
            if (wait_for != 0) wait_for <= wait_for - 1;
            if (in_tvalid && in_tready) begin
                out_tdata[5:0] <= {2'b0, in_tdata[3:0]} + offsets[0];
                out_tdata[11:6] <= {2'b0, in_tdata[7:4]} + offsets[1];
                out_tdata[15:12] <= 4'hf;
                out_tvalid <= 1;
                wait_for <= 3;
            end
        end
    end
endmodule
"""

HOARDER = """
module hoard #(int unsigned COUNT = 8) (
    input logic ap_clk, ap_rst_n,
    input logic [7:0] in_tdata, input logic in_tvalid, output logic in_tready,
    output logic [7:0] out_tdata, output logic out_tvalid, input logic out_tready
);
    logic [7:0] kept[COUNT];
    int unsigned count = 0;
    logic giving = 0;
    assign in_tready = !giving;
    assign out_tvalid = giving;
    assign out_tdata = kept[count];
    always_ff @(posedge ap_clk) begin
        if (!ap_rst_n) begin
            count <= 0;
            giving <= 0;
        end else if (giving ? out_tready : in_tvalid) begin
            if (!giving) kept[count] <= in_tdata;
            count <= count == COUNT - 1 ? 0 : count + 1;
            if (count == COUNT - 1) giving <= !giving;
        end
    end
endmodule
module split (
    input logic [7:0] in_tdata, input logic in_tvalid, output logic in_tready,
    output logic [7:0] a_tdata, b_tdata, output logic a_tvalid, b_tvalid,
    input logic a_tready, b_tready
);
    assign in_tready = a_tready && b_tready;
    assign a_tvalid = in_tvalid && b_tready;
    assign b_tvalid = in_tvalid && a_tready;
    assign a_tdata = in_tdata;
    assign b_tdata = in_tdata;
endmodule
module join_add (
    input logic [7:0] a_tdata, b_tdata, input logic a_tvalid, b_tvalid,
    output logic a_tready, b_tready,
    output logic [15:0] out_tdata, output logic out_tvalid, input logic out_tready
);
    assign out_tvalid = a_tvalid && b_tvalid;
    assign a_tready = out_tready && b_tvalid;
    assign b_tready = out_tready && a_tvalid;
    assign out_tdata = {8'd0, a_tdata} + {8'd0, b_tdata};
endmodule
"""


def _wires(streams: tuple[Stream, ...], doors: set[str]) -> str:
    return "".join(
        f"  wire [{s.width - 1}:0] {s.name}_tdata; wire {s.name}_tvalid, {s.name}_tready;\n"
        for s in streams
        if s.name not in doors
    )


def _join(port: str, stream: str) -> str:
    return ", ".join(f".{port}_t{what}({stream}_t{what})" for what in ("data", "valid", "ready"))


def _top(ports: list[tuple[str, int, bool]], body: str) -> str:
    lines = []
    for name, width, is_input in ports:
        into, out = ("input", "output") if is_input else ("output", "input")
        lines.append(f"  {into} wire [{width - 1}:0] {name}_tdata, {into} wire {name}_tvalid")
        lines.append(f"  {out} wire {name}_tready")
    head = ",\n".join(["  input wire ap_clk, input wire ap_rst_n", *lines])
    return f"module top (\n{head}\n);\n{body}endmodule\n"


def adder(folder: Path, *, extra: int = 0, offsets: str = "3f\n05\n", beats: int = 3) -> Design:
    """y = x + (-1, 5), INT6 from UINT4, two elements a beat, `beats` beats a frame.

    With `extra` the kernel delivers every beat twice.
    """
    shape, folded = (1, beats * 2), (1, beats, 2)

    def stream(name: str, producer: str, consumer: str, *, wide: bool) -> Stream:
        return Stream(
            name=name, tensor=name, producer=producer, consumer=consumer,
            dtype="INT6" if wide else "UINT4", bits=6 if wide else 4, width=16 if wide else 8,
            shape=shape, folded_shape=folded,
        )  # fmt: skip

    streams = (
        stream("s_in", "", "fifo_a", wide=False),
        stream("a_out", "fifo_a", "adder", wide=False),
        stream("sum", "adder", "fifo_b", wide=True),
        stream("m_out", "fifo_b", "", wide=True),
    )
    clock = ".ap_clk(ap_clk), .ap_rst_n(ap_rst_n)"
    body = _wires(streams, {"s_in", "m_out"}) + (
        f"  small_fifo #(4, 8) fifo_a ({clock}, {_join('in', 's_in')}, {_join('out', 'a_out')});\n"
        f"  add_two #(.EXTRA({extra})) adder"
        f" ({clock}, {_join('in', 'a_out')}, {_join('out', 'sum')});\n"
        f"  small_fifo #(4, 16) fifo_b ({clock}, {_join('in', 'sum')}, {_join('out', 'm_out')});\n"
    )
    (folder / "rtl").mkdir(parents=True, exist_ok=True)
    (folder / "rtl" / "parts.sv").write_text(FIFO + KERNEL)
    (folder / "rtl" / "offsets.dat").write_text(offsets)
    (folder / "design.sv").write_text(_top([("s_in", 8, True), ("m_out", 16, False)], body))
    return Design(
        top="top", sources=("rtl/parts.sv", "design.sv"), data_files=("rtl/offsets.dat",),
        inputs=("s_in",), outputs=("m_out",), streams=streams,
        nodes=(
            Node(name="fifo_a", op="FIFO", module="small_fifo", inputs=("s_in",),
                 outputs=("a_out",), depth=4),
            Node(name="adder", op="Add", module="add_two", inputs=("a_out",), outputs=("sum",)),
            Node(name="fifo_b", op="FIFO", module="small_fifo", inputs=("sum",),
                 outputs=("m_out",), depth=4),
        ),
    )  # fmt: skip


def fork(folder: Path, depth: int) -> Design:
    """y = x + x through two branches, 8 beats a frame; stops where the FIFO is below 8 deep."""

    def stream(name: str, producer: str, consumer: str, *, wide: bool = False) -> Stream:
        return Stream(
            name=name, tensor=name, producer=producer, consumer=consumer,
            dtype="UINT9" if wide else "UINT8", bits=9 if wide else 8, width=16 if wide else 8,
            shape=(1, 8), folded_shape=(1, 8, 1),
        )  # fmt: skip

    streams = (
        stream("s_in", "", "split_0"),
        stream("long_in", "split_0", "hoard_0"),
        stream("short_in", "split_0", "fifo_s"),
        stream("long_out", "hoard_0", "join_0"),
        stream("short_out", "fifo_s", "join_0"),
        stream("m_out", "join_0", "", wide=True),
    )
    clock = ".ap_clk(ap_clk), .ap_rst_n(ap_rst_n)"
    body = _wires(streams, {"s_in", "m_out"}) + (
        f"  split split_0 ({_join('in', 's_in')}, {_join('a', 'long_in')},"
        f" {_join('b', 'short_in')});\n"
        f"  hoard #(8) hoard_0 ({clock}, {_join('in', 'long_in')}, {_join('out', 'long_out')});\n"
        f"  small_fifo #({depth}, 8) fifo_s"
        f" ({clock}, {_join('in', 'short_in')}, {_join('out', 'short_out')});\n"
        f"  join_add join_0 ({_join('a', 'long_out')}, {_join('b', 'short_out')},"
        f" {_join('out', 'm_out')});\n"
    )
    (folder / "rtl").mkdir(parents=True, exist_ok=True)
    (folder / "rtl" / "parts.sv").write_text(FIFO + HOARDER)
    (folder / "design.sv").write_text(_top([("s_in", 8, True), ("m_out", 16, False)], body))
    return Design(
        top="top", sources=("rtl/parts.sv", "design.sv"), data_files=(), inputs=("s_in",),
        outputs=("m_out",), streams=streams,
        nodes=(
            Node(name="split_0", op="Fork", module="split", inputs=("s_in",),
                 outputs=("long_in", "short_in")),
            Node(name="hoard_0", op="Hoard", module="hoard", inputs=("long_in",),
                 outputs=("long_out",)),
            Node(name="fifo_s", op="FIFO", module="small_fifo", inputs=("short_in",),
                 outputs=("short_out",), depth=depth),
            Node(name="join_0", op="Add", module="join_add",
                 inputs=("long_out", "short_out"), outputs=("m_out",)),
        ),
    )  # fmt: skip
