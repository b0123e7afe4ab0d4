"""The stitch stage: joins the kernels into ``design.sv``, a folder that can be moved."""

import shutil
from pathlib import Path
from typing import ClassVar

from lepton_hw.artifacts import Artifact, digest, file_digest
from lepton_hw.compiler.graph import read_graph
from lepton_hw.compiler.stitch import stitch
from lepton_hw.design import WEIGHTS
from lepton_hw.progress import Progress
from lepton_hw.stages.compile import Compiled


class Stitched(Artifact):
    """`rtl_digest` is over all sources and data files; counts of kernels and streams."""

    stage: ClassVar[str] = "stitch"
    rtl_digest: str
    kernels: int
    streams: int


def run(compiled: Compiled, workdir: Path, progress: Progress) -> Stitched:
    """Writes ``design.sv``, ``design.f``, ``design.json`` and ``rtl/``; ``weights.npz`` with them
    where weights can be rewritten.
    """
    with progress.task("stitch", 1) as task:
        design = stitch(read_graph(compiled.folder), compiled.folder, workdir)
        if design.weights:
            shutil.copyfile(compiled.folder / WEIGHTS, workdir / WEIGHTS)
        task.advance()
    names = (*design.sources, *design.data_files)
    return Stitched(
        rtl_digest=digest({name: file_digest(workdir / name) for name in names}),
        kernels=len(design.nodes),
        streams=len(design.streams),
    )
