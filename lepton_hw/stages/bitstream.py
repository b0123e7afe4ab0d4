"""The bitstream stage: shell and accelerator as a file that a board, or the virtual one, loads."""

from pathlib import Path
from typing import ClassVar

from lepton_hw.artifacts import Artifact
from lepton_hw.board import Board
from lepton_hw.design import read_design
from lepton_hw.errors import InputError
from lepton_hw.progress import Progress
from lepton_hw.rtl.shell.wrapper import design_digest
from lepton_hw.stages.stitch import Stitched

FILE = "design.bit"
TOOLCHAINS = ("virtual",)


class Bitstream(Artifact):
    """``design.bit`` and what pynq reads beside it.

    `design_digest` is the SHA-256, in hex, that the shell's registers show; `clock` is in MHz.
    """

    stage: ClassVar[str] = "bitstream"
    toolchain: str
    design_digest: str
    part: str
    clock: float


def run(
    toolchain: str, board: Board, stitched: Stitched, workdir: Path, progress: Progress
) -> Bitstream:
    """Builds it; raises `InputError` for an unknown toolchain."""
    from lepton_hw.virtual import make

    require_toolchain(toolchain)
    with progress.task("bitstream", 1) as task:
        digest = make.write_bitstream(
            workdir / FILE, read_design(stitched.folder), stitched.folder, board
        )
        task.advance()
    return Bitstream(
        toolchain=toolchain, design_digest=digest, part=board.part, clock=board.clock
    )  # fmt: skip


def digest_of(stitched: Stitched) -> str:
    """The digest, in hex, that the shell of this design shows, whoever builds its bitstream."""
    return design_digest(stitched.folder, read_design(stitched.folder)).hex()


def require_toolchain(name: str) -> None:
    """Raises `InputError` unless there is a toolchain of that name."""
    if name not in TOOLCHAINS:
        raise InputError(
            f"there is no toolchain '{name}'", ", ".join(TOOLCHAINS), "pass one of these"
        )
