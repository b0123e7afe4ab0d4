"""``make bench-anchors``: KWS-MLP and CNV with random weights against MLPerf Tiny's latencies.

Sizes and bits are those of the published networks. Each design is proven in RTL on random images;
its time is a model: cycles counted in RTL, a clock, and shell and memory, without what the host
does, which the published figures include. No board is asked. Ends with 1 where a design is not
twice as fast, or does not fit. Arguments are networks, if not both.
"""

import argparse
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.folding import specialized
from benchmarks.networks import flow_of, untrained
from benchmarks.table import write
from lepton_hw.board import Board, load_board
from lepton_hw.compiler.folding import Goal, search, usable, write_folding
from lepton_hw.compiler.world import finn_world
from lepton_hw.design import read_design
from lepton_hw.flow import Compile, Flow, Model
from lepton_hw.measure.anchors import Anchor, matching
from lepton_hw.pipeline import Options, build, build_hardware
from lepton_hw.rtl.shell import wrapper
from lepton_hw.stages.bench_fpga import Made
from lepton_hw.stages.bench_fpga import fabric as fabric_of
from lepton_hw.stages.bitstream import Bitstream
from lepton_hw.stages.certify import Certified
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.simulate import Simulated
from lepton_hw.stages.stitch import Stitched
from lepton_hw.tools import yosys

BOARD = "pynq_z2"
GOAL = 2.0
FOLDINGS = Path(__file__).parent / "foldings"
SCRATCH = Path("build/bench/anchors")
#: Of place and route: one, since the goal needs far less than the board's clock.
SEEDS = (1,)
RESOURCES = ("lut", "bram36", "dsp")
#: FINN's DSP unit names it. Two LUTs here, one in the device, so that the count is not too low.
LUT6_2 = """\
module LUT6_2 #(parameter logic [63:0] INIT = 0) (
    output logic O6, O5, input logic I0, I1, I2, I3, I4, I5
);
    assign O5 = INIT[{1'b0, I4, I3, I2, I1, I0}];
    assign O6 = INIT[{I5, I4, I3, I2, I1, I0}];
endmodule
"""


@dataclass(frozen=True)
class Case:
    """A network of ours, the shape of its images and its classes.

    `luts`: the folding of least latency is searched within this share of the board's LUTs, by
    estimate: what Yosys finds beyond it, a third with FINN's DSP units and the shell, must fit too.
    None takes the one in `FOLDINGS`, made by hand: the CNV's searched one has a third less latency,
    and nextpnr did not route it in 17 minutes of processor time. `open_tools`: they can build it.
    They set up no DSP rightly, and without DSPs a KWS-MLP that is twice as fast takes 51,764 of
    53,200 LUTs by estimate, shell not included.
    """

    model: Model
    shape: tuple[int, int, int]
    classes: int
    vectors: int
    luts: float | None
    open_tools: bool

    @property
    def bits(self) -> str:
        """Such as ``w3a3``."""
        return f"w{self.model.weight_bits}a{self.model.act_bits}"


CASES = (
    Case(Model(name="kws_mlp", weight_bits=3, act_bits=3), (49, 10, 1), 12, 36, 0.68, False),
    Case(Model(name="cnv", weight_bits=1, act_bits=1), (32, 32, 3), 10, 12, None, True),
)


def flow_for(case: Case) -> Flow:
    """A flow around the network with random weights, which are made once, and its folding."""
    name = f"anchor_{case.model.name}_{case.bits}"
    file = SCRATCH / f"{name}.onnx"
    if not file.is_file():
        untrained(case.model, case.shape, case.classes, file)
    flow = flow_of(file, f"{case.model.name} {case.bits}, random weights", 1, case.vectors)
    folding = FOLDINGS / f"{case.model.name}-{case.bits}-latency.json"
    if case.luts is not None:
        folding = folding_for(case.luts, flow, SCRATCH / f"{name}.json")
    return flow.model_copy(update={"compile": Compile(folding=str(folding))})


def folding_for(share: float, flow: Flow, file: Path) -> Path:
    """The folding of least latency within this share of the LUTs, written to `file`; BRAMs and
    DSPs as the search allows them.
    """
    board = load_board(BOARD)
    exported = build(flow, board, Options(to="export"))["export"].path("model.onnx")
    budget = usable(board) | {"lut": share * board.supply.lut}
    with finn_world(SCRATCH / "finn-scratch", SCRATCH / "finn.log"):
        model = specialized(exported, board)
        return write_folding(search(model, board, Goal(quick=True), budget), file)


def row(case: Case) -> dict[str, Any]:
    """One design against its anchor; builds it up to the certificate or the bitstream."""
    board, flow, options = load_board(BOARD), flow_for(case), Options(to="certify", seeds=SEEDS)
    done: dict[str, Any] = build(flow, board, options)
    compiled, simulated, certified = (done[name] for name in ("compile", "simulate", "certify"))
    assert isinstance(compiled, Compiled)
    assert isinstance(simulated, Simulated)
    assert isinstance(certified, Certified)
    stitched = done["stitch"]
    assert isinstance(stitched, Stitched)
    built = build_hardware(flow, board, "open", options)["bitstream"] if case.open_tools else None
    assert built is None or isinstance(built, Bitstream)
    fabric = fabric_of(Made(board, compiled, stitched, simulated, built))
    anchor = anchor_of(case)
    ratio = anchor.get("latency").base / fabric.seconds(1)
    used = _placed(built) if built else _synthesised(stitched.folder)
    return {
        "network": case.model.name, "bits": case.bits, "weights": "random", "board": board.name,
        "rtl_latency_cycles": fabric.latency_cycles, "rtl_interval_cycles": fabric.interval_cycles,
        "model_shell_cycles": fabric.cycles(1) - fabric.latency_cycles,
        "clock_mhz": fabric.clock, "clock_from": fabric.clock_from,
        "model_latency_us": round(fabric.seconds(1) * 1e6, 2),
        "anchor": anchor.name, "anchor_us": round(anchor.get("latency").base * 1e6, 2),
        "ratio": round(ratio, 2), "twice": ratio >= GOAL,
        **_against(used, board), "used_by": "place and route" if built else "Yosys",
        "lut_estimate": compiled.lut, "rtl_exact": certified.certificate.executors["rtl"].vectors,
        "netlist_exact": built.netlist_vectors if built else 0,
    }  # fmt: skip


def anchor_of(case: Case) -> Anchor:
    """The published design of the same layers and bits on the same board."""
    return next(each for each in matching(case.model.name, BOARD) if each.same == "network")


def _against(used: dict[str, float], board: Board) -> dict[str, Any]:
    """What is used of what the part has, and whether it is enough."""
    have = {name: getattr(board.supply, name) for name in RESOURCES}
    cells = {name: f"{used[name]:,g} of {have[name]:,}" for name in RESOURCES}
    return {**cells, "fits": all(used[name] <= have[name] for name in RESOURCES)}


def _placed(built: Bitstream) -> dict[str, float]:
    return {name: built.used.get(name, 0.0) for name in RESOURCES}


def _synthesised(folder: Path) -> dict[str, float]:
    """Cells of the accelerator and the shell by Yosys, DSPs allowed; inverters count as LUTs."""
    design = read_design(folder)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "vendor.sv").write_text(_vendor_cells())
        (place / "top.v").write_text(wrapper.wrapper_text(design, bytes(range(32))))
        sources = {"vendor.sv": place / "vendor.sv"}
        sources |= {f"shell/{path.name}": path for path in wrapper.SOURCES}
        sources |= {name: folder / name for name in design.sources}
        sources["top.v"] = place / "top.v"
        data = {name: folder / name for name in design.data_files}
        job = yosys.Job(wrapper.TOP, sources, "xc7", data, dsp=True)
        cells = yosys.synthesise(job, place).cells
    lut = float(cells.lut + cells.inverters)
    return {"lut": lut, "bram36": cells.bram18 / 2, "dsp": float(cells.dsp)}


def _vendor_cells() -> str:
    """The cells that FINN's DSP unit names: the DSP as a black box, from Yosys's own library."""
    library = (yosys.share() / "xilinx" / "cells_sim.v").read_text()
    head = re.search(r"module DSP48E1 \([^;]*\);\n(?:\s+parameter [^;]*;\n)*", library)
    assert head is not None
    return f"(* blackbox *)\n{head[0]}endmodule\n{LUT6_2}"


def main() -> int:
    """Prints and writes the table, then how the published figures came about; 1 where one fails."""
    known = [case.model.name for case in CASES]
    parser = argparse.ArgumentParser(description="designs against published latencies")
    parser.add_argument("networks", nargs="*", help=f"of {' and '.join(known)}")
    names = parser.parse_args().networks or known
    if not set(names) <= set(known):
        parser.error(f"networks are {' and '.join(known)}")
    cases = [case for case in CASES if case.model.name in names]
    found = [row(case) for case in cases]
    write("anchors", found)
    print("Weights are random. Times are modelled for one frame, without the host's work.")
    for anchor in map(anchor_of, cases):
        print(f"{anchor.name}: {anchor.get('latency').how}; the host's work {anchor.host}.")
        print(f"  {anchor.conditions} {anchor.url}")
    return 0 if all(each["twice"] and each["fits"] for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
