"""FIFO depths from simulation: the fill that each FIFO needs to keep the design at full speed.

First the design runs with deep FIFOs as fast as it can; its steady interval T is the best
possible. Then frames are fed evenly, one every T cycles, and the most that each FIFO ever holds is
recorded. A design of blocking streams that runs as soon as it can is never slower than one
particular schedule that fits its FIFOs, so these depths keep the interval T; on both branches
behind a fork, too. A FIFO that is ever full was not deep enough to tell: it is deepened and
everything is measured again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lepton_hw.compiler.graph import Graph
from lepton_hw.compiler.stitch import stitch
from lepton_hw.design import Design
from lepton_hw.progress import Progress
from lepton_hw.sim.deadlock import Deadlock
from lepton_hw.sim.packing import value_range
from lepton_hw.sim.simulator import Simulator

#: Depth of every FIFO while measuring, in beats.
DEEP = 1024
#: What a FIFO that was full is made deeper by.
DEEPER = 8
#: Depth at which a FIFO is not made deeper.
DEEPEST = 1 << 18
#: Frames simulated in each of the two runs; the pipeline fills in the first few.
FRAMES = 8
#: Beats added to the measured fill: a full FIFO of FINN's takes nothing in the cycle that it gives.
MARGIN = 2

#: Writes the graph again below a folder, with FIFOs of these depths by name.
Regenerate = Callable[[dict[str, int], Path], Graph]


@dataclass(frozen=True)
class Sizing:
    """Depth of each FIFO by node name; the interval with deep FIFOs, in cycles per frame.

    `limited` names FIFOs that were full even at the deepest that was allowed.
    """

    depths: dict[str, int]
    interval: float
    limited: tuple[str, ...] = ()


def size_fifos(
    graph: Graph,
    compiled: Path,
    scratch: Path,
    progress: Progress,
    regenerate: Regenerate | None = None,
    deepest: int = DEEPEST,
) -> Sizing:
    """Simulates the graph with the deep FIFOs that it was generated with and returns depths.

    Args:
        graph: kernels and edges, with FIFOs that are deep.
        compiled: folder of its files.
        scratch: a folder to be made.
        progress: shows the simulations.
        regenerate: how to make FIFOs deeper; without it they stay as they are.
        deepest: depth in beats at which a FIFO is not made deeper.

    Raises `Deadlock` where the design stops though no FIFO can be made deeper.
    """
    scratch.mkdir(parents=True)
    attempt = 0
    while True:
        sizing, full, stopped = _measure(graph, compiled, scratch / f"{attempt}", progress)
        nominal = {kernel.name: kernel.depth for kernel in graph.kernels if kernel.depth}
        deeper = {
            name: min(deepest, nominal[name] * DEEPER) for name in full if nominal[name] < deepest
        }
        if regenerate is None or not deeper:
            if sizing is None:
                assert stopped is not None
                raise stopped
            return Sizing(sizing.depths, sizing.interval, full)
        attempt += 1
        compiled = scratch / f"compiled{attempt}"
        graph = regenerate(deeper, compiled)


def _measure(
    graph: Graph, compiled: Path, folder: Path, progress: Progress
) -> tuple[Sizing | None, tuple[str, ...], Deadlock | None]:
    """Depths (none if the design stopped), the FIFOs that were full, why it stopped."""
    folder.mkdir()
    design = stitch(graph, compiled, folder)
    simulator = Simulator(design, folder)
    with progress.task("verilate", 1) as task:
        simulator.build()
        task.advance()
    frames = random_frames(design)
    try:
        interval = simulator.run(frames, progress=progress).cycles_per_frame
        paced = simulator.run(frames, interval=interval, progress=progress)
    except Deadlock as stopped:
        full = {e.fifo for e in stopped.report if e.fifo and e.fill >= e.depth}
        return None, tuple(sorted(full)), stopped
    depths = {name: max(2, fifo.max_fill + MARGIN) for name, fifo in paced.fifos.items()}
    full = {name for name, fifo in paced.fifos.items() if fifo.max_fill >= fifo.depth}
    return Sizing(depths, interval), tuple(sorted(full)), None


def random_frames(design: Design, frames: int = FRAMES) -> dict[str, NDArray[np.int64]]:
    """A batch of `frames` for every input, values over the whole range of its type."""
    rng, batch = np.random.default_rng(0), {}
    for name in design.inputs:
        door = design.stream(name)
        low, high = value_range(door.dtype)
        values = rng.integers(low, high, (frames, *door.shape[1:]), endpoint=True)
        batch[name] = np.where(values > 0, 1, -1) if door.dtype == "BIPOLAR" else values
    return batch
