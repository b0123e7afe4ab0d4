"""When the windows of FINN's sliding window leave, given when the pixels come.

See `folding_timing`, whose `Timing` this is.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lepton_hw.compiler.folding_timing import Port
from lepton_hw.compiler.folding_waves import END, HEAD, START, Bound, Wave, evenly, paced, weight


@dataclass(frozen=True)
class Geometry:
    """Of a sliding window, rows first: pixels of the image, windows, kernel, stride, dilation."""

    image: tuple[int, int]
    windows: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]

    @property
    def size(self) -> int:
        """Pixels of a window."""
        return self.kernel[0] * self.kernel[1]


@dataclass(frozen=True)
class Window:
    """FINN's sliding window (swg_template_default.sv, swg_template_parallel.sv): reads a pixel in
    `parts` beats, and sends each window as soon as its last pixel is there.

    `buffer`: pixels that it can hold; a pixel is read when the window that follows the one being
    sent needs that place no more. `depthwise`: a window is sent part by part, all pixels of a
    part. `parallel`: a beat is a whole window of a part.
    """

    geometry: Geometry
    parts: int
    buffer: int
    depthwise: bool
    parallel: bool

    def send(self, inputs: list[Wave]) -> Wave:
        """A vector for each window."""
        wave, beats, delay = inputs[0], self._beats, self._delay
        starts, ends = pixels_of(self.geometry)
        stored = paced(wave.last, float(self.parts))
        begun = np.maximum(wave.first, np.concatenate(([-np.inf], stored[:-1] + 1)))
        ready = np.maximum(stored[ends], begun[starts] + (beats - 1))
        if self.depthwise:  # all parts but the first are sent behind the last pixel's first one
            ready = np.maximum(ready, begun[ends] + (beats - beats // self.parts))
        last = paced(ready, self._steps()) + delay
        behind = np.concatenate(([-np.inf], last[:-1] + 1))
        first = np.maximum(behind, begun[ends if self.parallel else starts] + delay)
        return Wave(np.minimum(first, last - (beats - 1)), last, beats)

    def bounds(self, port: Port) -> tuple[Bound, ...]:
        """The first window, the first of the last row, the last one, and a window after the
        other, with pixels at an even pace.
        """
        _, ends = pixels_of(self.geometry)
        beats, delay, columns = self._beats, self._delay, self.geometry.windows[1]
        behind = delay
        if self.depthwise:
            behind += max(0, beats - beats // self.parts - (self.parts - 1))
        return (
            Bound(START, delay, weight(START)),
            Bound(HEAD, beats - 1, of_output=weight(START)),
            Bound(HEAD, behind, evenly(int(ends[0]), port.vectors)),
            Bound(END, float(self._steps()[1:].sum()), of_output=weight(HEAD)),
            Bound(END, behind + (columns - 1) * beats, evenly(int(ends[-columns]), port.vectors)),
            Bound(END, behind, evenly(int(ends[-1]), port.vectors)),
        )

    @property
    def _beats(self) -> int:
        return self.parts * (1 if self.parallel else self.geometry.size)

    @property
    def _delay(self) -> int:
        """From the last pixel's beat into the buffer to the window's out of it."""
        return 1 if self.parallel else 2

    def _steps(self) -> NDArray[np.float64]:
        """Cycles between the ends of two windows at least, shape (windows,): as many as a window
        has beats, or what its pixels take that found no place before the window before it began
        (its last part, if `depthwise`).
        """
        starts, ends = pixels_of(self.geometry)
        beats, size = self._beats, self.geometry.size
        steps = np.full(len(starts), float(beats))
        if self.parallel:
            return steps
        missing = (ends[1:] - starts[:-1] - self.buffer) * self.parts
        if self.depthwise:
            reload = missing + 4 - self.parts + beats - size - (size - 1)
        else:
            reload = missing + self.parts + 2 - (beats - 1)
        steps[1:] = np.maximum(steps[1:], reload)
        return steps


@lru_cache(maxsize=256)
def pixels_of(geometry: Geometry) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the first and last pixel of each window."""
    rows, columns = np.indices(geometry.windows).reshape(2, -1)
    width = geometry.image[1]
    starts = rows * geometry.stride[0] * width + columns * geometry.stride[1]
    reach = [(k - 1) * d for k, d in zip(geometry.kernel, geometry.dilation, strict=True)]
    return starts, starts + reach[0] * width + reach[1]
