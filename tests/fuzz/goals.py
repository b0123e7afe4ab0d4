"""What a random network is compiled for: a rate, a latency, the fastest that fits, or a folding
that no search would choose; within random limits.
"""

import json
import re
from pathlib import Path

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.board import Board
from lepton_hw.compiler.compile import specialize
from lepton_hw.compiler.folding import choices
from lepton_hw.compiler.steps import FinnSteps
from lepton_hw.compiler.world import finn_world
from lepton_hw.flow import Compile

#: In place of a folding's file, which is drawn when the graph is known.
RANDOM = "random"
#: What a random network may be refused for.
REFUSED = (
    r"needs at least [\d,]+ cycles a frame at any folding",
    r"one frame takes [\d,.e+]+ us by estimate at the quickest folding",
    r"FINN cannot build the windows of layer",
    r"the design needs [\d,.]+ ",
)
#: What it may say if its FIFOs must be shallower than a branch needs.
SHORT = r"is short by \d+ beats? \(depth \d+, needs (\d+)\)"
#: What it may say if weights are to be written that a drawn folding puts into the units.
EMBEDDED = r"none of the network's \d+ matrix layers can have weights that are written at run time"


def may_be_refused(goal: Compile, said: str) -> bool:
    """Whether a network may end with this sentence."""
    short = re.search(SHORT, said)
    if short is not None and goal.fifo_max_depth is not None:
        return int(short[1]) > goal.fifo_max_depth
    if goal.folding and goal.runtime_weights and re.search(EMBEDDED, said):
        return True
    return any(re.search(known, said) for known in REFUSED)


def random_goal(rng: np.random.Generator) -> Compile:
    """From slow to faster than a beat a cycle, or all that fits; FIFOs long enough or not."""
    limits = {
        "runtime_weights": bool(rng.integers(4) == 0),
        "bits_per_stage": int(rng.choice([8, 32, 32, 100])),
        "fifo_max_depth": rng.choice([None, None, 2, 4, 8, 32]),
        "fifo_time_limit": rng.choice([None, None, None, "0.001 s"]),
    }
    rate, latency = int(10 ** rng.uniform(3, 6.5)), float(10 ** rng.uniform(0.5, 3.5))
    goals = (
        {"target_fps": rate},
        {"target_fps": rate},
        {"target_fps": rate, "objective": "latency"},
        {"target_latency_us": latency},
        {"target_fps": rate // 10, "target_latency_us": latency},
        {"largest": True},
        {"largest": True, "objective": "latency"},
        {"folding": RANDOM},
    )
    return Compile.model_validate({**limits, **goals[int(rng.integers(len(goals)))]})


def random_folding(model: Path, board: Board, folder: Path, rng: np.random.Generator) -> Path:
    """One of the foldings of each layer, as a file; `model` is that of the export stage."""
    folder.mkdir()
    with finn_world(folder / "scratch", folder / "finn.log"):
        steps = FinnSteps(board, folder, folder / "finn.log")
        front, _ = steps.front(ModelWrapper(str(model)))
        groups = choices(specialize(steps, front), board).groups
    picked = [options[int(rng.integers(len(options)))].attributes for options in groups]
    table = {name: values for one in picked for name, values in one.items()}
    file = folder / "folding.json"
    file.write_text(json.dumps({"Defaults": {}, **table}))
    return file
