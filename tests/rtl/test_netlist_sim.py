"""A small design synthesised for both families and proven at its doors; mutations are found.

The design reads a table in block RAM at the input and the beat's number, and adds the input. Needs
Yosys.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lepton_hw.design import Design, Stream
from lepton_hw.errors import Mismatch, StageError
from lepton_hw.netlist import Cell, Netlist
from lepton_hw.sim.netlist import Proof, netlist_simulation, require_exact
from lepton_hw.sim.simulator import Simulator
from lepton_hw.tools import yosys

TEXT = """
module accelerator (
    input logic ap_clk, ap_rst_n,
    input logic [7:0] s_axis_0_tdata, input logic s_axis_0_tvalid, output logic s_axis_0_tready,
    output logic [15:0] m_axis_0_tdata, output logic m_axis_0_tvalid, input logic m_axis_0_tready
);
    (* ram_style = "block" *) logic [15:0] rows[1024];
    initial $readmemh("rtl/table.dat", rows);
    logic [15:0] row;
    logic [1:0] beat;
    logic [7:0] late;
    logic busy;
    wire go = !m_axis_0_tvalid || m_axis_0_tready;
    assign s_axis_0_tready = go;
    always_ff @(posedge ap_clk) if (go) begin
        row <= rows[{beat, s_axis_0_tdata}];
        late <= s_axis_0_tdata;
        m_axis_0_tdata <= row + 16'(late);
    end
    always_ff @(posedge ap_clk) begin
        if (!ap_rst_n) {busy, beat, m_axis_0_tvalid} <= '0;
        else if (go) begin
            busy <= s_axis_0_tvalid;
            m_axis_0_tvalid <= busy;
            beat <= beat + 2'(s_axis_0_tvalid);
        end
    end
endmodule
"""
TABLE = np.random.default_rng(7).integers(-30_000, 30_000, 1024)
FAMILIES = ("xc7", "ecp5")


def stream(name: str, kind: str, bits: int) -> Stream:
    return Stream(name=name, tensor=name, producer="", consumer="", dtype=kind, bits=bits,
                  width=bits, shape=(1, 4), folded_shape=(1, 4, 1))  # fmt: skip


DESIGN = Design(
    top="accelerator", sources=("design.sv",), data_files=("rtl/table.dat",), nodes=(),
    inputs=("s_axis_0",), outputs=("m_axis_0",),
    streams=(stream("s_axis_0", "UINT8", 8), stream("m_axis_0", "INT16", 16)),
)  # fmt: skip
#: Every input at every beat.
BATCH = np.stack([np.roll(np.arange(256), 37 * beat) for beat in range(4)], axis=1)
EXPECTED = TABLE[256 * np.arange(4) + BATCH] + BATCH


@pytest.fixture(scope="module")
def folder(needs_yosys: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a design")  # a path with a blank
    (folder / "rtl").mkdir()
    (folder / "design.sv").write_text(TEXT)
    words = "".join(f"{word & 0xFFFF:04x}\n" for word in TABLE)
    (folder / "rtl" / "table.dat").write_text(words)
    return folder


@pytest.fixture(scope="module")
def netlists(folder: Path) -> dict[str, Netlist]:
    made = {}
    for family in FAMILIES:
        (folder / family).mkdir()
        job = yosys.Job(
            DESIGN.top, {"design.sv": folder / "design.sv"}, family,
            {"rtl/table.dat": folder / "rtl" / "table.dat"},
        )  # fmt: skip
        done = yosys.synthesise(job, folder / family)
        assert done.cells.bram18 >= 1
        assert done.cells.ff > 16
        made[family] = done.netlist(DESIGN.top)
    return made


def prove(netlist: Netlist, family: str, stall: float = 0.0) -> Proof:
    return netlist_simulation(
        netlist, family, DESIGN, BATCH, EXPECTED, unknown=("0",), stall=stall
    )[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_exact_in_the_same_cycles(folder: Path, netlists: dict[str, Netlist], family: str) -> None:
    for gap, stall in ((0.0, 0.0), (0.3, 0.4)):
        rtl = Simulator(DESIGN, folder).run(BATCH, gap=gap, stall=stall)
        assert np.array_equal(rtl.outputs, EXPECTED)
        proofs = netlist_simulation(
            netlists[family], family, DESIGN, BATCH, EXPECTED, frame_out=rtl.frame_out,
            gap=gap, stall=stall,
        )  # fmt: skip
        assert [proof.unknown for proof in proofs] == ["0", "1"]
        assert all(proof.exact and proof.same_cycles for proof in proofs)
        assert {proof.frames for proof in proofs} == {256}
        require_exact(proofs, family)


def test_a_wrong_integer_is_a_mismatch(netlists: dict[str, Netlist]) -> None:
    wrong = EXPECTED.copy()
    wrong[11, 2] += 1
    proofs = netlist_simulation(
        netlists["xc7"], "xc7", DESIGN, BATCH, wrong, unknown=("0",),
        frame_out=np.zeros(256, np.int64),
    )  # fmt: skip
    assert proofs[0].first == ((11, 2), wrong[11, 2], EXPECTED[11, 2])
    assert proofs[0].same_cycles is False
    with pytest.raises(Mismatch, match=r"the xc7 netlist, undefined bits as 0, differs .* on 1 of"):
        require_exact(proofs, "xc7")
    cycles = [replace(proofs[0], mismatches=0, first=None)]
    with pytest.raises(Mismatch, match="in its cycles"):
        require_exact(cycles, "xc7")


def found(netlist: Netlist, family: str) -> bool:
    """Whether the proof notices that something is wrong with a netlist."""
    try:
        return not prove(netlist, family, stall=0.2).exact
    except StageError:  # it stopped, or delivered too much
        return True


def changed(netlist: Netlist, cell: Cell, change: Callable[[Cell], Cell]) -> Netlist:
    return replace(
        netlist, cells=tuple(change(each) if each is cell else each for each in netlist.cells)
    )


def flipped(cell: Cell, name: str, bit: int) -> Cell:
    value = cell.parameters[name]
    other = {"0": "1", "1": "0", "x": "1"}[value[-1 - bit]]
    text = value[: len(value) - 1 - bit] + other + value[len(value) - bit :]
    return replace(cell, parameters={**cell.parameters, name: text})


def adders(netlist: Netlist, family: str) -> list[tuple[Cell, str, str]]:
    """LUTs of the sum, with the name of their contents and their inputs, lowest first."""
    if family == "ecp5":
        return [(cell, "INIT0", "A0 B0 C0 D0") for cell in netlist.cells if cell.type == "CCU2C"]
    sums = {bit for cell in netlist.cells for bit in cell.connections.get("S", ())}
    return [
        (cell, "INIT", " ".join(f"I{i}" for i in range(int(cell.type[3]))))
        for cell in netlist.cells
        if cell.type.startswith("LUT") and cell.connections["O"][0] in sums
    ]


@pytest.mark.skipif("LEPTON_EXAMPLES" not in os.environ, reason="minutes; in make test-nightly")
@pytest.mark.parametrize("family", FAMILIES)
def test_flipped_bits_of_luts_are_found(netlists: dict[str, Netlist], family: str) -> None:
    """The bit where all inputs are 0 that are not tied to 1, in four LUTs."""
    luts = adders(netlists[family], family)[:4]
    assert len(luts) == 4
    for lut, name, pins in luts:
        ones = [lut.connections[pin] == ("1",) for pin in pins.split()]
        place = sum(1 << i for i, one in enumerate(ones) if one)
        wrong = changed(netlists[family], lut, partial(flipped, name=name, bit=place))
        assert found(wrong, family), lut


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("row", [0, 1])
def test_a_flipped_bit_of_a_block_ram_is_found(
    netlists: dict[str, Netlist], family: str, row: int
) -> None:
    netlist = netlists[family]
    ram = next(c for c in netlist.cells if c.type in ("RAMB18E1", "RAMB36E1", "DP16KD"))
    name = f"INITVAL_0{row}" if family == "ecp5" else f"INIT_0{row}"
    assert found(changed(netlist, ram, partial(flipped, name=name, bit=3)), family)


@pytest.mark.parametrize(
    ("family", "kind", "pin"), [("xc7", "FD", "D"), ("ecp5", "TRELLIS_FF", "DI")]
)
def test_swapped_wires_are_found(
    netlists: dict[str, Netlist], family: str, kind: str, pin: str
) -> None:
    netlist = netlists[family]
    outputs = next(port.bits for port in netlist.ports if port.name == "m_axis_0_tdata")
    one, other = (
        next(c for c in netlist.cells if c.type.startswith(kind) and c.connections["Q"] == (bit,))
        for bit in outputs[:2]
    )
    swap = {id(one): other, id(other): one}
    cells = tuple(
        replace(cell, connections={**cell.connections, pin: swap[id(cell)].connections[pin]})
        if id(cell) in swap
        else cell
        for cell in netlist.cells
    )
    assert found(replace(netlist, cells=cells), family)


def test_contents_that_are_missing_are_named(folder: Path, tmp_path: Path) -> None:
    sources = {"design.sv": folder / "design.sv"}
    with pytest.raises(
        StageError, match=r"failed to open file 'rtl/table\.dat'.*read .*yosys\.log"
    ):
        yosys.synthesise(yosys.Job(DESIGN.top, sources, "xc7"), tmp_path)
    (tmp_path / "other.dat").write_text("1\n2\n")
    data = {"rtl/table.dat": folder / "rtl" / "table.dat", "unused.dat": tmp_path / "other.dat"}
    with pytest.raises(StageError, match=r"starts with the 2 words of unused\.dat"):
        yosys.synthesise(yosys.Job(DESIGN.top, sources, "xc7", data), tmp_path)
    assert (tmp_path / yosys.LOG).is_file()


def test_black_boxes_keep_their_parameters(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "pll.sv").write_text("""
(* blackbox *)
module EHXPLLL #(parameter CLKI_DIV = 1, parameter CLKOP_DIV = 8) (
    input CLKI, RST, output CLKOP
);
endmodule
module pll (input clk, output logic q);
    wire fast;
    EHXPLLL #(.CLKI_DIV(3), .CLKOP_DIV(5)) box (.CLKI(clk), .RST(1'b0), .CLKOP(fast));
    always_ff @(posedge fast) q <= !q;
endmodule
""")
    job = yosys.Job("pll", {"pll.sv": tmp_path / "pll.sv"}, "ecp5")
    netlist = yosys.synthesise(job, tmp_path).netlist("pll")
    box = next(cell for cell in netlist.cells if cell.type == "EHXPLLL")
    assert {name: int(value, 2) for name, value in box.parameters.items()} == {
        "CLKI_DIV": 3, "CLKOP_DIV": 5,
    }  # fmt: skip
