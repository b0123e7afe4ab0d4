"""FIFO depths from simulation: the fill that each FIFO needs to keep the design at full speed.

First the design runs with deep FIFOs as fast as it can; its steady interval T is the best
possible. Then frames are fed evenly, one every T cycles, and the most that each FIFO ever holds is
recorded. A design of blocking streams that runs as soon as it can is never slower than one
particular schedule that fits its FIFOs, so these depths keep the interval T.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lepton_hw.compiler.graph import Graph
from lepton_hw.compiler.stitch import stitch
from lepton_hw.progress import Progress
from lepton_hw.sim.packing import value_range
from lepton_hw.sim.simulator import Simulator

#: Depth of every FIFO while measuring, in beats.
DEEP = 1024
#: Frames simulated in each of the two runs; the pipeline fills in the first few.
FRAMES = 8
#: Beats added to the measured fill: a full FIFO of FINN's takes nothing in the cycle that it gives.
MARGIN = 2


@dataclass(frozen=True)
class Sizing:
    """Depth of each FIFO by node name; the interval with deep FIFOs, in cycles per frame."""

    depths: dict[str, int]
    interval: float


def size_fifos(graph: Graph, compiled: Path, scratch: Path, progress: Progress) -> Sizing:
    """Simulates the graph with the deep FIFOs that it was generated with and returns depths."""
    scratch.mkdir(parents=True)
    design = stitch(graph, compiled, scratch)
    simulator = Simulator(design, scratch)
    with progress.task("verilate", 1) as task:
        simulator.build()
        task.advance()
    door = design.stream(design.inputs[0])
    low, high = value_range(door.dtype)
    frames = np.random.default_rng(0).integers(low, high, (FRAMES, *door.shape[1:]), endpoint=True)
    if door.dtype == "BIPOLAR":
        frames = np.where(frames > 0, 1, -1)
    interval = simulator.run(frames, progress=progress).cycles_per_frame
    paced = simulator.run(frames, interval=interval, progress=progress)
    return Sizing(
        depths={name: max(2, fifo.max_fill + MARGIN) for name, fifo in paced.fifos.items()},
        interval=interval,
    )
