"""Smaller FIFOs at the same speed: tries depths on one model of the design, keeps what still works.

Decides nothing about which speed is the goal, and writes no RTL.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lepton_hw.datatypes import value_range
from lepton_hw.design import Design
from lepton_hw.progress import Progress
from lepton_hw.sim.deadlock import Deadlock
from lepton_hw.sim.gauges import GaugedDesign, needed

Depths = dict[str, int]
#: Deepest FIFO that FINN builds as one shift register, a LUT a bit; less saves nothing.
CHEAP = 33
#: Cycles that the search may simulate: some ten seconds; counted, so that every machine finds
#: the same depths.
SEARCH_CYCLES = 4_000_000
#: Trials that it may make where frames are short.
TRIALS = 24
#: Cycles without a beat, beyond an eighth of a frame, that end a trial as a deadlock.
PATIENCE = 10_000


@dataclass
class Trials:
    """Runs one batch as fast as it is taken, with any depths, to find the least that keep a pace.

    `interval` is the pace in cycles per frame; `cycles` is how long the batch takes with FIFOs
    that never fill; `best` are depths known to keep the pace.
    """

    gauged: GaugedDesign
    batch: Mapping[str, NDArray[np.int64]]
    interval: float
    cycles: int
    best: Depths
    progress: Progress
    simulated: int = 0
    count: int = 0

    def keep(self, depths: Depths) -> bool:
        """Whether these depths keep the pace; then `best` are they, or less if less was filled."""
        self.count += 1
        idle = round(self.interval / 8) + PATIENCE
        limit = round(1.1 * self.cycles + 2 * self.interval) + PATIENCE
        try:
            result = self.gauged.run(
                self.batch, depths, cycle_limit=limit, idle_limit=idle, progress=self.progress
            )
        except Deadlock as stopped:
            self.simulated += stopped.cycle
            return False
        self.simulated += result.cycles
        if result.cycles_per_frame > self.interval:
            return False
        # A self-timed design is no slower than a schedule that fits its FIFOs.
        fills = {name: needed(result.fifos[name].max_fill) for name in depths}
        self.best = {name: min(depth, fills[name]) for name, depth in depths.items()}
        return True

    @property
    def left(self) -> bool:
        """Whether another trial is within the budget."""
        return self.simulated + self.cycles <= SEARCH_CYCLES and self.count < TRIALS


def shrink(trials: Trials, widths: Mapping[str, int]) -> None:
    """Makes as many deep FIFOs shallow as keep the pace, those with the most bits first.

    Groups are tried at once and split where they fail; then those with the most bits left are
    halved one by one. The result is in `trials.best`, at any time.
    """

    def bits(name: str) -> int:
        return trials.best[name] * widths[name]

    deep = sorted((n for n in widths if trials.best[n] > CHEAP), key=bits, reverse=True)
    _together(trials, deep)
    for name in sorted(deep, key=bits, reverse=True):
        if trials.best[name] > 2 * CHEAP and trials.left:
            trials.keep({**trials.best, name: trials.best[name] // 2})


def _together(trials: Trials, group: list[str]) -> None:
    """Makes all FIFOs of the group cheap, or as many of them as can be."""
    if not group or not trials.left:
        return
    cheap = {name: min(CHEAP, trials.best[name]) for name in group}
    if trials.keep({**trials.best, **cheap}) or len(group) == 1:
        return
    middle = len(group) // 2
    _together(trials, group[:middle])
    _together(trials, group[middle:])


def random_frames(design: Design, frames: int) -> dict[str, NDArray[np.int64]]:
    """A batch of `frames` for every input, values over the whole range of its type."""
    rng, batch = np.random.default_rng(0), {}
    for name in design.inputs:
        door = design.stream(name)
        low, high = value_range(door.dtype)
        values = rng.integers(low, high, (frames, *door.shape[1:]), endpoint=True)
        batch[name] = np.where(values > 0, 1, -1) if door.dtype == "BIPOLAR" else values
    return batch
