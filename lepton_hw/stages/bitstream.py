"""The bitstream stage: shell and accelerator as a file that a board, or the virtual one, loads."""

import importlib
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from lepton_hw import artifacts
from lepton_hw.artifacts import Artifact
from lepton_hw.bitstreams.request import Figures, Request
from lepton_hw.board import Board
from lepton_hw.design import read_design
from lepton_hw.errors import InputError
from lepton_hw.progress import Progress
from lepton_hw.rtl.shell.wrapper import design_digest
from lepton_hw.stages.certify import FILE as CERTIFICATE
from lepton_hw.stages.certify import Certified
from lepton_hw.stages.export import Exported
from lepton_hw.stages.simulate import Simulated
from lepton_hw.stages.stitch import Stitched
from lepton_hw.tools import vivado

FILE = "design.bit"
#: Toolchain, and the modules of `bitstreams` that are its ways, by the shell of the board.
WAYS: dict[str, dict[str, str]] = {
    "virtual": {"zynq-iodma": "virtual_board", "uart": "virtual_board"},
    "open": {"zynq-iodma": "zynq_open", "uart": "ecp5_open"},
    "vivado": {"zynq-iodma": "zynq_vivado"},
}
TOOLCHAINS = tuple(WAYS)


class Bitstream(Artifact):
    """``design.bit`` and what pynq reads beside it; the figures are those of `Figures`.

    Where the netlist was proven there is ``certificate.json``, too: the design's with a row more.

    `design_digest` is the SHA-256, in hex, that the shell's registers show; clocks are in MHz.
    """

    stage: ClassVar[str] = "bitstream"
    timings = Artifact.timings | {"step_seconds"}
    toolchain: str
    design_digest: str
    part: str
    clock: float
    achieved: float = 0.0
    seed: int = 0
    used: dict[str, float] = Field(default_factory=dict)
    netlist_vectors: int = 0
    features: int = 0
    untimed: dict[str, int] = Field(default_factory=dict)
    step_seconds: dict[str, float] = Field(default_factory=dict)
    tools: dict[str, str] = Field(default_factory=dict)
    slack: dict[str, float] = Field(default_factory=dict)
    power: dict[str, float] = Field(default_factory=dict)
    power_corner: str = ""


class Proven(NamedTuple):
    """A certified design, as the stages before left it."""

    exported: Exported
    stitched: Stitched
    simulated: Simulated
    certified: Certified


def run(
    toolchain: str,
    board: Board,
    proven: Proven,
    workdir: Path,
    progress: Progress,
    seeds: tuple[int, ...] = (1, 2),
) -> Bitstream:
    """Builds it; raises `InputError` for a toolchain that cannot build for the board."""
    way = importlib.import_module(f"lepton_hw.bitstreams.{way_of(toolchain, board)}")
    exported, stitched, simulated, certified = proven
    codes = np.load(simulated.path("outputs.npz"))["codes"]
    inputs = np.load(exported.path("vectors.npz"))["inputs"][: len(codes)]
    figures: Figures = way.build(
        Request(
            design=read_design(stitched.folder), folder=stitched.folder, board=board,
            workdir=workdir, bit=workdir / FILE, vectors=(inputs, codes), progress=progress,
            cycles_per_frame=simulated.cycles_per_frame, seeds=seeds,
        )
    )  # fmt: skip
    if figures.netlist_vectors:
        certificate = certified.certificate.with_netlist(figures.netlist_vectors)
        (workdir / CERTIFICATE).write_text(certificate.model_dump_json(indent=2) + "\n")
    values = {name: value for name, value in asdict(figures).items() if value is not None}
    return Bitstream(
        toolchain=toolchain, part=board.part, step_seconds=values.pop("seconds", {}), **values
    )


def way_of(toolchain: str, board: Board) -> str:
    """The module that builds for this board; raises `InputError` where there is none."""
    if toolchain not in WAYS:
        raise InputError(
            f"there is no toolchain '{toolchain}'", ", ".join(TOOLCHAINS), "pass one of these"
        )
    if board.shell not in WAYS[toolchain] or toolchain not in (*board.toolchains, "virtual"):
        known = [name for name in (*board.toolchains, "virtual") if name in WAYS]
        raise InputError(
            f"the toolchain '{toolchain}' cannot build for {board.title}",
            ", ".join(known),
            "pass one of these, or choose another board",
        )
    return WAYS[toolchain][board.shell]


def tools_of(toolchain: str, board: Board) -> dict[str, str]:
    """Versions of the programs that build.

    Raises `InputError` or `MissingTool` where it cannot build here, before anything is built.
    """
    way = importlib.import_module(f"lepton_hw.bitstreams.{way_of(toolchain, board)}")
    versions: dict[str, str] = way.tools()
    return versions


def found_toolchain(board: Board) -> str:
    """Vivado where there is one that can build for the board, else the board's open tools."""
    usable = [name for name in board.toolchains if name in WAYS]
    if "vivado" in usable and (_has_vivado() or "open" not in usable):
        return "vivado"
    if "open" in usable:
        return "open"
    raise InputError(
        f"no toolchain here can build for {board.title}",
        f"one of {', '.join(board.toolchains)}",
        "pass --toolchain virtual, for the virtual board",
    )


def _has_vivado() -> bool:
    return bool(shutil.which("vivado") or os.environ.get(vivado.ROOT_VARIABLE))


def digest_of(stitched: Stitched) -> str:
    """The digest, in hex, that the shell of this design shows, whoever builds its bitstream."""
    return design_digest(stitched.folder, read_design(stitched.folder)).hex()


def known(folder: Path, stitched: Stitched) -> Bitstream | None:
    """The placed and routed one of this design in a build folder, if there is one."""
    wanted = digest_of(stitched)
    for toolchain in reversed(TOOLCHAINS):
        found = artifacts.load(Bitstream, folder / f"bitstream_{toolchain}")
        if found is not None and found.achieved and found.design_digest == wanted:
            return found
    return None
