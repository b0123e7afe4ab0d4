"""``make bench-synthesis``: two networks by Yosys for both families, beside the estimates, proven.

Rows are the accelerator alone, whose netlist is simulated on images of the flow, and the module
``lepton_top`` with the shell around it. TFC-w1a1 has random weights.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.networks import tfc_w1a1
from benchmarks.table import write
from lepton_hw.board import load_board
from lepton_hw.design import Design, read_design
from lepton_hw.flow import Flow, load_flow
from lepton_hw.pipeline import Options, build, build_folder
from lepton_hw.rtl.shell import wrapper
from lepton_hw.sim.netlist import netlist_simulation
from lepton_hw.sim.simulator import Simulator
from lepton_hw.stages.compile import Compiled
from lepton_hw.tools import yosys

IMAGES = 36
FAMILIES = ("xc7", "ecp5")
BOARD = "pynq_z2"


def rows(flow: Flow, options: Options) -> list[dict[str, Any]]:
    """Four rows of one network; builds it up to the certificate first."""
    board = load_board(BOARD)
    made = build(flow, board, options)
    compiled = made["compile"]
    assert isinstance(compiled, Compiled)
    folder = build_folder(flow, board, options)
    design = read_design(folder / "stitch")
    inputs = np.load(folder / "export" / "vectors.npz")["inputs"][:IMAGES]
    found = []
    for family in FAMILIES:
        for top in (design.top, wrapper.TOP):
            found.append(_row(flow.name, design, folder / "stitch", top, family))
            found[-1] |= {"lut_estimate": compiled.lut, "bram36_estimate": compiled.bram36}
            found[-1] |= _proof(found[-1].pop("_netlist"), family, design, folder, inputs)
    return found


def _row(network: str, design: Design, folder: Path, top: str, family: str) -> dict[str, Any]:
    sources = {name: folder / name for name in design.sources}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        if top == wrapper.TOP:
            (place / "top.v").write_text(wrapper.wrapper_text(design, bytes(range(32))))
            sources = {f"shell/{path.name}": path for path in wrapper.SOURCES} | sources
            sources["top.v"] = place / "top.v"
        data = {name: folder / name for name in design.data_files}
        start = time.monotonic()
        made = yosys.synthesise(yosys.Job(top, sources, family, data), place)
        seconds = time.monotonic() - start
        cells = made.cells
        return {
            "network": network, "top": top, "family": family, "seconds": round(seconds),
            "lut": cells.lut, "ff": cells.ff, "bram18": cells.bram18, "dsp": cells.dsp,
            "carry": cells.carry, "inverters": cells.inverters, "_netlist": made.netlist(top),
        }  # fmt: skip


def _proof(
    netlist: Any, family: str, design: Design, folder: Path, inputs: np.ndarray
) -> dict[str, Any]:
    if netlist.top != design.top:
        return {"exact": "", "images": "", "build_seconds": "", "cycles_per_second": ""}
    rtl = Simulator(design, folder / "stitch").run(inputs)
    assert isinstance(rtl.outputs, np.ndarray)
    proofs = netlist_simulation(
        netlist, family, design, inputs, rtl.outputs, frame_out=rtl.frame_out
    )
    return {
        "exact": all(proof.exact for proof in proofs),
        "images": len(inputs),
        "build_seconds": round(max(proof.build_seconds for proof in proofs)),
        "cycles_per_second": round(min(proof.cycles / proof.seconds for proof in proofs)),
    }


def main() -> None:
    """Prints and writes the table of docs/synthesis.md."""
    found = rows(load_flow("digits_cnn"), Options(to="certify"))
    with tempfile.TemporaryDirectory() as scratch:
        flow = tfc_w1a1(Path(scratch), IMAGES)
        found += rows(flow, Options(build_dir=Path(scratch) / "build", to="certify"))
    write("synthesis", found)


if __name__ == "__main__":
    main()
