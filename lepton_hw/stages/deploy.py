"""The deploy stage: the folder that goes to a board, with driver, bitstream and golden vectors."""

from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lepton_hw.artifacts import Artifact, digest, file_digest
from lepton_hw.board import Board
from lepton_hw.deployment import HANDOFFS, ONBOARD, write_deployment
from lepton_hw.design import WEIGHTS, read_design
from lepton_hw.errors import InputError
from lepton_hw.progress import Progress
from lepton_hw.stages.export import Exported
from lepton_hw.stages.simulate import Simulated
from lepton_hw.stages.stitch import Stitched

FOLDER = "design"


class Deployed(Artifact):
    """The folder `FOLDER` below the artifact's; `vectors` of them are golden."""

    stage: ClassVar[str] = "deploy"
    design_digest: str
    vectors: int

    @property
    def deployment(self) -> Path:
        """What is copied to the board."""
        return self.path(FOLDER)


def run(
    board: Board,
    exported: Exported,
    stitched: Stitched,
    simulated: Simulated,
    bitstream: tuple[Path, str, float],
    workdir: Path,
    progress: Progress,
) -> Deployed:
    """Writes the folder; `bitstream` is the file, the digest of the design in it, its clock in MHz.

    The vectors are those that ran through the RTL, certified by then.
    """
    inputs, codes = golden_vectors(exported, simulated)
    file, shown, clock = bitstream
    weights = stitched.path(WEIGHTS)  # where they can be rewritten
    with progress.task("deploy", 1) as task:
        write_deployment(
            workdir / FOLDER, file, read_design(stitched.folder), exported.contract,
            board.model_copy(update={"clock": clock}),
            shown, (inputs, codes), weights if weights.is_file() else None,
        )  # fmt: skip
        task.advance()
    return Deployed(design_digest=shown, vectors=len(codes))


def golden_vectors(
    exported: Exported, simulated: Simulated
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Input codes that ran through the RTL, and the output codes that it gave."""
    outputs = np.load(simulated.path("outputs.npz"))["codes"]
    return np.load(exported.path("vectors.npz"))["inputs"][: len(outputs)], outputs


def digest_of_files(bitfile: Path) -> str:
    """Of a bitstream that is given, and of the files beside it that pynq reads."""
    if not bitfile.is_file():
        raise InputError(f"there is no bitstream {bitfile}", "a file", "build it first")
    beside = [bitfile.with_suffix(suffix) for suffix in HANDOFFS]
    return digest([file_digest(path) for path in (bitfile, *beside) if path.is_file()])


def driver_digest() -> str:
    """Of the driver that goes along, which no module imports."""
    return digest({path.name: file_digest(path) for path in sorted(ONBOARD.glob("*.py"))})
