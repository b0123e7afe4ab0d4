"""Runs whole batches through a design's RTL, cycle by cycle, and measures what its streams do.

Python sees chunks of many cycles, never a single one. It knows nothing of the network that the
design came from.
"""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lepton_hw.datatypes import value_range
from lepton_hw.design import Design
from lepton_hw.errors import InputError, StageError
from lepton_hw.progress import SILENT, Progress
from lepton_hw.sim import batches, build, deadlock, library, packing, result
from lepton_hw.sim.bench import TOP, Plan, bench_text, make_plan, table_text
from lepton_hw.sim.library import Pace, Run, Status

CHUNK = 200_000  # cycles per call: some tenths of a second, so that Ctrl-C is prompt
_MAX_CYCLES = (1 << 32) - 1  # what the harness's 32-bit counters hold


class Simulator:
    """A design in Verilator, built on first use and cached by its content.

    `folder` holds the design's sources and memory contents, `cache` the built libraries;
    `trace` builds the slower variant that can write waveforms from the start, `quick` one that is
    built faster and runs slower. With `toggles` a trace is a file of counts, which
    `lepton_hw.sim.activity` reads.
    """

    def __init__(
        self, design: Design, folder: Path, *, cache: Path | None = None, trace: bool = False,
        quick: bool = False, toggles: bool = False,
    ) -> None:  # fmt: skip
        self.design, self.folder, self.cache = design, folder.resolve(), cache
        self._trace, self._quick, self._toggles = trace, quick, toggles
        for name in (*design.inputs, *design.outputs):
            value_range(design.stream(name).dtype)

    def build(self, *, observed: bool = False, trace: bool = False) -> Path:
        """The shared library: `observed` can record internal streams, `trace` writes FST."""
        for name in self.design.data_files:
            if not (self.folder / name).is_file():
                raise StageError(
                    f"the memory contents {self.folder / name} do not exist",
                    "every data file that the design lists",
                    "run 'lepton stitch' again",
                )
        plan = self._plan(observed)
        generated = (("bench.sv", bench_text(self.design, plan)), ("table.h", table_text(plan)))
        sources = tuple(self.folder / name for name in self.design.sources)
        recipe = build.Recipe(
            TOP, sources, generated, trace=(trace or self._trace) and not self._toggles,
            quick=self._quick, toggles=self._toggles,
        )  # fmt: skip
        return build.library(recipe, self.cache)

    def run(  # noqa: PLR0913 – one keyword for each option of a simulation
        self,
        batch: batches.Batch,
        *,
        gap: float = 0.0,
        stall: float = 0.0,
        interval: float = 0.0,
        seed: int = 0,
        cycle_limit: int | None = None,
        idle_limit: int | None = None,
        taps: tuple[str, ...] = (),
        trace: tuple[int, int, Path] | None = None,
        progress: Progress = SILENT,
    ) -> result.SimResult:
        """Feeds a batch, shape (frames, *shape without the leading 1), and collects the outputs.

        `gap`, `stall`: probability per cycle that an input is withheld, an output not taken.
        `interval`: cycles per frame at which input is offered evenly; 0 is as fast as it is taken.
        `idle_limit`: cycles without any beat anywhere that count as a deadlock. `taps`: internal
        streams to record. `trace`: first cycle, end cycle and path of an FST waveform.

        Raises `InputError` for a batch that does not fit, `Deadlock`, and `StageError` where the
        design delivers too many beats, takes too few, or complains.
        """
        for name, chance in (("gap", gap), ("stall", stall)):
            if not 0 <= chance < 1:
                raise InputError(f"{name} is {chance}", "at least 0 and below 1", f"change {name}")
        design, plan = self.design, self._plan(bool(taps))
        beats = batches.to_beats(design, batch)
        frames = len(beats[0]) // design.stream(plan.inputs[0]).beats
        space = {name: batches.find_stream(design, name) for name in (*plan.outputs, *taps)}
        words = {name: batches.room(stream, frames) for name, stream in space.items()}
        started = time.perf_counter()
        built = library.load(self.build(observed=bool(taps), trace=trace is not None))
        limits = (min(cycle_limit or _MAX_CYCLES, _MAX_CYCLES), idle_limit or self._patience())
        with Run(built, plan, self.folder, Pace(gap, stall, seed, interval)) as run:
            _check(run)
            frame_in = [
                run.attach("input", index, packed, design.stream(name).beats)
                for index, (name, packed) in enumerate(zip(plan.inputs, beats, strict=True))
            ]
            frame_out = [
                run.attach("output", index, words[name], design.stream(name).beats)
                for index, name in enumerate(plan.outputs)
            ]
            for name in taps:
                run.attach("tap", plan.taps.index(name), words[name], design.stream(name).beats)
            if trace is not None:
                _start_trace(run, trace)
            self._advance(run, plan, limits, progress)
            _check_beats(run, plan, beats, {name: words[name] for name in taps})
            state, counters = run.state(), run.counters()
        cycles = int(state["scalars"][1]) + 1
        values = {name: batches.from_beats(space[name], words[name]) for name in space}
        outputs = {name: values[name] for name in plan.outputs}
        return result.SimResult(
            outputs=outputs if len(outputs) > 1 else outputs[plan.outputs[0]],
            cycles=cycles,
            frame_in=np.min(frame_in, axis=0).astype(np.int64),
            frame_out=np.max(frame_out, axis=0).astype(np.int64),
            output_stamps=dict(zip(plan.outputs, map(_signed, frame_out), strict=True)),
            streams=result.stream_stats(plan, counters),
            fifos=result.fifo_stats(plan, counters, cycles),
            nodes=result.node_stats(plan, counters),
            taps={name: values[name] for name in taps},
            seconds=time.perf_counter() - started,
        )

    def _plan(self, observed: bool) -> Plan:
        taps = [stream.name for stream in self.design.streams if stream.tensor]
        return make_plan(self.design, tuple(taps) if observed else ())

    def _patience(self) -> int:
        """Cycles without a beat that no healthy layer of this design needs."""
        return max(10_000, 4 * max((node.cycles_estimate for node in self.design.nodes), default=0))

    def _advance(self, run: Run, plan: Plan, limits: tuple[int, int], progress: Progress) -> None:
        """Runs chunk by chunk to the end; raises for everything but a clean finish."""
        left, idle = limits
        expected, done = run.expected_outputs, 0
        with progress.task("simulate", expected) as task:
            while True:
                cycles = min(CHUNK, left)
                status = run.run(cycles, idle)
                left -= cycles
                out = int(run.state()["out"].sum())
                task.advance(out - done)
                done = out
                if status == Status.FINISHED:
                    return
                _check(run)
                if status == Status.EXTRA:
                    raise StageError(
                        "the design delivers more output beats than its frames have",
                        f"{expected} beats",
                        "check the shapes in design.json, or look at a waveform",
                    )
                if status == Status.IDLE or left == 0:
                    why = f"no beat moved for {idle} cycles" if left else "the cycle limit is up"
                    raise deadlock.explain(self.design, plan, run, why)


def _signed(stamps: NDArray[np.uint64]) -> result.Cycles:
    return stamps.astype(np.int64)


def _start_trace(run: Run, trace: tuple[int, int, Path]) -> None:
    start, stop, path = trace
    try:
        path.open("wb").close()  # Verilator's writer does not say when it cannot
    except OSError as error:
        raise InputError(
            f"the waveform {path} cannot be written ({error.strerror})",
            "a path in a folder that exists",
            "choose another one",
        ) from None
    run.trace(path.resolve(), start, stop)


def _check(run: Run) -> None:
    if run.problem:
        raise StageError(
            f"the simulated design complains: {run.problem.rstrip('.')}",
            "no complaint",
            "check that the design's folder is whole (run 'lepton stitch' again)",
        )


def _check_beats(
    run: Run, plan: Plan, beats: list[packing.Words], tapped: dict[str, packing.Words]
) -> None:
    """Everything that was offered must have been taken, everything tapped have passed."""
    state = run.state()
    wanted = [
        (name, words, moved)
        for name, words, moved in zip(plan.inputs, beats, state["in"], strict=False)
    ]
    wanted += [(name, words, state["tap"][plan.taps.index(name)]) for name, words in tapped.items()]
    for name, words, moved in wanted:
        if int(moved) != len(words):
            raise StageError(
                f"all outputs are delivered but only {int(moved)} beats passed stream {name}",
                f"{len(words)} beats",
                "check the shapes in design.json against the design",
            )
