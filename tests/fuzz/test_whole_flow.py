"""Random networks at random foldings through the whole flow: every integer, or a sentence.

``make fuzz SEED=number SEEDS=how many``; a seed that failed fails again by its number.
"""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from lepton_hw.board import load_board
from lepton_hw.errors import StageError
from lepton_hw.flow import Check, Compile, Flow
from lepton_hw.pipeline import Options, build
from lepton_hw.stages.certify import Certified
from lepton_hw.stages.qonnx_file import export_qonnx

from .networks import random_network

FIRST = int(os.environ.get("LEPTON_SEED", "0"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("LEPTON_EXAMPLES", "10")))
BOARDS = ("pynq_z2", "zcu104", "ulx3s")
#: What a random network may be refused for.
REFUSED = (
    r"needs at least [\d,]+ cycles a frame at any folding",
    r"FINN cannot build the windows of layer",
    r"the design needs [\d,.]+ ",
)


def goal(rng: np.random.Generator) -> Compile:
    """A rate from slow to faster than a beat a cycle, or all that fits."""
    more = {
        "runtime_weights": bool(rng.integers(4) == 0),
        "bits_per_stage": int(rng.choice([8, 32, 32, 100])),
    }
    if rng.integers(4) == 0:
        return Compile(largest=True, **more)
    return Compile(target_fps=int(10 ** rng.uniform(3, 6.5)), **more)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_network_is_exact(seed: int, tmp_path: Path) -> None:
    made, rng = random_network(seed), np.random.default_rng([seed, 1])
    file = tmp_path / f"fuzz_{seed}.onnx"
    door = made.network.ports(made.shape, "UINT8")[0]
    export_qonnx(made.network, door, file)
    compile_, board = goal(rng), load_board(str(rng.choice(BOARDS)))
    print(f"{made.told}\n{compile_}\n{board.name}")
    flow = Flow(
        name=file.stem, model_file=str(file), compile=compile_,
        check=Check(random_vectors=24, rtl_images=8, seed=seed),
    )  # fmt: skip
    try:
        done = build(flow, board, Options(build_dir=tmp_path / "build", to="certify"))
    except StageError as error:
        if not any(re.search(known, str(error)) for known in REFUSED):
            raise
        pytest.skip(str(error))
    certified = done["certify"]
    assert isinstance(certified, Certified)
    assert certified.certificate.exact
