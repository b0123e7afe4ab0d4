"""``make bench-reference``: the integer path against QONNX's and FINN's execution, and in itself.

All sides run in one process on one core and must give the same integers; each figure is the median
of several runs, in processor time, so that other work on the machine counts for nobody. A card,
where there is one, is measured beside, by the clock on the wall.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import flow_of, untrained
from benchmarks.table import write
from lepton_hw.board import load_board
from lepton_hw.devices import cards
from lepton_hw.executors.base import Executor
from lepton_hw.executors.finn_executor import FinnExecutor
from lepton_hw.executors.qonnx_executor import QonnxExecutor
from lepton_hw.executors.reference_executor import ReferenceExecutor
from lepton_hw.flow import Model
from lepton_hw.pipeline import Options, build
from lepton_hw.stages.compile import Compiled

Ints = NDArray[np.int64]
BATCH, RUNS, SLOW_IMAGES, IMAGES = 64, 7, 4, 10_000
OWN, DATA_SET = "reference of FINN's graph", "the same, a data set"
#: What the integer path must reach against the others, and the longest for a data set. Both others
#: take the frames one by one, which is all that their graphs are exported and compiled for.
GOALS = {"qonnx": 20.0, "finn": 250.0}
MINUTES = 10.0


@dataclass(frozen=True)
class Row:
    """One executor. `times_faster` is how much faster the integer path is."""

    executor: str
    images: int
    ms_per_image: float
    times_faster: float
    same_integers: bool


@dataclass(frozen=True)
class Side:
    """Something that infers, how many images it is given at once, and how its time is taken."""

    infer: Callable[[Ints], Ints]
    images: int
    clock: Callable[[], float] = time.process_time


def milliseconds(sides: dict[str, Side], codes: Ints) -> dict[str, tuple[float, Ints]]:
    """Median time an image of each side, and its outputs.

    The sides take turns, after one round that is not counted, so that whatever else the machine
    does meets all of them alike.
    """
    outputs: dict[str, Ints] = {}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(RUNS + 1):
        for name, side in sides.items():
            start = side.clock()
            outputs[name] = side.infer(codes[: side.images])
            times[name].append(side.clock() - start)
    return {
        name: (statistics.median(took[1:]) * 1e3 / sides[name].images, outputs[name])
        for name, took in times.items()
    }


def main() -> None:
    """Measures a CNV-sized network of 3 bits; fails where a goal is missed or integers differ."""
    _use_one_core()
    cnv = Model(name="cnv_strided", weight_bits=3, act_bits=3)
    file = untrained(cnv, (32, 32, 3), 10, Path("build/bench/cnv_3bit.onnx"))
    done = build(flow_of(file, "CNV", 750, 4), load_board("zcu104"), Options(to="compile"))
    compiled = done["compile"]
    assert isinstance(compiled, Compiled)
    model, contract = done["export"].path("model.onnx"), compiled.contract
    finns = compiled.path("finn.onnx")
    codes = np.random.default_rng(3).integers(0, 256, (IMAGES, *contract.input.shape))

    reference, qonnx = ReferenceExecutor(finns, contract), QonnxExecutor(model, contract)
    sides = {
        OWN: Side(reference.infer, BATCH),
        "reference of QONNX": Side(ReferenceExecutor(model, contract).infer, BATCH),
        DATA_SET: Side(reference.infer, IMAGES),
        "qonnx, given a batch": Side(qonnx.infer, BATCH),
        "qonnx": Side(_one_by_one(qonnx), SLOW_IMAGES),
        "finn": Side(FinnExecutor(finns, contract).infer, SLOW_IMAGES),
    }
    if cards():
        card = ReferenceExecutor(finns, contract, device="cuda")
        sides["reference on CUDA"] = Side(card.infer, IMAGES, time.perf_counter)
    else:
        print("no CUDA card: the GPU is not measured", file=sys.stderr)
    measured = milliseconds(sides, codes)
    own, expected = measured[OWN]
    rows = []
    for name, (took, outputs) in measured.items():
        common = min(len(outputs), len(expected))
        same = np.array_equal(outputs[:common], expected[:common])
        rows.append(Row(name, len(outputs), round(took, 3), round(took / own, 1), same))
    write("reference", [asdict(row) for row in rows])
    _require(rows)


def _use_one_core() -> None:
    """For this process: torch, ONNX Runtime and NumPy alike."""
    import torch

    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _one_by_one(executor: Executor) -> Callable[[Ints], Ints]:
    return lambda codes: np.concatenate([executor.infer(frame[None]) for frame in codes])


def _require(rows: list[Row]) -> None:
    missed = [
        f"{row.executor}: {row.times_faster} times, goal {GOALS[row.executor]}"
        for row in rows
        if row.times_faster < GOALS.get(row.executor, 0)
    ]
    missed += [
        f"{row.images:,} images take {row.ms_per_image * row.images / 6e4:.1f} minutes"
        for row in rows
        if row.executor == DATA_SET and row.ms_per_image * row.images > MINUTES * 6e4
    ]
    missed += [f"{row.executor} gives other integers" for row in rows if not row.same_integers]
    if missed:
        sys.exit("; ".join(missed))


if __name__ == "__main__":
    main()
