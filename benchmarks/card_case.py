"""The network that `benchmarks.card` runs: a folder with its graph and the integers expected.

FINN and Brevitas are needed to make the folder, and neither to use it, so that it can be carried to
a machine that has a card and not them. The images are random numbers, which are made again there.
"""

import hashlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lepton_hw import reference

FOLDER = Path("build/bench/card")
GRAPH, VECTORS = "finn.onnx", "vectors.npz"
IMAGES, SEED = 10_000, 3


@dataclass(frozen=True)
class Case:
    """`images` are codes (N, H, W, C); `expected` what the integer path on a CPU gives, (N, …)."""

    graph: Path
    images: NDArray[np.uint8]
    expected: NDArray[np.int64]

    @property
    def digest(self) -> str:
        """Of the graph and the images (SHA-256)."""
        return hashlib.sha256(self.graph.read_bytes() + self.images.tobytes()).hexdigest()


def prepare(folder: Path = FOLDER) -> None:
    """Compiles a CNV of 3 bits with random weights and runs it on the CPU: about three minutes.

    The integers are those that `make bench-reference` compares with FINN's and QONNX's execution.
    """
    from benchmarks.networks import flow_of, untrained
    from lepton_hw.board import load_board
    from lepton_hw.flow import Model
    from lepton_hw.pipeline import Options, build
    from lepton_hw.stages.compile import Compiled

    cnv = Model(name="cnv_strided", weight_bits=3, act_bits=3)
    file = untrained(cnv, (32, 32, 3), 10, Path("build/bench/cnv_3bit.onnx"))
    done = build(flow_of(file, "CNV", 750, 4), load_board("zcu104"), Options(to="compile"))
    compiled = done["compile"]
    assert isinstance(compiled, Compiled)
    shape = compiled.contract.input.shape
    images = _images(IMAGES, shape)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(compiled.path("finn.onnx"), folder / GRAPH)
    expected = reference.load(folder / GRAPH).infer(images)
    part = folder / f"part.{VECTORS}"
    np.savez(part, shape=shape, expected=expected, digest=_digest(images))
    part.replace(folder / VECTORS)  # whoever finds it finds all of it


def read(folder: Path = FOLDER) -> Case:
    """A folder that `prepare` made."""
    with np.load(folder / VECTORS, allow_pickle=False) as file:
        images = _images(len(file["expected"]), tuple(file["shape"]))
        if _digest(images) != str(file["digest"]):  # NumPy may change how a seed is spread
            sys.exit(f"{folder / VECTORS} is of other images; delete {folder} and prepare it again")
        return Case(folder / GRAPH, images, file["expected"])


def _images(count: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.random.default_rng(SEED).integers(0, 256, (count, *shape), np.uint8)


def _digest(images: NDArray[np.uint8]) -> str:
    return hashlib.sha256(images.tobytes()).hexdigest()
