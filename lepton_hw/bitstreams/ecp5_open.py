"""ECP5 with tools from the package index only: Yosys, proof of the netlist, nextpnr, ecppack.

The accelerator's netlist is proven by itself, at its streams; the UART link around it is tested as
RTL. It has never run on hardware.
"""

from lepton_hw.bitstreams.request import Figures, Request
from lepton_hw.bitstreams.steps import Watch, require_room, with_seeds
from lepton_hw.errors import InputError, StageError
from lepton_hw.rtl.serial import wrapper as serial
from lepton_hw.rtl.shell.wrapper import design_digest
from lepton_hw.sim.netlist import netlist_simulation, require_exact
from lepton_hw.tools import ecppack, nextpnr_ecp5, nextpnr_report, yosys

#: Vectors that go through the netlist.
PROVEN = 20


def require_tools() -> None:
    """Raises `MissingTool` where Yosys, nextpnr or ecppack is absent."""
    yosys.find()
    nextpnr_ecp5.find()
    ecppack.find()


def build(request: Request) -> Figures:
    """Writes ``design.bit``; raises a `LeptonError` where anything falls short.

    A UART divides its baud rate from the clock, so that a design which misses the clock is refused
    and not slowed down.
    """
    board, work = request.board, request.workdir
    if board.serial is None:
        raise InputError(f"{board.title} has no UART", "a board with [serial]", "choose another")
    divisor = round(board.clock * 1e6 / board.serial.baud)
    nextpnr, packer = nextpnr_ecp5.version(), ecppack.find()
    watch = Watch(request.progress)
    digest = design_digest(request.folder, request.design)
    with watch.step("netlist proof"):
        proven = _prove(request)
    with watch.step("synthesis"):
        made = _synthesise(request, digest, divisor)
    needed = {"lut": made.cells.lut, "ff": made.cells.ff, "bram36": made.cells.bram18 / 2}
    have = {"lut": board.resources.lut, "ff": board.resources.ff,
            "bram36": board.resources.bram36}  # fmt: skip
    require_room(needed, have, "the synthesised design")
    with watch.step("place and route"):
        folders = {seed: work / f"seed{seed}" for seed in request.seeds}
        for folder in folders.values():
            folder.mkdir()
        results = with_seeds(
            lambda seed: nextpnr_ecp5.run(made.json, board, seed, folders[seed]), request.seeds
        )
        routed = nextpnr_report.best(results)
    if routed.mhz < board.clock:
        raise StageError(
            f"place and route reaches {routed.mhz:.1f} MHz with the best of {len(results)} seeds",
            f"{board.clock:g} MHz, of which the UART's baud rate is a part",
            "try more with --seeds, fold more, or lower the clock in the board's file",
        )
    with watch.step("bitstream"):
        ecppack.pack(routed.config, request.bit)
    return Figures(
        design_digest=digest.hex(), clock=board.clock, achieved=round(routed.mhz, 2),
        seed=routed.seed, used=routed.resources, netlist_vectors=proven, seconds=watch.seconds,
        tools={"yosys": made.tool, "nextpnr": nextpnr, "ecppack": packer.name},
    )  # fmt: skip


def _prove(request: Request) -> int:
    design, folder = request.design, request.folder
    place = request.workdir / "proof"
    place.mkdir()
    job = yosys.Job(
        design.top, {name: folder / name for name in design.sources}, "ecp5",
        {name: folder / name for name in design.data_files},
    )  # fmt: skip
    netlist = yosys.synthesise(job, place).netlist(design.top)
    images, expected = (part[:PROVEN] for part in request.vectors)
    require_exact(netlist_simulation(netlist, "ecp5", design, images, expected), "ecp5")
    return len(images)


def _synthesise(request: Request, digest: bytes, divisor: int) -> yosys.Synthesised:
    design, folder, work = request.design, request.folder, request.workdir
    generated = {
        "lepton_serial.sv": serial.wrapper_text(design, digest, divisor),
        "lepton_serial_top.sv": serial.top_text(request.board),
    }
    sources = {f"serial/{path.name}": path for path in serial.SOURCES}
    sources |= {name: folder / name for name in design.sources}
    for name, text in generated.items():
        (work / name).write_text(text)
        sources[name] = work / name
    data = {name: folder / name for name in design.data_files}
    return yosys.synthesise(yosys.Job(serial.TOP, sources, "ecp5", data), work)
