"""ECP5 with tools from the package index only: Yosys, proof of the netlist, nextpnr, ecppack.

The accelerator is synthesised and its netlist proven by itself, at its streams; just these gates
are placed. The UART link around them is tested as RTL. It has never run on hardware.
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
from lepton_hw.netlist import black_box, joined, read_netlist
from lepton_hw.rtl.serial import wrapper as serial
from lepton_hw.rtl.shell.wrapper import design_digest
from lepton_hw.sim.netlist import netlist_simulation, require_exact
from lepton_hw.tools import ecppack, nextpnr_ecp5, verilator, yosys

#: Vectors that go through the netlist.
PROVEN = 20
#: Both netlists as one.
WHOLE = "whole.json"


class Routed(Placed):
    """Of this family, with its configuration."""

    routed: nextpnr_ecp5.Routed


def tools() -> dict[str, str]:
    """Yosys, nextpnr and ecppack; raises `MissingTool`."""
    return {
        "yosys": yosys.identity(), "nextpnr": nextpnr_ecp5.version(),
        "ecppack": ecppack.find().name, "verilator": verilator.find().version,
    }  # fmt: skip


def build(request: Request) -> Figures:
    """Writes ``design.bit``; raises a `LeptonError` where anything falls short.

    A UART divides its baud rate from the clock, so that a design which misses the clock is refused
    and not slowed down.
    """
    board = request.board
    if board.serial is None:
        raise InputError(f"{board.title} has no UART", "a board with [serial]", "choose another")
    steps = Steps(request, __name__, tools())
    digest = design_digest(request.folder, request.design)
    accelerator = synthesis(steps, "synthesis", _accelerator(request))
    link = synthesis(steps, "synthesis of link", _link(request, digest, accelerator))
    require_room(request, accelerator.cells + link.cells)
    with _seeds(steps, request, link, accelerator) as seeds:
        proven = proof(steps, request, accelerator, lambda: _prove(request, accelerator))
        results = seeds.results()
        best = best_seed(steps, results)
    if best.routed.mhz < board.clock:
        raise StageError(
            f"place and route reaches {best.routed.mhz:.1f} MHz with the best of"
            f" {len(results)} seeds",
            f"{board.clock:g} MHz, of which the UART's baud rate is a part",
            "lower compile.bits_per_stage, try more --seeds, or lower the board's clock",
        )
    with steps.last("bitstream"):
        ecppack.pack(best.path(best.routed.config), request.bit)
    (request.workdir / WHOLE).unlink()  # tens of megabytes, made again in a second
    steps.finish()
    return Figures(
        design_digest=digest.hex(), clock=board.clock, achieved=round(best.routed.mhz, 2),
        seed=best.routed.seed, used=best.routed.resources, netlist_vectors=proven,
        seconds=steps.seconds, tools=tools(),
    )  # fmt: skip


def _accelerator(request: Request) -> yosys.Job:
    design, folder = request.design, request.folder
    sources = {name: folder / name for name in design.sources}
    data = {name: folder / name for name in design.data_files}
    return yosys.Job(design.top, sources, "ecp5", data)


def _link(request: Request, digest: bytes, accelerator: Synthesis) -> yosys.Job:
    """All around the accelerator, which is a black box in it; writes its generated sources."""
    design, board, work = request.design, request.board, request.workdir
    assert board.serial is not None
    divisor = round(board.clock * 1e6 / board.serial.baud)
    generated = {
        "accelerator.v": black_box(read_netlist(accelerator.netlist, design.top)),
        "lepton_serial.sv": serial.wrapper_text(design, digest, divisor),
        "lepton_serial_top.sv": serial.top_text(board),
    }
    sources = {f"serial/{path.name}": path for path in serial.SOURCES}
    for name, text in generated.items():
        (work / name).write_text(text)
        sources[name] = work / name
    return yosys.Job(serial.TOP, sources, "ecp5")


def _seeds(
    steps: Steps, request: Request, link: Synthesis, accelerator: Synthesis
) -> Seeds[Routed]:  # fmt: skip
    """Places the netlist of both: the accelerator's gates in it are those that are proven."""
    board, netlist = request.board, request.workdir / WHOLE
    whole, part = (json.loads(made.netlist.read_text()) for made in (link, accelerator))
    netlist.write_text(json.dumps(joined(whole, part, request.design.top)))
    of_all = {
        "netlists": [link.digest, accelerator.digest],
        "pins": nextpnr_ecp5.constraints(board),
    }

    def run(seed: int, folder: Path, log: Path) -> nextpnr_ecp5.Routed:
        routed = nextpnr_ecp5.run(netlist, board, seed, folder, log)
        (folder / yosys.NETLIST).unlink()  # a copy, since the program sees only its folder
        return routed

    def values(seed: int) -> dict[str, Any]:
        return {**of_all, "arguments": nextpnr_ecp5.arguments(board, seed)}

    return placements(steps, request, Routed, values, run)


def _prove(request: Request, accelerator: Synthesis) -> int:
    design = request.design
    images, expected = (part[:PROVEN] for part in request.vectors)
    netlist = read_netlist(accelerator.netlist, design.top)
    proofs = netlist_simulation(
        netlist, "ecp5", design, images, expected, cycles=len(images) * request.cycles_per_frame
    )
    require_exact(proofs, "ecp5")
    return len(images)
