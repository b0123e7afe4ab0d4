"""``make bench-bitstreams``: whole bitstreams by open tools, for a Zynq-7020 and an ECP5.

From a compiled and certified design to the file. TFC-w1a1 has random weights. One run each; the
machine should be idle. Arguments are boards, if not all of them.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.networks import tfc_w1a1
from benchmarks.table import write
from lepton_hw.board import load_board
from lepton_hw.flow import Flow, load_flow
from lepton_hw.pipeline import Options, build, build_hardware
from lepton_hw.progress import SILENT
from lepton_hw.stages.bitstream import FILE, Bitstream

BOARDS = ("pynq_z2", "ulx3s")
IMAGES = 36


def row(flow: Flow, board_name: str, build_dir: Path) -> dict[str, Any]:
    """One bitstream; the design is there before the clock starts."""
    board = load_board(board_name)
    options = Options(build_dir=build_dir)
    build(flow, board, Options(build_dir=build_dir, to="certify"))
    start = time.monotonic()
    made = build_hardware(flow, board, "open", options, SILENT)["bitstream"]
    seconds = time.monotonic() - start
    assert isinstance(made, Bitstream)
    steps = made.step_seconds
    seeds = [value for name, value in steps.items() if name.startswith("seed ")]
    return {
        "network": flow.name, "board": board_name, "lut": round(made.used["lut"]),
        "ff": round(made.used["ff"]), "bram36": made.used["bram36"], "asked_mhz": board.clock,
        "reached_mhz": made.achieved, "clock_mhz": made.clock, "netlist": made.netlist_vectors,
        "features": made.features, "bytes": made.path(FILE).stat().st_size,
        "seconds": round(seconds),
        "synthesis": sum(value for name, value in steps.items() if name.startswith("synthesis")),
        "netlist_proof": steps["netlist proof"], "place_and_route": max(seeds),
        "bitstream": steps["bitstream"],
    }  # fmt: skip


def main() -> None:
    """Prints and writes the table of docs/open-tools.md."""
    with tempfile.TemporaryDirectory() as scratch:
        flows = (load_flow("digits_cnn"), tfc_w1a1(Path(scratch), IMAGES))
        boards = sys.argv[1:] or BOARDS
        found = [row(flow, board, Path(scratch) / "build") for board in boards for flow in flows]
    write("bitstreams", found)


if __name__ == "__main__":
    main()
