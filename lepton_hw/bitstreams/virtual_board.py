"""The bitstream of the virtual board: the RTL itself, so that there is no netlist to prove."""

from lepton_hw.bitstreams.request import Figures, Request
from lepton_hw.tools import cxx, verilator
from lepton_hw.virtual import make


def tools() -> dict[str, str]:
    """None whose version shows in what is built; raises `MissingTool` without Verilator or g++."""
    verilator.find()
    cxx.find()
    return {}


def build(request: Request) -> Figures:
    """Writes ``design.bit``, ``design.hwh`` and the simulation; see `virtual.make`."""
    with request.progress.task("bitstream", 1) as task:
        digest = make.write_bitstream(request.bit, request.design, request.folder, request.board)
        task.advance()
    return Figures(design_digest=digest, clock=request.board.clock)
