"""FIFO depths from simulation: the smallest that keep the design at full speed.

One model is built in which every FIFO takes its depth when a simulation starts. With FIFOs that
never fill, frames as fast as they are taken give T, the best interval; then frames are fed evenly,
one every T cycles, and the most that each FIFO ever holds is a depth that keeps T: a design of
blocking streams that runs as soon as it can is never slower than one particular schedule that fits
its FIFOs; on both branches behind a fork, too. From there smaller depths are tried, and the design
itself, with the depths that were found, is built and run to see that it keeps T.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lepton_hw.compiler.fifo_search import Depths, Trials, random_frames, shrink
from lepton_hw.compiler.finn_fifos import finn_depths
from lepton_hw.compiler.graph import Graph
from lepton_hw.compiler.stitch import stitch
from lepton_hw.errors import StageError
from lepton_hw.progress import SILENT, Progress, TimeLimit, TimeUp
from lepton_hw.sim.deadlock import Deadlock
from lepton_hw.sim.gauges import GaugedDesign, needed
from lepton_hw.sim.result import SimResult
from lepton_hw.sim.shortage import with_shortage
from lepton_hw.sim.simulator import Simulator

#: Frames of a run at first; more where frames are short, and doubled until the pace is steady.
FRAMES, MOST_FRAMES = 4, 64
#: Cycles that the first run may take for the sake of more frames.
SHORT_RUN = 200_000
#: The least depth that FINN builds a FIFO of.
LEAST = 2
REMEDY = "raise compile.fifo_max_depth to what is needed"

#: Writes the graph again below a folder, with FIFOs of these depths by name.
Regenerate = Callable[[Depths, Path], Graph]
Frames = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Limits:
    """What the user allows: the deepest FIFO in beats, seconds of sizing; None is any."""

    depth: int | None = None
    seconds: float | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Sizing:
    """Depth of each FIFO by node name, in beats; intervals in cycles per frame.

    `interval` is reached with FIFOs of any depth, `reached` by the design with these depths, None
    where there was no time to run it. `finn` are the depths that FINN's own sizing gives, None
    for the same reason. `limited` names the FIFOs that the limit on depth keeps shorter than full
    speed needs. `timed_out` says that the limit on time ended the search.
    """

    depths: Depths
    interval: float
    reached: float | None = None
    finn: Depths | None = None
    limited: tuple[str, ...] = ()
    timed_out: bool = False


def size_fifos(
    graph: Graph,
    compiled: Path,
    scratch: Path,
    regenerate: Regenerate,
    limits: Limits = NO_LIMITS,
    progress: Progress = SILENT,
) -> Sizing:
    """Simulates the graph and returns depths; those of its own FIFOs do not matter.

    Args:
        graph: kernels and edges.
        compiled: folder of its files.
        scratch: a folder to be made.
        regenerate: how to write the graph with other depths, for the run that verifies them.
        limits: what the user allows; a limit that is reached keeps the best depths so far.
        progress: shows the simulations, and says which limit was reached.

    Raises `Deadlock` where the design stops with every depth that is allowed, naming fork, branch
    and depth; `StageError` where it gives other integers with the depths than without.
    """
    scratch.mkdir(parents=True)
    sizer = _Sizer(graph, regenerate, scratch, limits, TimeLimit(progress, limits.seconds))
    try:
        sizer.measure(compiled)
    except TimeUp:
        sizer.found = replace(sizer.found, timed_out=True)
    if said := _warning(sizer.found, limits):
        progress.say(said)
    return sizer.found


def _warning(found: Sizing, limits: Limits) -> str:
    """What a limit has cost, if one was reached."""
    pace = f"{found.reached or 0:,.0f} instead of {found.interval:,.0f} cycles a frame"
    said = []
    if found.timed_out:
        verified = "not verified" if found.reached is None else "verified"
        said.append(
            f"the limit of {limits.seconds:g} s on FIFO sizing is reached: the best depths so far"
            f" are kept, {verified} by a second run"
        )
    if found.limited:
        said.append(
            f"FIFOs are limited to {limits.depth} beats ({', '.join(found.limited)}): {pace}"
        )
    elif found.reached is not None and found.reached > found.interval:
        said.append(f"no FIFO depths were found for full speed: {pace}")
    return "; ".join(said)


class _Sizer:
    """One sizing; `found` is the best so far."""

    def __init__(
        self, graph: Graph, regenerate: Regenerate, scratch: Path, limits: Limits, clock: TimeLimit
    ) -> None:
        self.graph, self.regenerate, self.scratch = graph, regenerate, scratch
        self.limits, self.clock = limits, clock
        edges = {edge.tensor: edge for edge in graph.edges}
        fifos = [kernel for kernel in graph.kernels if kernel.depth]
        self.beats = {k.name: edges[k.outputs[0].tensor].beats for k in fifos}
        self.widths = {k.name: edges[k.outputs[0].tensor].width for k in fifos}
        self.slowest = max((k.cycles for k in graph.kernels), default=1)
        # Until anything is measured: a frame, as FINN starts.
        self.found = Sizing(self._capped(self.beats), float(self.slowest))

    def measure(self, compiled: Path) -> None:
        """Fills in `found`, better and better; `TimeUp` ends it."""
        design = stitch(self.graph, compiled, self._folder("design"))
        gauged = GaugedDesign(design, self.scratch / "design", self.scratch / "gauged")
        with self.clock.task("verilate", 1) as task:
            gauged.build()
            task.advance()
        fast = self._steady(gauged, 0.0)
        ahead = {n: min(beats, needed(fast.fifos[n].max_fill)) for n, beats in self.beats.items()}
        self.found = replace(self.found, interval=fast.cycles_per_frame, depths=self._capped(ahead))
        paced = self._steady(gauged, fast.cycles_per_frame)
        enough = {name: needed(paced.fifos[name].max_fill) for name in self.beats}
        self.found = replace(self.found, depths=self._capped(enough))
        batch = random_frames(design, fast.frames)
        if self._keeps_pace(gauged, batch, enough):
            fewer = {name: values[:-1] for name, values in batch.items()}  # for more trials
            cycles = int(fast.frame_out[-2])
            trials = Trials(
                gauged, fewer, fast.cycles_per_frame, cycles, self.found.depths, self.clock
            )
            try:
                shrink(trials, self.widths)
            finally:
                self.found = replace(self.found, depths=trials.best)
        self._verify(batch, fast, self._capped(enough))
        self.found = replace(self.found, finn=finn_depths(gauged, self.graph, self.clock))

    def _steady(self, gauged: GaugedDesign, interval: float) -> SimResult:
        """A run without limits on depth that is long enough to have become steady."""
        frames = FRAMES + min(MOST_FRAMES // 4, SHORT_RUN // max(1, self.slowest))
        while True:
            batch = random_frames(gauged.design, frames)
            result = gauged.run(batch, interval=interval, progress=self.clock)
            # A branch that had to hold nearly all frames would hold more of them.
            whole = max(
                (fifo.max_fill / self.beats[n] for n, fifo in result.fifos.items()), default=0.0
            )
            gaps = np.diff(result.latency if interval else np.diff(result.frame_out))
            steady = abs(gaps[-1]) <= 1 and (not interval or whole < frames - 2)
            if steady or frames >= MOST_FRAMES:
                return result
            frames = min(MOST_FRAMES, 2 * frames)

    def _capped(self, depths: Mapping[str, int]) -> Depths:
        """Within the limit on depth, and no shallower than FIFOs are: a frame may be one beat."""
        most = self.limits.depth
        return {n: max(LEAST, min(d, most) if most else d) for n, d in depths.items()}

    def _keeps_pace(self, gauged: GaugedDesign, batch: Frames, enough: Depths) -> bool:
        """Whether depths within the limit are enough; if not, the best of them are `found`."""
        most, capped = self.limits.depth, self.found.depths
        short = tuple(name for name, depth in capped.items() if depth < enough[name])
        if most is None or not short:
            return True
        best, stopped = math.inf, None
        for depths in (capped, dict.fromkeys(capped, most)):  # others may make up for the short
            try:
                result = gauged.run(batch, depths, progress=self.clock)
            except Deadlock as error:
                stopped = error
                continue
            if result.cycles_per_frame < best:
                best = result.cycles_per_frame
                fills = {n: needed(result.fifos[n].max_fill) for n in depths}
                least = {n: min(depth, fills[n]) for n, depth in depths.items()}
                self.found = replace(self.found, depths=least)
            if best <= self.found.interval:
                return True
        if stopped is not None and math.isinf(best):
            deepest = dict.fromkeys(capped, most)
            with suppress(TimeUp):  # then without the figure: a design that stops is no result
                stopped = with_shortage(stopped, gauged, batch, deepest, REMEDY, self.clock)
            raise stopped
        self.found = replace(self.found, limited=short)
        return False

    def _verify(self, batch: Frames, fast: SimResult, enough: Depths) -> None:
        """Runs the design itself; deepens FIFOs that were full until it keeps the pace."""
        for attempt in range(3):
            reached, full = self._finished(attempt, batch, fast)
            self.found = replace(self.found, reached=reached)
            if reached <= self.found.interval or self.found.limited or attempt == 2:
                return
            # The gauge's latency is FINN's but for a cycle or two in block RAM.
            again = full if attempt == 0 and full else tuple(enough)
            deeper = {n: max(self.found.depths[n], enough[n]) for n in again}
            self.found = replace(self.found, depths={**self.found.depths, **deeper}, reached=None)

    def _finished(
        self, attempt: int, batch: Frames, fast: SimResult
    ) -> tuple[float, tuple[str, ...]]:
        """The interval of the finished design, infinite where it stops, and its full FIFOs."""
        compiled = self.scratch / f"compiled{attempt}"
        graph = self.regenerate(self.found.depths, compiled)
        folder = self._folder(f"design{attempt}")
        simulator = Simulator(stitch(graph, compiled, folder), folder)
        with self.clock.task("verilate", 1) as task:
            simulator.build()
            task.advance()
        try:
            result = simulator.run(batch, progress=self.clock)
        except Deadlock as stopped:
            if attempt == 2 or self.found.limited:
                raise
            return math.inf, tuple(e.fifo for e in stopped.report if e.fifo)
        _require_same(result, fast)
        full = tuple(n for n, fifo in result.fifos.items() if fifo.max_fill >= fifo.depth)
        return result.cycles_per_frame, full

    def _folder(self, name: str) -> Path:
        folder = self.scratch / name
        folder.mkdir()
        return folder


def _require_same(result: SimResult, fast: SimResult) -> None:
    """Depths must never change a value."""
    ours, theirs = (
        r.outputs if isinstance(r.outputs, dict) else {"": r.outputs} for r in (result, fast)
    )
    if any(not np.array_equal(ours[name], theirs[name]) for name in ours):
        raise StageError(
            "the design gives other integers with its FIFOs' final depths than with deep ones",
            "the same",
            "report this network: a kernel loses or changes data when it has to wait",
        )
