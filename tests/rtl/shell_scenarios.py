"""Random scenarios for the shell, by kind: what software may do and what memory may answer.

Each function drives one open simulation and asserts on every byte of memory, on registers and on
what is still open at the end. A scenario leaves the shell ready for the next.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lepton_hw.sim.shell import IDMA, LEPTON, ODMA, ShellSim, Stalls
from tests.rtl.shell_cases import expected

SPACE = 1 << 32
MEMORY = 1 << 16
BASE = SPACE - MEMORY  # its end is the end of the address space
CONTROL, LOW, HIGH, FRAMES = 0x00, 0x10, 0x14, 0x1C
RESET, STATUS, ERROR, ERROR_LOW = LEPTON + 0x08, LEPTON + 0x0C, LEPTON + 0x10, LEPTON + 0x14
PATIENCE = 60_000
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Shape:
    """Bytes of a beat in and out, beats of a frame, and the port."""

    in_bytes: int
    out_bytes: int
    beats: int
    axi3: bool = True
    max_burst: int = 16
    pauses: bool = True


@dataclass
class Batch:
    """Frames at `source`, results to `sink`: offsets in memory."""

    frames: int
    source: int
    sink: int
    inputs: Bytes
    outputs: Bytes


class Bench:
    """One scenario's view: the simulation, what memory must hold, random choices."""

    def __init__(self, sim: ShellSim, shape: Shape, seed: int) -> None:
        self.sim, self.shape = sim, shape
        self.rng = np.random.default_rng(seed)
        sim.forbid_all()
        sim.allow(BASE, MEMORY)
        sim.memory[:] = self.rng.integers(0, 256, MEMORY, dtype=np.uint8)
        rare = (0.0, 0.1, 0.5, 0.9)
        chances = dict(
            zip(
                ("ar", "r", "aw", "w", "b", "registers"),
                self.rng.choice(rare, 6).tolist(),
                strict=True,
            )
        )
        sim.stall(Stalls(**chances, latency=self.pick(0, 60), order=self.pick(0, 2), seed=seed))
        sim.traffic()

    def pick(self, low: int, high: int) -> int:
        """A random integer, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def batch(self, frames: int | None = None, near: int | None = None) -> Batch:
        """Random buffers in the lower and upper half; near multiples of `near` bytes."""
        shape = self.shape
        longest = MEMORY // 3 // (shape.beats * max(shape.in_bytes, shape.out_bytes))
        frames = frames or self.pick(1, min(longest, 40))
        sizes = [frames * shape.beats * width for width in (shape.in_bytes, shape.out_bytes)]
        places = []
        for half, size in enumerate(sizes):
            low, high = half * MEMORY // 2, (half + 1) * MEMORY // 2 - size
            place = self.pick(low, high)
            if near:
                place = place // near * near + 8 * self.pick(-8, 8)
            places.append(min(max(place, low), high) // 8 * 8)
        if self.pick(0, 1):
            places = self._swapped(sizes)
        return self._filled(frames, places, sizes)

    def in_quarters(self, source: int, sink: int, frames: int) -> Batch:
        """Buffers in these quarters of memory, so that several batches stay apart."""
        shape, quarter = self.shape, MEMORY // 4
        sizes = [frames * shape.beats * width for width in (shape.in_bytes, shape.out_bytes)]
        places = [
            (number * quarter + self.pick(0, quarter - size)) // 8 * 8
            for number, size in zip((source, sink), sizes, strict=True)
        ]
        return self._filled(frames, places, sizes)

    def _swapped(self, sizes: list[int]) -> list[int]:
        """Input above output, both as far out as they go."""
        return [(MEMORY - sizes[0]) // 8 * 8, 0]

    def _filled(self, frames: int, places: list[int], sizes: list[int]) -> Batch:
        shape = self.shape
        inputs = self.rng.integers(0, 256, sizes[0], dtype=np.uint8)
        self.sim.memory[places[0] : places[0] + sizes[0]] = inputs
        outputs = expected(inputs, shape.in_bytes, shape.out_bytes, shape.beats)
        return Batch(frames, places[0], places[1], inputs, outputs)

    def set(self, engine: int, address: int, frames: int) -> None:
        """Writes the registers of a transfer, in any order."""
        values = {LOW: address % SPACE, HIGH: address // SPACE, FRAMES: frames}
        for offset in self.rng.permutation([LOW, HIGH, FRAMES]).tolist():
            self.sim.write(engine + offset, values[offset])

    def start(self, batch: Batch) -> None:
        """Starts both engines, in any order."""
        self.set(IDMA, BASE + batch.source, batch.frames)
        self.set(ODMA, BASE + batch.sink, batch.frames)
        for engine in self.rng.permutation([IDMA, ODMA]).tolist():
            self.sim.write(engine + CONTROL, 1)

    def wait(self, engine: int) -> None:
        """Until the engine is done, which is then cleared."""
        begun = self.sim.cycle
        while not (said := self.sim.read(engine + CONTROL)) & 2:
            assert said & 5 == 1, "an engine that is not done runs"
            self.sim.step(self.pick(0, 20))
            assert self.sim.cycle - begun < PATIENCE, f"hangs: {self.sim.read(STATUS):#x}"
        assert said == 0b1110
        assert self.sim.read(engine + CONTROL) == 0b100

    def good(self, batch: Batch) -> None:
        """The batch gives the right bytes and touches no others."""
        memory = self.sim.memory.copy()
        memory[batch.sink : batch.sink + batch.outputs.size] = batch.outputs
        self.start(batch)
        self.wait(ODMA)
        assert np.array_equal(self.sim.memory, memory)
        self.wait(IDMA)
        self.quiet()
        assert self.sim.read(ERROR) == 0

    def quiet(self) -> None:
        """Nothing is open, nothing runs."""
        traffic = self.sim.traffic()
        assert (traffic.reads_open, traffic.writes_open) == (0, 0)
        assert self.sim.read(STATUS) & 7 == 0

    def refused(self, engine: int, address: int, frames: int, bit: int) -> None:
        """The request moves nothing, is done, and says why; then the error is cleared."""
        memory = self.sim.memory.copy()
        self.sim.traffic()
        self.set(engine, address, frames)
        self.sim.write(engine + CONTROL, 1)
        self.wait(engine)
        self.sim.step(50)
        assert self.sim.read(ERROR) == bit
        assert self.sim.read(ERROR_LOW) == address % SPACE
        traffic = self.sim.traffic()
        assert (traffic.bursts, traffic.read_beats, traffic.write_beats) == (0, 0, 0)
        assert np.array_equal(self.sim.memory, memory)
        self.sim.write(ERROR, bit)
        assert self.sim.read(ERROR) == 0


def stalls(bench: Bench) -> None:
    """One batch, any size, any place."""
    bench.good(bench.batch())


def pages(bench: Bench) -> None:
    """Buffers that begin a few words around a 4 KiB boundary, and some that end at the top."""
    bench.good(bench.batch(near=4096))


def back_to_back(bench: Bench) -> None:
    """Batches without a pause; input of the next while output of the last is written."""
    bench.good(bench.batch())
    bench.good(bench.batch())
    batches = [bench.in_quarters(2 * i, 2 * i + 1, bench.pick(1, 6)) for i in range(2)]
    bench.start(batches[0])
    bench.wait(IDMA)
    bench.set(IDMA, BASE + batches[1].source, batches[1].frames)
    bench.sim.write(IDMA + CONTROL, 1)
    bench.wait(ODMA)
    bench.set(ODMA, BASE + batches[1].sink, batches[1].frames)
    bench.sim.write(ODMA + CONTROL, 1)
    bench.wait(ODMA)
    bench.wait(IDMA)
    bench.quiet()
    for batch in batches:
        got = bench.sim.memory[batch.sink : batch.sink + batch.outputs.size]
        assert np.array_equal(got, batch.outputs)


def zero_length(bench: Bench) -> None:
    """No frames."""
    bench.refused(_engine(bench), BASE + 8 * bench.pick(0, 100), 0, 4)
    bench.good(bench.batch())


def oversized(bench: Bench) -> None:
    """Beyond 4 GiB, by as little as one word or as much as there is; and the last that fits."""
    engine, shape = _engine(bench), bench.shape
    width = shape.in_bytes if engine == IDMA else shape.out_bytes
    frame = width * shape.beats
    address = BASE + 8 * bench.pick(0, MEMORY // 8 - 1)
    least = (SPACE - address) // frame + 1
    turns = bench.pick(1, max(1, (SPACE - 1) * frame // (2 * SPACE) - 1))
    small = 2 * SPACE * turns // frame + 1  # the lower 33 bits of whose bytes are a few
    frames = [least, bench.pick(least, SPACE - 1), SPACE - 1, small][bench.pick(0, 3)]
    if bench.pick(0, 3) == 0:
        address, frames = address + SPACE * bench.pick(1, 5), 1
    bench.refused(engine, address, frames, 4)
    bench.good(bench.batch())


def misaligned(bench: Bench) -> None:
    """An address that is no multiple of 8."""
    engine = _engine(bench)
    address = BASE + 8 * bench.pick(0, 100) + bench.pick(1, 7)
    bench.refused(engine, address, 1, 1 if engine == IDMA else 2)
    bench.good(bench.batch())


def error_responses(bench: Bench) -> None:
    """A hole in a buffer: the batch ends, the first address is named, the next batch is right."""
    batch = bench.batch()
    is_read = bench.pick(0, 1) == 1
    start, size = (batch.source, batch.inputs.size) if is_read else (batch.sink, batch.outputs.size)
    hole = start + 8 * bench.pick(0, (size - 1) // 8)
    bench.sim.forbid(BASE + hole, 8 * bench.pick(1, 4), slave_error=bench.pick(0, 1) == 1)
    before = bench.sim.memory.copy()
    bench.start(batch)
    bench.wait(ODMA)
    bench.wait(IDMA)
    bench.quiet()
    assert bench.sim.read(ERROR) == (1 if is_read else 2)
    burst = 8 * bench.shape.max_burst
    named = BASE + hole if is_read else max(BASE + hole // burst * burst, BASE + start)
    assert bench.sim.read(ERROR_LOW) == named
    outside = np.ones(MEMORY, bool)
    outside[batch.sink : batch.sink + batch.outputs.size] = False
    assert np.array_equal(bench.sim.memory[outside], before[outside])
    if not is_read:
        assert np.array_equal(bench.sim.memory[hole : hole + 8], before[hole : hole + 8])
    bench.sim.write(ERROR, 0xF)
    bench.sim.forbid_all()
    bench.sim.allow(BASE, MEMORY)
    bench.good(bench.batch())


def reset_in_burst(bench: Bench) -> None:
    """Soft reset at any moment: no half burst, no stray byte, and the next batch is right."""
    batch = bench.batch()
    before = bench.sim.memory.copy()
    bench.start(batch)
    bench.sim.step(bench.pick(0, 2 * bench.shape.beats * batch.frames))
    bench.sim.write(RESET, 1)
    begun = bench.sim.cycle
    bench.sim.traffic()
    starts = bench.pick(0, 1) == 1
    while bench.sim.read(RESET) & 1:
        if starts:
            bench.sim.write(_engine(bench) + CONTROL, 1)  # ignored, or harmless: see below
        assert bench.sim.cycle - begun < PATIENCE, "the soft reset hangs"
    if not starts:
        assert bench.sim.traffic().bursts <= 2, "only requests that were shown already"
    bench.sim.write(RESET, 1)  # a start that came right after the reset, too
    while bench.sim.read(RESET) & 1:
        assert bench.sim.cycle - begun < PATIENCE, "the second soft reset hangs"
    bench.quiet()
    assert [bench.sim.read(engine) for engine in (IDMA, ODMA)] == [4, 4]
    end = batch.sink + batch.outputs.size
    now, old = bench.sim.memory[batch.sink : end], before[batch.sink : end]
    assert ((now == batch.outputs) | (now == old)).all()
    before[batch.sink : end] = now
    assert np.array_equal(bench.sim.memory, before)
    bench.sim.write(ERROR, 0xF)
    bench.good(bench.batch())


def _engine(bench: Bench) -> int:
    return IDMA if bench.pick(0, 1) else ODMA


KINDS: dict[str, Callable[[Bench], None]] = {
    kind.__name__: kind
    for kind in (
        stalls, pages, back_to_back, zero_length, oversized, misaligned, error_responses,
        reset_in_burst,
    )
}  # fmt: skip
