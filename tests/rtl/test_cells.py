"""Our models of the cells of netlists: LUTs and carries as Yosys has them, block RAM as memories.

Memories in plain SystemVerilog are synthesised to block RAM and compared, cycle by cycle, with
their own source under random reads, writes, enables and resets. Needs Yosys.
"""

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lepton_hw.errors import MissingTool, StageError
from lepton_hw.netlist import Cell, Netlist, Port
from lepton_hw.sim import build
from lepton_hw.sim.netlist import CELLS, OURS, netlist_sources
from lepton_hw.sim.port_model import PortModel
from lepton_hw.tools import yosys


@pytest.fixture(autouse=True)
def needs_yosys() -> None:
    try:
        yosys.find()
    except MissingTool as missing:
        pytest.skip(str(missing))


def run(folder: Path, top: str, sources: tuple[Path, ...], cycles: int) -> tuple[int, int]:
    """Simulates a bench with ports clk, differs, seen; returns what `seen` ever had, its width."""
    recipe = build.Recipe(top, sources, (), harness=build.HERE / "ports.cpp")
    model = PortModel(build.library(recipe, folder / "cache", shared=build.default_cache()))
    port, ever = model.ports, 0
    for cycle in range(cycles):
        for clock in (1, 0):
            port["clk"].value = clock
            model.evaluate()
        assert port["differs"].value == 0, f"cycle {cycle}: {port['differs'].value:b}"
        ever |= port["seen"].value
    model.close()
    return ever, port["seen"].width


def renamed(text: str) -> str:
    return re.sub(r"\b(LUT\d|CARRY4)\b", r"\1_yosys", text)


@pytest.mark.parametrize("family", ["xc7", "ecp5"])
def test_logic(tmp_path: Path, family: str) -> None:
    """LUTs with random contents, and carries, on random inputs."""
    kinds = sorted(kind for kind, files in OURS[family].items() if "logic" in files[0])
    (tmp_path / "yosys.v").write_text(renamed(yosys.cell_models(family, set(kinds), set())))
    body, outputs = [], 0
    for kind in kinds:
        for number in range(1 if kind == "CARRY4" else 20):
            index = f"{kind}_{number}"
            if kind == "CARRY4":
                pins = ".CI(x[0]), .CYINIT(x[1]), .DI(x[5:2]), .S(x[9:6])"
                head, out, width = "", ".CO({}[3:0]), .O({}[7:4])", 8
            else:
                inputs = int(kind[3])
                names = "ABCD" if family == "ecp5" else [f"I{i}" for i in range(inputs)]
                pins = ", ".join(f".{names[i]}(x[{i}])" for i in range(inputs))
                word = 0x9E3779B97F4A7C15 * (number + 1) % (1 << (1 << inputs)) or 1
                head = f"#(.INIT({1 << inputs}'h{word:x})) "
                out, width = (".Z({})" if family == "ecp5" else ".O({})"), 1
            both = [f"{side}_{index}" for side in "ab"]
            body.append(f"wire [{width - 1}:0] {both[0]}, {both[1]};")
            for kin, name in zip((kind, f"{kind}_yosys"), both, strict=True):
                body.append(f"{kin} {head}c_{name} ({pins}, {out.replace('{}', name)});")
            body.append(f"assign differs[{outputs}] = {both[0]} != {both[1]};")
            body.append(f"assign seen[{outputs}] = |{both[0]};")
            outputs += 1
    (tmp_path / "bench.sv").write_text(
        f"module bench (input clk, output [{outputs - 1}:0] differs, seen);\n"
        "logic [9:0] x;\nalways_ff @(posedge clk) x <= 10'($urandom);\n"
        + "\n".join(body) + "\nendmodule\n"
    )  # fmt: skip
    sources = (CELLS / f"{family}_logic.sv", tmp_path / "yosys.v", tmp_path / "bench.sv")
    ever, width = run(tmp_path, "bench", sources, 2000)
    assert ever == (1 << width) - 1


@dataclass(frozen=True)
class Memory:
    """A memory with one write port of `lanes` parts, an enable each, and read ports.

    `on_write`: what the first read port gets of a word that it writes itself (`shared` address):
    ``old``, ``new`` or ``keep``, its last value. Ports of their own addresses get the old word, or
    with `bypass` the new one. `reset`: ``gated`` by the enable or ``over`` it.
    """

    depth: int
    width: int
    lanes: int = 1
    ports: int = 1
    shared: bool = False
    on_write: str = "old"
    bypass: bool = False
    reset: str = ""
    enable: bool = True
    contents: bool = True

    @property
    def name(self) -> str:
        return "m_" + "_".join(str(value) for value in vars(self).values())

    @property
    def address_bits(self) -> int:
        return (self.depth - 1).bit_length()

    def text(self) -> str:
        lane, bits = self.width // self.lanes, f"[{self.address_bits - 1}:0]"
        writes = " ".join(
            f"if (we[{i}]) m[wa][{i * lane}+:{lane}] <= d[{i * lane}+:{lane}];"
            for i in range(self.lanes)
        )
        load = f'  initial $readmemh("{self.name}.dat", m);\n' if self.contents else ""
        reads = "".join(self._read(port, lane) for port in range(self.ports))
        return (
            f"module {self.name} (input clk, input [{self.lanes - 1}:0] we, input {bits} wa,"
            f" input [1:0]{bits} ra, input [1:0] re, rst, input [{self.width - 1}:0] d,"
            f" output logic [{self.ports - 1}:0][{self.width - 1}:0] q);\n"
            f"  logic [{self.width - 1}:0] m[{self.depth}];\n{load}"
            f"  always_ff @(posedge clk) begin {writes} end\n{reads}endmodule\n"
        )

    def _read(self, port: int, lane: int) -> str:
        own = self.shared and port == 0
        address, q = "wa" if own else f"ra[{port}]", f"q[{port}]"
        value = f"{q} <= m[{address}];"
        if self.bypass or (own and self.on_write == "new"):
            parts = [f"[{i * lane}+:{lane}]" for i in range(self.lanes)]
            value += "".join(
                f" if (we[{i}] && {address} == wa) {q}{part} <= d{part};"
                for i, part in enumerate(parts)
            )
        if own and self.on_write == "keep":
            value = f"if (we == 0) begin {value} end"
        if self.reset == "gated":
            value = f"if (rst[{port}]) {q} <= 0; else begin {value} end"
        if self.enable:
            value = f"if (re[{port}]) begin {value} end"
        if self.reset == "over":
            value = f"if (rst[{port}]) {q} <= 0; else begin {value} end"
        return f"  always_ff @(posedge clk) begin {value} end\n"

    def instance(self, index: int, at: int) -> str:
        """With addresses that are often equal, and often small; `at` is the first output."""
        wide = f"{self.address_bits}'"
        pins = (
            f".we(r[0][{self.lanes - 1 + index % 8}:{index % 8}] & {{{self.lanes}{{r[0][31]}}}}),"
            f" .wa({wide}(r[1] & few)),"
            f" .ra({{{wide}(r[2] & few), {wide}(r[3] & few)}}), .re(r[4][{index % 30}+:2]),"
            f" .rst(r[5][{index % 28}+:2] & r[5][31:30]), .d({self.width}'({{r[6], r[7], r[1]}}))"
        )
        word = f"wire [{self.ports - 1}:0][{self.width - 1}:0] w{index};\n"
        outs = "".join(f"assign q[{at + i}] = 72'(w{index}[{i}]);\n" for i in range(self.ports))
        return f"{word}{self.name} i{index} (.clk, {pins}, .q(w{index}));\n{outs}"


MEMORIES = [
    Memory(512, 36), Memory(512, 72), Memory(512, 64), Memory(1024, 18), Memory(2048, 9),
    Memory(4096, 4), Memory(8192, 2), Memory(16384, 1), Memory(1024, 36), Memory(700, 20),
    Memory(512, 36, lanes=4), Memory(1024, 16, lanes=2), Memory(512, 64, lanes=8),
    Memory(512, 36, enable=False), Memory(1024, 18, reset="gated"), Memory(512, 36, reset="over"),
    Memory(2048, 9, reset="over"), Memory(1024, 18, shared=True),
    Memory(1024, 18, shared=True, on_write="new"), Memory(1024, 18, shared=True, on_write="keep"),
    Memory(2048, 9, shared=True, on_write="keep"),
    Memory(1024, 16, lanes=2, shared=True, on_write="new"),
    Memory(1024, 18, lanes=2, shared=True), Memory(2048, 9, shared=True, ports=2),
    Memory(1024, 18, ports=2), Memory(4096, 4, shared=True, on_write="new", ports=2),
    Memory(1024, 18, shared=True, on_write="new", ports=2, reset="gated"),
    Memory(512, 36, bypass=True), Memory(1024, 18, bypass=True, lanes=2),
    Memory(2048, 18, contents=False), Memory(4096, 36), Memory(1024, 36, shared=True, reset="over"),
]  # fmt: skip
OUTPUTS = sum(memory.ports for memory in MEMORIES)


@pytest.mark.parametrize("family", ["xc7", "ecp5"])
def test_memories(tmp_path: Path, family: str) -> None:
    """One netlist of all memories beside their source; shows which ports never delivered."""
    netlist = _memories(tmp_path, family)
    kinds = netlist.count()
    assert kinds["RAMB18E1"] + kinds["RAMB36E1"] + kinds["DP16KD"] >= len(MEMORIES)
    ever, width = run(tmp_path, "bench", _sources(tmp_path, netlist, family), 6000)
    assert ever == (1 << width) - 1


@pytest.mark.parametrize("family", ["xc7", "ecp5"])
def test_a_flipped_bit_of_a_memory_is_found(tmp_path: Path, family: str) -> None:
    netlist = _memories(tmp_path, family)
    cell = next(c for c in netlist.cells if c.type in ("RAMB18E1", "RAMB36E1", "DP16KD"))
    name = "INITVAL_00" if family == "ecp5" else "INIT_00"
    value = cell.parameters[name]
    wrong = replace(
        cell, parameters={**cell.parameters, name: value[:-1] + str(1 - int(value[-1]))}
    )
    cells = tuple(wrong if c is cell else c for c in netlist.cells)
    sources = _sources(tmp_path, replace(netlist, cells=cells), family)
    with pytest.raises(AssertionError, match="cycle"):
        run(tmp_path, "bench", sources, 6000)


@pytest.mark.parametrize(
    ("family", "kind", "name", "value", "complaint"),
    [
        ("xc7", "RAMB18E1", "DOA_REG", "1", "with an output register"),
        ("xc7", "RAMB36E1", "RAM_EXTENSION_A", "LOWER", "a cascade"),
        ("ecp5", "DP16KD", "REGMODE_B", "OUTREG", "with an output register"),
    ],
)
def test_what_the_models_do_not_know_stops_them(
    tmp_path: Path, family: str, kind: str, name: str, value: str, complaint: str
) -> None:
    cell = Cell("c", kind, {name: value}, {})
    netlist = Netlist("mapped", (Port("clk", "input", (2,)),), (cell,))
    with netlist_sources(netlist, family) as cells:
        recipe = build.Recipe(
            "mapped", tuple(sorted(cells.iterdir())), (), harness=build.HERE / "ports.cpp"
        )
        library = build.library(recipe, tmp_path / "cache", shared=build.default_cache())
    with pytest.raises(StageError, match=complaint):
        PortModel(library)


def _memories(folder: Path, family: str) -> Netlist:
    """Writes ``memories.sv`` with the module `top`, and its netlist as a module `mapped`."""
    body, at = "", 0
    for index, memory in enumerate(MEMORIES):
        body += memory.instance(index, at)
        at += memory.ports
        if memory.contents:
            words = [
                pow(2 * index + 3, i + 1, 1 << 72) % (1 << memory.width)
                for i in range(memory.depth)
            ]
            (folder / f"{memory.name}.dat").write_text("".join(f"{word:x}\n" for word in words))
    ports = f"input clk, input [7:0][31:0] r, output [{OUTPUTS - 1}:0][71:0] q"
    top = f"module top ({ports});\nwire [31:0] few = r[7][31] ? 3 : r[7][30] ? 40 : 32'hFFFFFFFF;\n"
    text = "\n".join(memory.text() for memory in MEMORIES) + f"{top}{body}endmodule\n"
    (folder / "memories.sv").write_text(text)
    data = {path.name: path for path in folder.glob("*.dat")}
    job = yosys.Job("top", {"memories.sv": folder / "memories.sv"}, family, data)
    netlist = yosys.synthesise(job, folder).netlist("top")
    # Verilator reads the source where the test runs.
    (folder / "memories.sv").write_text(text.replace('readmemh("', f'readmemh("{folder}/'))
    return replace(netlist, top="mapped")


def _sources(folder: Path, netlist: Netlist, family: str) -> tuple[Path, ...]:
    (folder / "bench.sv").write_text(f"""
module bench (input clk, output [{OUTPUTS - 1}:0] differs, seen);
  logic [7:0][31:0] r;
  always_ff @(posedge clk) for (int i = 0; i < 8; i++) r[i] <= $urandom;
  wire [{OUTPUTS - 1}:0][71:0] a, b;
  top source (.clk, .r, .q(a));
  mapped cells (.clk, .r, .q(b));
  for (genvar i = 0; i < {OUTPUTS}; i++) begin : compare
    assign differs[i] = a[i] != b[i];
    assign seen[i] = |a[i];
  end
endmodule
""")
    with netlist_sources(netlist, family) as cells:
        names = [Path(shutil.copy(path, folder / path.name)) for path in sorted(cells.iterdir())]
    return (folder / "memories.sv", *names, folder / "bench.sv")
