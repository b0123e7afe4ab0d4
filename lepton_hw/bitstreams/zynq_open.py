"""Zynq-7000 with open tools only: Yosys, proof of the netlist, nextpnr, our FASM converter, proof.

What is simulated as a netlist is the whole fabric, just as it is placed: shell and accelerator
behind the processor's ports. What is written is read back and compared, feature by feature. It has
never run on hardware.
"""

import json
from pathlib import Path
from typing import Any

from lepton_hw.bitstreams.request import Figures, Request
from lepton_hw.bitstreams.steps import Seeds, Watch, require_room
from lepton_hw.errors import InputError, StageError
from lepton_hw.netlist import read_modules
from lepton_hw.rtl.shell import wrapper, zynq_top
from lepton_hw.rtl.shell.address_map import divisors, processor_of
from lepton_hw.rtl.shell.handoff import handoff_text
from lepton_hw.sim import zynq_netlist
from lepton_hw.sim.netlist import require_exact
from lepton_hw.tools import nextpnr_netlist, nextpnr_report, nextpnr_xilinx, prjxray, yosys
from lepton_hw.xc7 import bitfile, decode, fasm, frames, implied
from lepton_hw.xc7.database import Database

#: Vectors that go through the netlist: at a few 10,000 cycles/s the whole set would take hours.
PROVEN = 20


def tools() -> dict[str, str]:
    """Yosys and the open tools (`make open-tools`); raises `MissingTool`."""
    return {
        "yosys": yosys.identity(), "nextpnr": nextpnr_xilinx.find().version,
        "prjxray": prjxray.find().version,
    }  # fmt: skip


def build(request: Request) -> Figures:
    """Writes ``design.bit`` and ``design.hwh``; raises a `LeptonError` where anything falls short.

    Needs Yosys and the open tools (`make open-tools`).
    """
    board, folder = request.board, request.workdir
    processor = processor_of(board.part)
    if not processor.axi3:
        raise InputError(
            f"the board {board.name} has a {processor.family}", "a Zynq-7000",
            "use the vivado toolchain: no open tool knows this part",
        )  # fmt: skip
    nextpnr, xray = nextpnr_xilinx.find(), prjxray.find()
    watch = Watch(request.progress)
    digest = wrapper.design_digest(request.folder, request.design)
    with watch.step("synthesis"):
        made = _synthesise(request, digest)
    require_room(request, made.cells)
    values = _placeable(made.json)
    with _seeds(request, values, nextpnr) as seeds:
        with watch.step("netlist proof"):
            proven = _prove(request, made)
        with watch.step("place and route", seeds.start):
            routed = nextpnr_report.best(seeds.results())
    clock = _clock(board.clock, routed.mhz, request)
    with watch.step("bitstream"):
        features = _write(request, routed.fasm, xray)
    request.bit.with_suffix(".hwh").write_text(
        handoff_text(board.part, processor, clock, wrapper.segments(request.design))
    )
    for left in ("netlist.json", "placed.json"):  # tens of megabytes, made again in seconds
        (folder / left).unlink(missing_ok=True)
    return Figures(
        design_digest=digest.hex(), clock=clock, achieved=round(routed.mhz, 2), seed=routed.seed,
        used=routed.resources, netlist_vectors=proven, features=features,
        untimed=nextpnr_netlist.untimed(values),
        seconds=watch.seconds,
        tools=tools(),
    )  # fmt: skip


def _synthesise(request: Request, digest: bytes) -> yosys.Synthesised:
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
    job = yosys.Job(zynq_top.ZYNQ_TOP, sources, "xc7", data, shift_registers=False)
    return yosys.synthesise(job, work)


def _prove(request: Request, made: yosys.Synthesised) -> int:
    images, expected = (part[:PROVEN] for part in request.vectors)
    modules = read_modules(made.json)
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
    request: Request, values: dict[str, Any], nextpnr: nextpnr_xilinx.Nextpnr
) -> Seeds[nextpnr_xilinx.Routed]:
    board, work = request.board, request.workdir
    (work / "placed.json").write_text(json.dumps(values))
    (work / "design.xdc").write_text("")  # the processor's pins are fixed, and there are no others
    return Seeds(
        lambda seed: nextpnr.run(
            work / "placed.json", work / "design.xdc", board.part, board.clock, seed, work
        ),
        request.seeds,
        enough=lambda routed: routed.reaches(board.clock),
    )


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
    table.unlink()
    raw.unlink()
    for left in (*work.glob("seed*.fasm"), work / "rtl.json"):
        left.unlink(missing_ok=True)
    return len(settings)
