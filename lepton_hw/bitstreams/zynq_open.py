"""Zynq-7000 with open tools only: Yosys, proof of the netlist, nextpnr, our FASM converter, proof.

What is simulated as a netlist is the whole fabric, just as it is placed: shell and accelerator
behind the processor's ports. What is written is read back and compared, feature by feature. It has
never run on hardware.
"""

import json
from pathlib import Path
from typing import Any

from lepton_hw.bitstreams.request import Figures, Request
from lepton_hw.bitstreams.seeds import Seeds
from lepton_hw.bitstreams.steps import (
    Placed,
    Steps,
    Synthesis,
    best_seed,
    placements,
    proof,
    require_room,
    synthesis,
)
from lepton_hw.errors import InputError, StageError
from lepton_hw.netlist import read_modules
from lepton_hw.rtl.shell import wrapper, zynq_top
from lepton_hw.rtl.shell.address_map import divisors, processor_of
from lepton_hw.rtl.shell.handoff import handoff_text
from lepton_hw.sim import zynq_netlist
from lepton_hw.sim.netlist import require_exact
from lepton_hw.tools import nextpnr_netlist, nextpnr_xilinx, prjxray, verilator, yosys
from lepton_hw.xc7 import bitfile, decode, fasm, frames, implied
from lepton_hw.xc7.database import Database

#: Vectors that go through the netlist: at a few 10,000 cycles/s the whole set would take hours.
PROVEN = 20


class Routed(Placed):
    """Of this family, with its FASM."""

    routed: nextpnr_xilinx.Routed


def tools() -> dict[str, str]:
    """Yosys and the open tools (`make open-tools`); raises `MissingTool`."""
    return {
        "yosys": yosys.identity(), "nextpnr": nextpnr_xilinx.find().version,
        "prjxray": prjxray.find().version, "verilator": verilator.find().version,
    }  # fmt: skip


def build(request: Request) -> Figures:
    """Writes ``design.bit`` and ``design.hwh``; raises a `LeptonError` where anything falls short.

    Needs Yosys and the open tools (`make open-tools`).
    """
    board = request.board
    processor = processor_of(board.part)
    if not processor.axi3:
        raise InputError(
            f"the board {board.name} has a {processor.family}", "a Zynq-7000",
            "use the vivado toolchain: no open tool knows this part",
        )  # fmt: skip
    nextpnr, xray = nextpnr_xilinx.find(), prjxray.find()
    steps = Steps(request, __name__, tools())
    digest = wrapper.design_digest(request.folder, request.design)
    made = synthesis(steps, "synthesis", _job(request, digest))
    require_room(request, made.cells)
    values = _placeable(made.netlist)
    with _seeds(steps, request, made, values, nextpnr) as seeds:
        proven = proof(steps, request, made, lambda: _prove(request, made))
        best = best_seed(steps, seeds.results())
    clock = _clock(board.clock, best.routed.mhz, request)
    with steps.last("bitstream"):
        features = _write(request, best.path(best.routed.fasm), xray)
    request.bit.with_suffix(".hwh").write_text(
        handoff_text(board.part, processor, clock, wrapper.segments(request.design))
    )
    steps.finish()
    return Figures(
        design_digest=digest.hex(), clock=clock, achieved=round(best.routed.mhz, 2),
        seed=best.routed.seed, used=best.routed.resources, netlist_vectors=proven,
        features=features, untimed=nextpnr_netlist.untimed(values), seconds=steps.seconds,
        tools=tools(),
    )  # fmt: skip


def _job(request: Request, digest: bytes) -> yosys.Job:
    """What is synthesised; writes its generated sources."""
    design, folder, work = request.design, request.folder, request.workdir
    generated = {
        "lepton_top.v": wrapper.wrapper_text(design, digest),
        "lepton_zynq.v": zynq_top.zynq_text(wrapper.address_bits(design)),
    }
    sources = {f"shell/{path.name}": path for path in (*wrapper.SOURCES, *zynq_top.SOURCES)}
    sources |= {name: folder / name for name in design.sources}
    for name, text in generated.items():
        (work / name).write_text(text)
        sources[name] = work / name
    data = {name: folder / name for name in design.data_files}
    # nextpnr 0.11.1 puts shift registers and memories that are written at other times into one
    # slice and cannot route it then, and garbles those that start with ones (docs/open-tools.md).
    return yosys.Job(zynq_top.ZYNQ_TOP, sources, "xc7", data, shift_registers=False)


def _prove(request: Request, made: Synthesis) -> int:
    images, expected = (part[:PROVEN] for part in request.vectors)
    modules = read_modules(made.netlist)
    proofs = zynq_netlist.prove(
        modules, zynq_top.ZYNQ_TOP, request.design, images, expected,
        cycles=len(images) * request.cycles_per_frame,
    )  # fmt: skip
    require_exact(proofs, "xc7")
    return len(images)


def _placeable(netlist: Path) -> dict[str, Any]:
    values = nextpnr_netlist.prepared(json.loads(netlist.read_text()))
    return nextpnr_netlist.with_margins(nextpnr_netlist.slowed(values))


def _seeds(
    steps: Steps, request: Request, made: Synthesis, values: dict[str, Any],
    nextpnr: nextpnr_xilinx.Nextpnr,
) -> Seeds[Routed]:  # fmt: skip
    board, netlist, pins = request.board, request.workdir / "placed.json", request.workdir / "x.xdc"
    netlist.write_text(json.dumps(values))
    pins.write_text("")  # the processor's pins are fixed, and there are no others
    of_all = {"netlist": made.digest, "mhz": board.clock, "part": board.part}

    def run(seed: int, folder: Path, log: Path) -> nextpnr_xilinx.Routed:
        return nextpnr.run(netlist, pins, board.part, board.clock, seed, folder, log)

    return placements(steps, request, Routed, lambda _: of_all, run)


def _clock(wanted: float, achieved: float, request: Request) -> float:
    """The processor's fastest clock that is neither above the board's nor the one reached."""
    processor = processor_of(request.board.part)
    a, b = divisors(processor, min(wanted, achieved))
    return round(processor.pll_mhz / (a * b), 6)


def _write(request: Request, routed: Path, xray: prjxray.Prjxray) -> int:
    """The ``.bit``; the number of features that were set and came back. Raises `StageError`."""
    part, work = request.board.part, request.workdir
    database = Database(xray.database("zynq7"), part)
    settings = implied.completed(fasm.parse(routed.read_text()), database)
    table, raw = work / "design.frm", work / "raw.bit"
    table.write_text(frames.frm(frames.assemble(settings, database), database.device))
    xray.write_bit(table, part, raw)
    payload = bitfile.inspect(raw, part).payload  # its header has paths and times
    request.bit.write_bytes(bitfile.build(payload, "lepton_zynq;Generator=lepton_hw", part))
    back = database.device.memory_of(*xray.read_bit(request.bit, part))
    difference = decode.undecoded(settings, back, database)
    if difference:
        lost = (*difference.missing, *difference.extra)
        raise StageError(
            f"{len(difference.missing)} features did not come back from the bitstream and "
            f"{len(difference.extra)} were not asked for (first {lost[0]})",
            "just those that place and route set",
            "report this, with the design",
        )
    for left in (table, raw, work / "placed.json", work / "x.xdc"):
        left.unlink(missing_ok=True)
    return len(settings)
