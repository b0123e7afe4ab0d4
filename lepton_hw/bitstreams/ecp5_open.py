"""ECP5 with tools from the package index only: Yosys, proof of the netlist, nextpnr, ecppack.

The accelerator is synthesised and its netlist proven by itself, at its streams; just these gates
are placed. The UART link around them is tested as RTL. It has never run on hardware.
"""

import json
from pathlib import Path

from lepton_hw.bitstreams.request import Figures, Request
from lepton_hw.bitstreams.steps import Seeds, Watch, require_room
from lepton_hw.errors import InputError, StageError
from lepton_hw.netlist import black_box, joined
from lepton_hw.rtl.serial import wrapper as serial
from lepton_hw.rtl.shell.wrapper import design_digest
from lepton_hw.sim.netlist import netlist_simulation, require_exact
from lepton_hw.tools import ecppack, nextpnr_ecp5, nextpnr_report, yosys

#: Vectors that go through the netlist.
PROVEN = 20


def tools() -> dict[str, str]:
    """Yosys, nextpnr and ecppack; raises `MissingTool`."""
    return {
        "yosys": yosys.identity(), "nextpnr": nextpnr_ecp5.version(),
        "ecppack": ecppack.find().name,
    }  # fmt: skip


def build(request: Request) -> Figures:
    """Writes ``design.bit``; raises a `LeptonError` where anything falls short.

    A UART divides its baud rate from the clock, so that a design which misses the clock is refused
    and not slowed down.
    """
    board = request.board
    if board.serial is None:
        raise InputError(f"{board.title} has no UART", "a board with [serial]", "choose another")
    divisor = round(board.clock * 1e6 / board.serial.baud)
    watch = Watch(request.progress)
    digest = design_digest(request.folder, request.design)
    with watch.step("synthesis"):
        accelerator = _accelerator(request)
        link = _link(request, digest, divisor, accelerator)
    require_room(request, accelerator.cells + link.cells)
    with _seeds(request, _whole(request, link, accelerator)) as seeds:
        with watch.step("netlist proof"):
            proven = _prove(request, accelerator)
        with watch.step("place and route", seeds.start):
            results = seeds.results()
            routed = nextpnr_report.best(results)
    if routed.mhz < board.clock:
        raise StageError(
            f"place and route reaches {routed.mhz:.1f} MHz with the best of {len(results)} seeds",
            f"{board.clock:g} MHz, of which the UART's baud rate is a part",
            "lower compile.bits_per_stage, try more --seeds, or lower the board's clock",
        )
    with watch.step("bitstream"):
        ecppack.pack(routed.config, request.bit)
    _clear(request.workdir)
    return Figures(
        design_digest=digest.hex(), clock=board.clock, achieved=round(routed.mhz, 2),
        seed=routed.seed, used=routed.resources, netlist_vectors=proven, seconds=watch.seconds,
        tools=tools(),
    )  # fmt: skip


def _accelerator(request: Request) -> yosys.Synthesised:
    design, folder = request.design, request.folder
    place = request.workdir / "accelerator"
    place.mkdir()
    sources = {name: folder / name for name in design.sources}
    data = {name: folder / name for name in design.data_files}
    return yosys.synthesise(yosys.Job(design.top, sources, "ecp5", data), place)


def _link(
    request: Request, digest: bytes, divisor: int, accelerator: yosys.Synthesised
) -> yosys.Synthesised:
    """All around the accelerator, which is a black box in it."""
    design, work = request.design, request.workdir
    generated = {
        "accelerator.v": black_box(accelerator.netlist(design.top)),
        "lepton_serial.sv": serial.wrapper_text(design, digest, divisor),
        "lepton_serial_top.sv": serial.top_text(request.board),
    }
    sources = {f"serial/{path.name}": path for path in serial.SOURCES}
    for name, text in generated.items():
        (work / name).write_text(text)
        sources[name] = work / name
    return yosys.synthesise(yosys.Job(serial.TOP, sources, "ecp5"), work)


def _whole(request: Request, link: yosys.Synthesised, accelerator: yosys.Synthesised) -> Path:
    """The netlist of both: the accelerator's gates in it are those that are proven."""
    whole, part = (json.loads(made.json.read_text()) for made in (link, accelerator))
    path = request.workdir / "whole.json"
    path.write_text(json.dumps(joined(whole, part, request.design.top)))
    return path


def _seeds(request: Request, netlist: Path) -> Seeds[nextpnr_ecp5.Routed]:
    board = request.board
    folders = {seed: request.workdir / f"seed{seed}" for seed in request.seeds}
    for folder in folders.values():
        folder.mkdir()
    return Seeds(
        lambda seed: nextpnr_ecp5.run(netlist, board, seed, folders[seed]),
        request.seeds,
        enough=lambda routed: routed.reaches(board.clock),
    )


def _clear(work: Path) -> None:
    """Netlists and configurations, tens of megabytes each; logs and reports stay."""
    for pattern in ("**/*netlist.json", "whole.json", "seed*/*.config"):
        for path in work.glob(pattern):
            path.unlink()


def _prove(request: Request, accelerator: yosys.Synthesised) -> int:
    design = request.design
    images, expected = (part[:PROVEN] for part in request.vectors)
    netlist = accelerator.netlist(design.top)
    proofs = netlist_simulation(
        netlist, "ecp5", design, images, expected, cycles=len(images) * request.cycles_per_frame
    )
    require_exact(proofs, "ecp5")
    return len(images)
