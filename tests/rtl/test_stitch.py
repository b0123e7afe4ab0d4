"""Stitching a hand-made branching graph with two doors each way, and reading module headers."""

from pathlib import Path

import numpy as np
import pytest

from lepton_hw.compiler.graph import Graph, Kernel, Pin
from lepton_hw.compiler.module_ports import ports
from lepton_hw.compiler.stitch import stitch
from lepton_hw.design import Edge, read_design
from lepton_hw.errors import StageError
from lepton_hw.sim.simulator import Simulator

#: Ports as FINN writes them: ``in0_V_TDATA`` in Verilog, one a line.
HEAD = """
module {name} (
    input ap_clk,
    input ap_rst_n,
{ports}
);
"""


def axis(port: str, width: int, way: str) -> list[str]:
    back = "output" if way == "input" else "input"
    return [
        f"    {way} [{width - 1}:0] {port}_TDATA",
        f"    {way} {port}_TVALID",
        f"    {back} {port}_TREADY",
    ]


def module(name: str, doors: list[tuple[str, int, str]], body: str) -> str:
    lines = [line for door in doors for line in axis(*door)]
    return HEAD.format(name=name, ports=",\n".join(lines)) + body + "endmodule\n"


FORK = module(
    "fork_0",
    [("in0_V", 8, "input"), ("out0_V", 8, "output"), ("out1_V", 8, "output")],
    """
    assign in0_V_TREADY = out0_V_TREADY && out1_V_TREADY;
    assign out0_V_TVALID = in0_V_TVALID && out1_V_TREADY;
    assign out1_V_TVALID = in0_V_TVALID && out0_V_TREADY;
    assign out0_V_TDATA = in0_V_TDATA;
    assign out1_V_TDATA = in0_V_TDATA;
""",
)
JOIN = module(
    "join_N",
    [("in0_V", 8, "input"), ("in1_V", 8, "input"), ("out0_V", 16, "output")],
    """
    assign out0_V_TVALID = in0_V_TVALID && in1_V_TVALID;
    assign in0_V_TREADY = out0_V_TREADY && in1_V_TVALID;
    assign in1_V_TREADY = out0_V_TREADY && in0_V_TVALID;
    assign out0_V_TDATA = {8'd0, in0_V_TDATA} OP {8'd0, in1_V_TDATA};
""",
)
PASS = module(
    "pass_0",
    [("in0_V", 8, "input"), ("out0_V", 8, "output")],
    """
    reg [7:0] memory [0:15];
    reg [4:0] fill = 0;
    integer i;
    wire push = in0_V_TVALID && in0_V_TREADY;
    wire pop = out0_V_TVALID && out0_V_TREADY;
    assign in0_V_TREADY = fill < 16;
    assign out0_V_TVALID = fill != 0;
    assign out0_V_TDATA = memory[0];
    always @(posedge ap_clk) begin
        if (!ap_rst_n) fill <= 0;
        else begin
            if (pop) for (i = 0; i < 15; i = i + 1) memory[i] <= memory[i + 1];
            if (push) memory[fill - (pop ? 1 : 0)] <= in0_V_TDATA;
            fill <= fill + (push ? 1 : 0) - (pop ? 1 : 0);
        end
    end
""",
)


def edge(tensor: str, producer: str, consumer: str, *, wide: bool = False) -> Edge:
    return Edge(
        tensor=tensor, producer=producer, consumer=consumer,
        dtype="INT16" if wide else "UINT8", bits=16 if wide else 8, width=16 if wide else 8,
        shape=(1, 6), folded_shape=(1, 6, 1),
    )  # fmt: skip


def kernel(name: str, inputs: list[str], outputs: list[str], depth: int = 0) -> Kernel:
    return Kernel(
        name=name, op="StreamingFIFO_rtl" if depth else "Hand", module=name, depth=depth,
        files=(f"rtl/{name}/{name}.v",), library=(),
        inputs=tuple(Pin(port=f"in{i}_V", tensor=t) for i, t in enumerate(inputs)),
        outputs=tuple(Pin(port=f"out{i}_V", tensor=t) for i, t in enumerate(outputs)),
    )  # fmt: skip


@pytest.fixture
def compiled(tmp_path: Path) -> tuple[Graph, Path]:
    """x → fork → (pass → join_0 with y = sum), (join_1 with z): x + y and x - z.

    Two doors in and two out; tensor names that are no Verilog names.
    """
    graph = Graph(
        kernels=(
            kernel("fork_0", ["x:0"], ["left/1", "right.2"]),
            kernel("pass_0", ["left/1"], ["later 1"], depth=16),
            kernel("join_0", ["later 1", "y"], ["sum"]),
            kernel("join_1", ["right.2", "z"], ["rest"]),
        ),
        edges=(
            edge("x:0", "", "fork_0"), edge("y", "", "join_0"), edge("z", "", "join_1"),
            edge("left/1", "fork_0", "pass_0"), edge("right.2", "fork_0", "join_1"),
            edge("later 1", "pass_0", "join_0"),
            edge("sum", "join_0", "", wide=True), edge("rest", "join_1", "", wide=True),
        ),
        inputs=("x:0", "y", "z"), outputs=("sum", "rest"),
    )  # fmt: skip
    texts = {
        "fork_0": FORK,
        "pass_0": PASS,
        "join_0": JOIN.replace("join_N", "join_0").replace("OP", "+"),
        "join_1": JOIN.replace("join_N", "join_1").replace("OP", "-"),
    }
    folder = tmp_path / "compiled"
    for name, text in texts.items():
        (folder / "rtl" / name).mkdir(parents=True)
        (folder / "rtl" / name / f"{name}.v").write_text(text)
    return graph, folder


def test_a_branching_graph_with_several_doors(compiled: tuple[Graph, Path], tmp_path: Path) -> None:
    graph, folder = compiled
    made = stitch(graph, folder, tmp_path / "design")
    assert made == read_design(tmp_path / "design")
    assert (made.inputs, made.outputs) == (
        ("s_axis_0", "s_axis_1", "s_axis_2"), ("m_axis_0", "m_axis_1"),
    )  # fmt: skip
    text = (tmp_path / "design" / "design.sv").read_text()
    assert "wire [7:0] later_1_tdata;" in text
    assert str(tmp_path) not in text
    assert (tmp_path / "design" / "design.f").read_text().split() == list(made.sources)
    moved = tmp_path / "moved here"
    (tmp_path / "design").rename(moved)
    random = np.random.default_rng(3)
    batch = {name: random.integers(0, 256, (9, 6)) for name in made.inputs}
    found = Simulator(made, moved).run(batch, gap=0.3, stall=0.3, seed=4)
    x, y, z = (batch[name] for name in made.inputs)
    assert np.array_equal(found.outputs["m_axis_0"], x + y)
    assert np.array_equal(found.outputs["m_axis_1"], x - z)
    assert found.fifos["pass_0"].max_fill >= 1


def test_a_port_that_the_module_lacks(compiled: tuple[Graph, Path], tmp_path: Path) -> None:
    graph, folder = compiled
    path = folder / "rtl" / "pass_0" / "pass_0.v"
    path.write_text(path.read_text().replace("out0_V_TREADY", "out0_V_READY"))
    with pytest.raises(StageError, match="module pass_0 of layer pass_0 has no port out0_V_TREADY"):
        stitch(graph, folder, tmp_path / "design")


ODD = """
// module wrong (input never);
module other ( input x );
endmodule
module odd #(
    parameter int W = 8,  // (bits)
    parameter FILE = "a(b)c.dat"
) (
    //- Global Control ------------------
    input  logic  ap_clk,
    (* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF in0_V, FREQ_HZ 100" *)
    input wire ap_rst_n, // a comment, with commas
    /* input  wire hidden,
       output also_hidden, */
    output	logic [W-1:0]	out0_V_TDATA,
    input logic [W-1:0][3:0] packed_in,
    output reg out0_V_TVALID,
    output  a, b,
    input signed [7:0] level,
    inout wire pad,
    input out0_V_TREADY
);
  wire inner;
  input_buffer u (.x(inner));
endmodule
"""


def test_an_odd_header() -> None:
    assert ports(ODD, "odd") == {
        "ap_clk": "input", "ap_rst_n": "input", "out0_V_TDATA": "output", "packed_in": "input",
        "out0_V_TVALID": "output", "a": "output", "b": "output", "level": "input",
        "pad": "inout", "out0_V_TREADY": "input",
    }  # fmt: skip


def test_one_line_headers_and_none() -> None:
    assert ports(ODD, "other") == {"x": "input"}
    with pytest.raises(StageError, match="no header of module missing"):
        ports(ODD, "missing")
    text = "module one(input wire a, input wire [3:0] b, output c);\nendmodule\n"
    assert ports(text, "one") == {"a": "input", "b": "input", "c": "output"}
