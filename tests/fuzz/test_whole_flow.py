"""Random networks at random foldings through the whole flow: every integer, or a sentence.

``make fuzz SEED=number SEEDS=how many``; a seed that failed fails again by its number.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lepton_hw.board import load_board
from lepton_hw.errors import StageError
from lepton_hw.flow import Check, Flow
from lepton_hw.pipeline import Options, build
from lepton_hw.stages.certify import Certified
from lepton_hw.stages.qonnx_file import export_qonnx

from .goals import RANDOM, may_be_refused, random_folding, random_goal
from .networks import random_network

FIRST = int(os.environ.get("LEPTON_SEED", "0"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("LEPTON_EXAMPLES", "10")))
BOARDS = ("pynq_z2", "zcu104", "ulx3s")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_network_is_exact(seed: int, tmp_path: Path) -> None:
    made, rng = random_network(seed), np.random.default_rng([seed, 1])
    file = tmp_path / f"fuzz_{seed}.onnx"
    export_qonnx(made.network, made.door, file)
    compile_, board = random_goal(rng), load_board(str(rng.choice(BOARDS)))
    print(f"{made.told}\n{compile_!r}\n{board.name}")
    flow = Flow(
        name=file.stem, model_file=str(file), compile=compile_,
        check=Check(random_vectors=24, rtl_images=8, seed=seed),
    )  # fmt: skip
    options = Options(build_dir=tmp_path / "build", to="certify")
    try:
        if compile_.folding == RANDOM:
            exported = build(flow, board, replace(options, to="export"))["export"]
            folding = random_folding(exported.path("model.onnx"), board, tmp_path / "folding", rng)
            print(folding.read_text())
            chosen = compile_.model_copy(update={"folding": str(folding)})
            flow = flow.model_copy(update={"compile": chosen})
        done = build(flow, board, options)
    except StageError as error:
        if not may_be_refused(compile_, str(error)):
            raise
        pytest.skip(str(error))
    certified = done["certify"]
    assert isinstance(certified, Certified)
    assert certified.certificate.exact
