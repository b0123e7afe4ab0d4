"""What a simulation measured, as plain values; the sums and medians behind it, nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lepton_hw.sim.bench import Plan

Cycles = NDArray[np.int64]


@dataclass(frozen=True)
class StreamStats:
    """Cycles of one stream, from reset to the last output beat.

    `beats`: valid and ready; `blocked`: valid, not ready; `starved`: ready, not valid.
    """

    beats: int
    blocked: int
    starved: int


@dataclass(frozen=True)
class FifoStats:
    """Beats in a FIFO: nominal depth, most at once, mean over all cycles, left at the end."""

    depth: int
    max_fill: int
    mean_fill: float
    fill: int


@dataclass(frozen=True)
class NodeStats:
    """Cycles of one node between its first input beat and its last output beat.

    `busy`: neither starved on an input nor blocked on an output. `moving`: a beat moved on at
    least one of its streams (weights included); per frame this is the node's own speed even
    where a neighbour is slower, because waiting is not counted.
    """

    busy: int
    moving: int


@dataclass(frozen=True)
class SimResult:
    """Outputs and measurements of one `Simulator.run`.

    `outputs`: int64, shape (frames, *shape), or a dict by stream where the design has several.
    `cycles`: from the end of reset to the last output beat. `frame_in`, `frame_out`: cycle of
    each frame's first input beat and last output beat. `taps`: like outputs, by stream name.
    `output_stamps`: `frame_out` of each output alone, by stream name.
    """

    outputs: NDArray[np.int64] | dict[str, NDArray[np.int64]]
    cycles: int
    frame_in: Cycles
    frame_out: Cycles
    streams: Mapping[str, StreamStats]
    fifos: Mapping[str, FifoStats]
    nodes: Mapping[str, NodeStats]
    taps: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    seconds: float = 0.0
    output_stamps: Mapping[str, Cycles] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """Number of frames in the batch."""
        return len(self.frame_out)

    @property
    def latency(self) -> Cycles:
        """Cycles from each frame's first input beat to its last output beat, inclusive."""
        return self.frame_out - self.frame_in + 1

    @property
    def cycles_per_frame(self) -> float:
        """Median distance of frames at the output over the second half, the steady state.

        A single frame has no distance: its latency is given instead.
        """
        if self.frames < 2:
            return float(self.latency[0]) if self.frames else 0.0
        return steady_interval(self.frame_out)


def steady_interval(frame_out: Cycles) -> float:
    """Median distance of at least two stamps over their second half."""
    return float(np.median(np.diff(frame_out[(len(frame_out) - 1) // 2 :])))


def stream_stats(plan: Plan, counters: dict[str, Cycles]) -> dict[str, StreamStats]:
    """Counters of each stream, by name."""
    return {
        name: StreamStats(
            *(int(counters[what][plan.entry(name)]) for what in ("beats", "blocked", "starved"))
        )
        for name in dict.fromkeys(plan.entries)
    }


def fifo_stats(plan: Plan, counters: dict[str, Cycles], cycles: int) -> dict[str, FifoStats]:
    """Occupancy of each FIFO, by node name."""
    return {
        node.name: FifoStats(
            node.depth,
            int(counters["fill_max"][index]),
            float(counters["fill_sum"][index]) / max(1, cycles),
            int(counters["fill"][index]),
        )
        for index, node in enumerate(plan.fifos)
    }


def node_stats(plan: Plan, counters: dict[str, Cycles]) -> dict[str, NodeStats]:
    """Busy cycles of each node that is no FIFO and has inputs and outputs, by name."""
    return {
        node.name: NodeStats(int(counters["busy"][index]), int(counters["moving"][index]))
        for index, node in enumerate(plan.nodes)
    }
