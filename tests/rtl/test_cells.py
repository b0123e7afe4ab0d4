"""Our models of the cells of netlists: LUTs and carries as Yosys has them, block RAM as memories.

Memories in plain SystemVerilog are synthesised to block RAM and compared, cycle by cycle, with
their own source under random reads, writes, enables and resets. Needs Yosys.
"""

import os
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lepton_hw.errors import StageError
from lepton_hw.netlist import Cell, Netlist, Port
from lepton_hw.sim import build
from lepton_hw.sim.netlist import CELLS, OURS, netlist_sources
from lepton_hw.sim.port_model import PortModel
from lepton_hw.tools import yosys

pytestmark = pytest.mark.usefixtures("needs_yosys")


def run(folder: Path, sources: tuple[Path, ...], cycles: int, names: list[str]) -> None:
    """Simulates a bench with ports clk, differs and seen, a bit for each of `names`.

    Fails where something differs, and where something was 0 all the time.
    """
    recipe = build.Recipe("bench", sources, (), harness=build.HERE / "ports.cpp")
    model = PortModel(build.library(recipe, folder / "cache", shared=build.default_cache()))
    port, ever = model.ports, 0
    for cycle in range(cycles):
        for clock in (1, 0):
            port["clk"].value = clock
            model.evaluate()
        differ = [name for bit, name in enumerate(names) if port["differs"].value >> bit & 1]
        assert not differ, f"cycle {cycle}: {', '.join(differ)}"
        ever |= port["seen"].value
    model.close()
    assert [name for bit, name in enumerate(names) if not ever >> bit & 1] == []


def renamed(text: str) -> str:
    return re.sub(r"\b(LUT\d|CARRY4)\b", r"\1_yosys", text)


@pytest.mark.parametrize("family", ["xc7", "ecp5"])
def test_logic(tmp_path: Path, family: str) -> None:
    """LUTs with random contents, and carries, on random inputs."""
    kinds = sorted(kind for kind, files in OURS[family].items() if "logic" in files[0])
    (tmp_path / "yosys.v").write_text(renamed(yosys.cell_models(family, set(kinds), set())))
    body, names = [], []
    for kind in kinds:
        for number in range(1 if kind == "CARRY4" else 20):
            index, bit = f"{kind}_{number}", len(names)
            if kind == "CARRY4":
                pins = ".CI(x[0]), .CYINIT(x[1]), .DI(x[5:2]), .S(x[9:6])"
                head, out, width = "", ".CO({}[3:0]), .O({}[7:4])", 8
            else:
                inputs = int(kind[3])
                pin = "ABCD" if family == "ecp5" else [f"I{i}" for i in range(inputs)]
                pins = ", ".join(f".{pin[i]}(x[{i}])" for i in range(inputs))
                word = 0x9E3779B97F4A7C15 * (number + 1) % (1 << (1 << inputs)) or 1
                head = f"#(.INIT({1 << inputs}'h{word:x})) "
                out, width = (".Z({})" if family == "ecp5" else ".O({})"), 1
            both = [f"{side}_{index}" for side in "ab"]
            body.append(f"wire [{width - 1}:0] {both[0]}, {both[1]};")
            for kin, name in zip((kind, f"{kind}_yosys"), both, strict=True):
                body.append(f"{kin} {head}c_{name} ({pins}, {out.replace('{}', name)});")
            body.append(f"assign differs[{bit}] = {both[0]} != {both[1]};")
            body.append(f"assign seen[{bit}] = |{both[0]};")
            names.append(index)
    (tmp_path / "bench.sv").write_text(
        f"module bench (input clk, output [{len(names) - 1}:0] differs, seen);\n"
        "logic [9:0] x;\nalways_ff @(posedge clk) x <= 10'($urandom);\n"
        + "\n".join(body) + "\nendmodule\n"
    )  # fmt: skip
    sources = (CELLS / f"{family}_logic.sv", tmp_path / "yosys.v", tmp_path / "bench.sv")
    run(tmp_path, sources, 2000, names)


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
        whole = "" if self.depth == 1 << self.address_bits else f" % {self.depth}"
        inside = [f"{self.address_bits}'((r[{i}] & few){whole})" for i in (1, 2, 3)]
        pins = (
            f".we(r[0][{self.lanes - 1 + index % 8}:{index % 8}] & {{{self.lanes}{{r[0][31]}}}}),"
            f" .wa({inside[0]}), .ra({{{inside[1]}, {inside[2]}}}),"
            f" .re(r[4][{index % 30}+:2]),"
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


@pytest.mark.parametrize("family", ["xc7", "ecp5"])
def test_memories(tmp_path: Path, family: str) -> None:
    """One netlist of many memories beside their source; all of them with LEPTON_EXAMPLES."""
    memories = MEMORIES if "LEPTON_EXAMPLES" in os.environ else MEMORIES[::3]
    netlist = _memories(tmp_path, family, memories)
    kinds = netlist.count()
    assert kinds["RAMB18E1"] + kinds["RAMB36E1"] + kinds["DP16KD"] >= len(memories)
    run(tmp_path, _sources(tmp_path, netlist, family, memories), 6000, _names(memories))


@pytest.mark.parametrize("family", ["xc7", "ecp5"])
def test_a_flipped_bit_of_a_memory_is_found(tmp_path: Path, family: str) -> None:
    memories = [Memory(512, 18)]
    netlist = _memories(tmp_path, family, memories)
    cell = next(c for c in netlist.cells if c.type in ("RAMB18E1", "RAMB36E1", "DP16KD"))
    name = "INITVAL_00" if family == "ecp5" else "INIT_00"
    value = cell.parameters[name]
    changed = {**cell.parameters, name: value[:-1] + str(1 - int(value[-1]))}
    cells = tuple(replace(c, parameters=changed) if c is cell else c for c in netlist.cells)
    sources = _sources(tmp_path, replace(netlist, cells=cells), family, memories)
    with pytest.raises(AssertionError, match=r"cycle \d+: m_512_18"):
        run(tmp_path, sources, 6000, _names(memories))


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


def _names(memories: list[Memory]) -> list[str]:
    return [f"{memory.name} port {port}" for memory in memories for port in range(memory.ports)]


def _memories(folder: Path, family: str, memories: list[Memory]) -> Netlist:
    """Writes ``memories.sv`` with the module `top`, and its netlist as a module `mapped`."""
    body, at = "", 0
    for index, memory in enumerate(memories):
        body += memory.instance(index, at)
        at += memory.ports
        if memory.contents:
            words = [
                pow(2 * index + 3, i + 1, 1 << 72) % (1 << memory.width)
                for i in range(memory.depth)
            ]
            (folder / f"{memory.name}.dat").write_text("".join(f"{word:x}\n" for word in words))
    ports = f"input clk, input [7:0][31:0] r, output [{len(_names(memories)) - 1}:0][71:0] q"
    top = f"module top ({ports});\nwire [31:0] few = r[7][31] ? 3 : r[7][30] ? 40 : 32'hFFFFFFFF;\n"
    text = "\n".join(memory.text() for memory in memories) + f"{top}{body}endmodule\n"
    (folder / "memories.sv").write_text(text)
    data = {path.name: path for path in folder.glob("*.dat")}
    job = yosys.Job("top", {"memories.sv": folder / "memories.sv"}, family, data)
    netlist = yosys.synthesise(job, folder).netlist("top")
    # Verilator reads the source where the test runs.
    (folder / "memories.sv").write_text(text.replace('readmemh("', f'readmemh("{folder}/'))
    return replace(netlist, top="mapped")


def _sources(
    folder: Path, netlist: Netlist, family: str, memories: list[Memory]
) -> tuple[Path, ...]:
    outputs = len(_names(memories))
    (folder / "bench.sv").write_text(f"""
module bench (input clk, output [{outputs - 1}:0] differs, seen);
  logic [7:0][31:0] r;
  always_ff @(posedge clk) for (int i = 0; i < 8; i++) r[i] <= $urandom;
  wire [{outputs - 1}:0][71:0] a, b;
  top source (.clk, .r, .q(a));
  mapped cells (.clk, .r, .q(b));
  for (genvar i = 0; i < {outputs}; i++) begin : compare
    assign differs[i] = a[i] != b[i];
    assign seen[i] = |a[i];
  end
endmodule
""")
    with netlist_sources(netlist, family) as cells:
        names = [Path(shutil.copy(path, folder / path.name)) for path in sorted(cells.iterdir())]
    return (folder / "memories.sv", *names, folder / "bench.sv")
