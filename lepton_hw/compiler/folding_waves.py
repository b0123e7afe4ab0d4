"""When the beats of one frame pass a stream: what the model of latency computes with.

Plain arrays of cycles, and the linear bounds on three points of them that the search counts with.
It knows neither layers nor FINN, and looks at no board.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Cycles = NDArray[np.float64]

#: Cycles of FINN's FIFO: the beat goes into its memory, then into its output register (fifo.sv).
FIFO = 2
#: Of a FIFO, a width converter, which holds a beat for one cycle (vpc.sv), and a second FIFO.
CONVERTER = 2 * FIFO + 1
#: The points of a wave: its first beat, the end of its first vector, its last beat.
START, HEAD, END = range(3)


@dataclass(frozen=True)
class Wave:
    """One frame on a stream. A frame is a number of vectors (the pixels of an image, the windows
    of a convolution), each of `beats` beats.

    `first`, `last`: the cycle in which the first and the last beat of each vector are handed over,
    shape (vectors,), where nothing behind ever holds them up. The beats of a vector come in so
    many `bursts`, evenly spread, each a beat a cycle: what a wide beat was taken apart into; 0 is
    every beat by itself.
    """

    first: Cycles
    last: Cycles
    beats: int
    bursts: int = 0

    @property
    def vectors(self) -> int:
        """Vectors in the frame."""
        return len(self.first)

    @property
    def apart(self) -> int:
        """Bursts in a vector."""
        return min(self.bursts or self.beats, self.beats)


@dataclass(frozen=True)
class Bound:
    """A linear lower bound on a point of the wave that leaves a layer: at least `constant` and the
    weighted points of the wave that comes in and of the one that leaves.

    The weights are the same at every folding of a layer, the constant is not.
    """

    point: int
    constant: float
    of_input: tuple[float, float, float] = (0.0, 0.0, 0.0)
    of_output: tuple[float, float, float] = (0.0, 0.0, 0.0)


def weight(point: int) -> tuple[float, float, float]:
    """This point alone."""
    one, two, three = (float(point == each) for each in (START, HEAD, END))
    return one, two, three


def evenly(vector: int, vectors: int) -> tuple[float, float, float]:
    """The end of this one of so many vectors, where they come at an even pace."""
    share = vector / max(1, vectors - 1)
    return 0.0, 1.0 - share, share


def offered(vectors: int, beats: int) -> Wave:
    """A whole frame from cycle 0 on, a beat a cycle."""
    starts = beats * np.arange(vectors, dtype=np.float64)
    return Wave(starts, starts + (beats - 1), beats)


def paced(ready: Cycles, step: float | Cycles) -> Cycles:
    """The least t with t[i] >= ready[i] and t[i] >= t[i-1] + step[i] (`step` of a number: all)."""
    clock = np.cumsum(np.broadcast_to(step, ready.shape))
    times: Cycles = np.maximum.accumulate(ready - clock) + clock
    return times


def flowing(first: Cycles, last: Cycles, beats: int, bursts: int = 0) -> Wave:
    """Vectors that are ready from `first` to `last`, on a stream of one beat a cycle."""
    ends = paced(np.maximum(last, first + (beats - 1)), float(beats))
    starts = np.maximum(first, np.concatenate(([-np.inf], ends[:-1] + 1)))
    return Wave(np.minimum(starts, ends - (beats - 1)), ends, beats, bursts)


def later(wave: Wave, cycles: float) -> Wave:
    """The same wave, `cycles` later."""
    return replace(wave, first=wave.first + cycles, last=wave.last + cycles)


def regrouped(wave: Wave, vectors: int) -> Wave:
    """The same beats counted as another number of vectors, one a multiple of the other: what
    flattens an image makes one vector of its pixels.
    """
    if vectors == wave.vectors:
        return wave
    if wave.vectors % vectors == 0:
        together = wave.vectors // vectors
        beats = wave.beats * together
        last = wave.last[together - 1 :: together]
        return Wave(wave.first[::together], last, beats, wave.apart * together)
    apart = max(1, vectors // wave.vectors)
    part = np.tile(np.arange(apart), wave.vectors)
    gap = np.repeat((wave.last - wave.first) / max(1, wave.beats - 1), apart)
    beats = max(1, wave.beats // apart)
    first = np.repeat(wave.first, apart) + part * beats * gap
    return Wave(first, first + (beats - 1) * gap, beats)


def through(wave: Wave, vectors: int, beats: int, equal: bool) -> Wave:
    """What a layer gets from the layer before it.

    Between any two stands a FIFO; where the widths of their beats are not `equal`, a FIFO, a width
    converter and a FIFO. The converter hands a beat on as soon as it is whole, a beat a cycle.

    Args:
        wave: as the producer sends it.
        vectors, beats: as the consumer counts them.
        equal: whether the beats of both have the same width.
    """
    wave = regrouped(wave, vectors)
    if equal:
        return later(wave, FIFO)
    gap = (wave.last - wave.first) / max(1, wave.beats - 1)
    first = wave.first + (parts(wave.beats, beats) - 1) * gap
    # The last beat, or all of the last burst, still has to be taken apart.
    burst = parts(beats, wave.apart) - parts(wave.beats, wave.apart)
    last = wave.last + max(parts(beats, wave.beats) - 1, burst)
    return later(flowing(first, last, beats, min(wave.apart, beats)), CONVERTER)


def parts(many: int, few: int) -> int:
    """How many of the one are needed for one of the other, rounded up."""
    return -(-many // few)


def joined(waves: list[Wave]) -> Wave:
    """What a layer that takes a beat of all its inputs at once gets: the latest of them. One that
    is broadcast, of other vectors than the first, counts as a whole.
    """
    first, last = waves[0].first, waves[0].last
    for wave in waves[1:]:
        alike = wave.vectors == waves[0].vectors
        first = np.maximum(first, wave.first if alike else wave.first[0])
        last = np.maximum(last, wave.last if alike else wave.last[-1])
    return Wave(first, last, waves[0].beats, waves[0].bursts)
