"""By how much a branch behind a fork is short: the least depth with which a stopped design runs.

Simulates a gauged copy of the design; changes nothing in it.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lepton_hw.progress import SILENT, Progress
from lepton_hw.sim.deadlock import Deadlock, ShortBranch
from lepton_hw.sim.gauges import UNLIMITED, GaugedDesign, needed
from lepton_hw.sim.result import SimResult

#: Frames that must get through.
FRAMES = 2


def with_shortage(
    stopped: Deadlock,
    gauged: GaugedDesign,
    batch: Mapping[str, NDArray[np.int64]],
    depths: Mapping[str, int] | None = None,
    remedy: str = "give each FIFO named here the depth that it needs",
    progress: Progress = SILENT,
) -> Deadlock:
    """The same error, with what each short branch needs; as it was where no branch is short.

    Args:
        stopped: what the design with these depths ended in.
        gauged: a copy of that design.
        batch: input frames by stream, shape (frames, *shape); the first two are used.
        depths: depth in beats by FIFO with which it stopped; None is those of the design.
        remedy: what to do about a short branch.
        progress: shows the simulations.
    """
    depths = gauged.fifos if depths is None else depths
    frames = {name: values[:FRAMES] for name, values in batch.items()}

    def runs(tried: Mapping[str, int]) -> SimResult | Deadlock:
        try:
            return gauged.run(frames, tried, progress=progress)
        except Deadlock as again:
            return again

    short: dict[str, ShortBranch] = {}
    outcome: SimResult | Deadlock = stopped
    while isinstance(outcome, Deadlock):
        more = [branch for branch in outcome.short if branch.fifo not in short]
        if not more:
            return stopped  # something else holds it up
        short |= {branch.fifo: branch for branch in more}
        outcome = runs({**depths, **dict.fromkeys(short, UNLIMITED)})
    enough = {**depths, **{name: needed(outcome.fifos[name].max_fill) for name in short}}
    for name in short:
        low, high = depths[name], enough[name]  # too short, enough
        while high - low > 1:
            middle = (low + high) // 2
            tried = {**enough, name: middle}
            low, high = (middle, high) if isinstance(runs(tried), Deadlock) else (low, middle)
        enough[name] = high
    branches = (replace(b, depth=depths[b.fifo], needs=enough[b.fifo]) for b in short.values())
    return stopped.naming(tuple(branches), remedy)
