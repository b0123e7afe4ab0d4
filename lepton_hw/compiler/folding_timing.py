"""When the results of each kind of layer leave, given when its inputs come.

Each class is one kind at one folding, as plain numbers, and says where its formula comes from; its
`bounds` are the same, linear, on three points. It reads no FINN operator (`folding_timing_of` does)
and searches nothing.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lepton_hw.compiler.folding_waves import (
    END,
    HEAD,
    START,
    Bound,
    Wave,
    flowing,
    joined,
    later,
    paced,
    weight,
)


@dataclass(frozen=True)
class Port:
    """A stream as its layer counts it: vectors a frame, beats a vector, bits a beat."""

    vectors: int
    beats: int
    width: int


class Timing(Protocol):
    """A layer at one folding."""

    def send(self, inputs: list[Wave]) -> Wave:
        """What leaves, when this comes in; of several outputs, all alike."""
        ...

    def bounds(self, port: Port) -> tuple[Bound, ...]:
        """Lower bounds on what leaves by what comes in at each `port`; in the same order and with
        the same weights at every folding.
        """
        ...


def _follows(*delays: float) -> tuple[Bound, ...]:
    """Each point of the input, so much later."""
    return tuple(Bound(p, delay, weight(p)) for p, delay in enumerate(delays))


@dataclass(frozen=True)
class Steady:
    """Takes a beat of every input and gives one, `delay` cycles later, a beat a cycle: thresholds,
    element-wise operations, tables, forks.
    """

    delay: int

    def send(self, inputs: list[Wave]) -> Wave:
        """The latest input, later."""
        wave = joined(inputs)
        return later(flowing(wave.first, wave.last, wave.beats, wave.bursts), self.delay)

    def bounds(self, port: Port) -> tuple[Bound, ...]:
        """As the input."""
        return _follows(self.delay, self.delay, self.delay)


@dataclass(frozen=True)
class _Folded:
    """Makes each of `groups` results of `fold` beats, one result every `fold` cycles; `delay` is
    the pipeline of the sum.
    """

    fold: int
    groups: int
    delay: int

    @property
    def _rest(self) -> int:
        """Cycles from a vector's first result to its last."""
        return (self.groups - 1) * self.fold

    @property
    def _behind(self) -> int:
        """Cycles, less `delay`, from a vector's last beat to its last result."""
        raise NotImplementedError

    def send(self, inputs: list[Wave]) -> Wave:
        """A result every `fold` cycles."""
        wave = inputs[0]
        ready = np.maximum(wave.first + (self.fold - 1 + self._rest), wave.last + self._behind)
        last = paced(ready, float(self.fold * self.groups)) + self.delay
        return Wave(last - self._rest, last, self.groups)

    def bounds(self, port: Port) -> tuple[Bound, ...]:
        """The first result, the others of its vector, and then vector by vector."""
        behind = self._behind + self.delay
        whole = (port.vectors - 1) * self.fold * self.groups
        return (
            Bound(START, self.fold - 1 + self.delay, weight(START)),
            Bound(START, behind - self._rest, weight(HEAD)),
            Bound(HEAD, self._rest, of_output=weight(START)),
            Bound(END, whole, of_output=weight(HEAD)),
            Bound(END, behind, weight(END)),
        )


class Matrix(_Folded):
    """A matrix-vector unit: all `fold` beats of a vector make the first of `groups` results, and
    every further result takes `fold` cycles more (mvau_lut.sv, mvu_vvu_axi.sv).

    The vector is used as it comes, so that the first pass may end with its last beat, and the
    others follow from a buffer.
    """

    @property
    def _behind(self) -> int:
        return self._rest


class Grouped(_Folded):
    """What reads a depthwise window, a pool or a depthwise matrix unit: `fold` beats make one of
    `groups` results (pool.sv, vvau_lut.sv). The first leaves long before the vector's end, and
    behind it the window does not wait.
    """

    @property
    def _behind(self) -> int:
        return 0


@dataclass(frozen=True)
class WholeImage:
    """A pool over all pixels: its results leave with the last pixel (pool.sv)."""

    delay: int

    def send(self, inputs: list[Wave]) -> Wave:
        """One vector."""
        wave = inputs[0]
        first = np.maximum(wave.first[-1:], wave.last[-1:] - (wave.beats - 1))
        return later(Wave(first, wave.last[-1:], wave.beats), self.delay)

    def bounds(self, port: Port) -> tuple[Bound, ...]:
        """All of them by the last pixel."""
        return (
            Bound(START, self.delay - (port.beats - 1), weight(END)),
            Bound(HEAD, self.delay, weight(END)),
            Bound(END, self.delay, weight(END)),
        )


@dataclass(frozen=True)
class Taken:
    """Gives vectors of the input by number, a beat a cycle: a padding, whose zeros (`source` -1)
    wait for nothing, or an upsampling (fmpadding.sv, upsample.sv).
    """

    source: tuple[int, ...]
    delay: int

    def send(self, inputs: list[Wave]) -> Wave:
        """A vector for each number; the zeros from the cycle before the first input on."""
        wave, source = inputs[0], np.asarray(self.source)
        zero = source < 0
        first = np.where(zero, -1.0, wave.first[source])
        last = np.where(zero, -1.0, wave.last[source])
        return later(flowing(first, last, wave.beats), self.delay)

    def bounds(self, port: Port) -> tuple[Bound, ...]:
        """At the input's even pace; the head so much before the input's as zeros lead, for the sake
        of the vectors behind it.
        """
        begin = self.source.index(0)
        end = self.source.index(max(self.source))
        lead = begin / max(1, end - begin)
        tail = (len(self.source) - 1 - end) * port.beats
        return (
            Bound(START, self.delay, (0.0, 1.0 + lead, -lead)),
            Bound(HEAD, self.delay, (0.0, 1.0 + lead, -lead)),
            Bound(HEAD, port.beats - 1, of_output=weight(START)),
            Bound(END, len(self.source) * port.beats),
            Bound(END, tail + self.delay, weight(END)),
        )


@dataclass(frozen=True)
class Concatenated:
    """The vectors of several inputs one behind the other, `beats` together (concat_streams.sv)."""

    beats: int
    delay: int = 1

    def send(self, inputs: list[Wave]) -> Wave:
        """A beat of an input waits for all of the inputs before it."""
        last, left = inputs[0].last, self.beats
        for wave in inputs:
            left -= wave.beats
            last = np.maximum(last, wave.last + left)
        return later(flowing(inputs[0].first, last, self.beats), self.delay)

    def bounds(self, port: Port) -> tuple[Bound, ...]:
        """As each input, and as many beats as there are."""
        return (
            *_follows(self.delay, self.delay, self.delay),
            Bound(HEAD, self.beats - 1, of_output=weight(START)),
            Bound(END, (port.vectors - 1) * self.beats, of_output=weight(HEAD)),
        )


@dataclass(frozen=True)
class Cut:
    """Vectors cut into outputs of `beats` beats each, the latest of which counts for all
    (split_stream.sv).
    """

    beats: int

    def send(self, inputs: list[Wave]) -> Wave:
        """The last part."""
        wave = inputs[0]
        return Wave(np.maximum(wave.first, wave.last - (self.beats - 1)), wave.last, self.beats)

    def bounds(self, port: Port) -> tuple[Bound, ...]:
        """As the input."""
        return _follows(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Selected:
    """The `k` largest of a vector, one a beat, behind its last beat (label_select.sv)."""

    k: int
    delay: int

    def send(self, inputs: list[Wave]) -> Wave:
        """`k` beats a vector."""
        last = inputs[0].last + self.delay
        return flowing(last, last + (self.k - 1), self.k)

    def bounds(self, port: Port) -> tuple[Bound, ...]:
        """Behind the vector."""
        return (
            Bound(START, self.delay, weight(HEAD)),
            Bound(HEAD, self.k - 1, of_output=weight(START)),
            Bound(END, self.delay + self.k - 1, weight(END)),
        )
