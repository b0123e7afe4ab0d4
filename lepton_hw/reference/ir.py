"""The few operators that all readers translate into; image tensors are (H, W, C) of a frame.

Plain values with numpy arrays; they compute shapes and bounds, never data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from lepton_hw.reference import bounds
from lepton_hw.reference.graph import Ints, Op, Result, Shape, Tensor


@dataclass(frozen=True)
class Pad(Op):
    """Constant rows and columns around (H, W, C): top, left, bottom, right."""

    sizes: tuple[int, int, int, int]
    value: int = 0

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """Grown, with room for the value."""
        (height, width, channels), (low, high) = inputs[0].shape, inputs[0].range
        top, left, bottom, right = self.sizes
        shape = (height + top + bottom, width + left + right, channels)
        if any(self.sizes):
            low, high = min(low, self.value), max(high, self.value)
        return ((shape, low, high),)


@dataclass(frozen=True)
class Crop(Op):
    """The part of (H, W, C) that lies this far from the edges: top, left, bottom, right."""

    sizes: tuple[int, int, int, int]

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """Smaller."""
        height, width, channels = inputs[0].shape
        top, left, bottom, right = self.sizes
        return (((height - top - bottom, width - left - right, channels), *inputs[0].range),)


@dataclass(frozen=True)
class Spread(Op):
    """Zeros between the pixels of (H, W, C), so that they stand `stride` apart."""

    stride: tuple[int, int]

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """Grown, with room for zero."""
        (height, width, channels), (low, high) = inputs[0].shape, inputs[0].range
        shape = ((height - 1) * self.stride[0] + 1, (width - 1) * self.stride[1] + 1, channels)
        return ((shape, min(low, 0), max(high, 0)),)


@dataclass(frozen=True)
class Window(Op):
    """The windows of (H, W, C) as vectors: (rows, columns, taps × C).

    A vector is ordered (C / group, taps, group): `group` = C gives all channels of a tap side by
    side, a smaller one FINN's order for depthwise layers that take `group` channels a beat.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    group: int

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """One vector a position."""
        height, width, channels = inputs[0].shape
        rows, columns = (
            (size - d * (k - 1) - 1) // s + 1
            for size, k, s, d in zip(
                (height, width), self.kernel, self.stride, self.dilation, strict=True
            )
        )
        return (((rows, columns, prod(self.kernel) * channels), *inputs[0].range),)


@dataclass(frozen=True, eq=False)
class MatMul(Op):
    """``(x @ weights + offset) >> shift`` over the last axis; weights (K, N), offset (N,)."""

    weights: Ints
    offset: Ints
    shift: int = 0

    def columns(self) -> Ints:
        """The weights of each result: (N, K)."""
        return self.weights.T

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """Bounds from the weights as they are."""
        low, high = bounds.of_sums(self.columns(), self.offset, self.shift, *inputs[0].range)
        return (((*inputs[0].shape[:-1], self.weights.shape[1]), low, high),)


@dataclass(frozen=True, eq=False)
class Depthwise(Op):
    """`MatMul` channel by channel on windows of the given `group`; weights (C, taps)."""

    weights: Ints
    offset: Ints
    group: int
    shift: int = 0

    def columns(self) -> Ints:
        """The weights of each result: (C, taps)."""
        return self.weights

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """Bounds from the weights as they are."""
        low, high = bounds.of_sums(self.columns(), self.offset, self.shift, *inputs[0].range)
        return (((*inputs[0].shape[:-1], len(self.weights)), low, high),)


@dataclass(frozen=True, eq=False)
class Threshold(Op):
    """``base + step × (number of thresholds t of the channel with sign × x >= t)``, last axis.

    thresholds (C or 1, T), ascending; sign (C or 1,) of 1 and -1.
    """

    thresholds: Ints
    sign: Ints
    step: int = 1
    base: int = 0

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """All counts that the thresholds allow."""
        ends = self.base, self.base + self.step * self.thresholds.shape[1]
        return ((inputs[0].shape, min(ends), max(ends)),)


@dataclass(frozen=True)
class Pool(Op):
    """Maximum or sum over the taps of windows of the given `group`; sums are shifted or divided.

    A quotient is rounded towards zero.
    """

    maximum: bool
    channels: int
    group: int
    shift: int = 0
    divisor: int = 1

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """Taps times as much, shifted or divided."""
        shape, (low, high) = (*inputs[0].shape[:-1], self.channels), inputs[0].range
        taps = inputs[0].shape[-1] // self.channels
        if not self.maximum:
            low, high = (
                truncated((bound * taps) >> self.shift, self.divisor) for bound in (low, high)
            )
        return ((shape, low, high),)


def truncated(value: int, divisor: int) -> int:
    """The quotient, rounded towards zero."""
    return abs(value) // divisor * (1 if value >= 0 else -1)


@dataclass(frozen=True)
class GlobalSum(Op):
    """Sums over all pixels: (H, W, C) to (1, 1, C)."""

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """Pixels times as much."""
        height, width, channels = inputs[0].shape
        low, high = (bound * height * width for bound in inputs[0].range)
        return (((1, 1, channels), low, high),)


@dataclass(frozen=True, eq=False)
class Arithmetic(Op):
    """``left (kind) right``, broadcast; kind is add, sub or mul; None stands for a tensor."""

    kind: str
    left: Ints | None = None
    right: Ints | None = None

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """The range over all corners."""
        tensors = iter(inputs)
        shapes, ranges = [], []
        for constant in (self.left, self.right):
            if constant is None:
                tensor = next(tensors)
                shapes.append((1, *tensor.shape))
                ranges.append(tensor.range)
            else:
                shapes.append(constant.shape)
                ranges.append((int(constant.min()), int(constant.max())))
        do: Any = {"add": int.__add__, "sub": int.__sub__, "mul": int.__mul__}[self.kind]
        corners = [do(a, b) for a in ranges[0] for b in ranges[1]]
        return ((np.broadcast_shapes(*shapes)[1:], min(corners), max(corners)),)


@dataclass(frozen=True)
class Clip(Op):
    """The nearest value between `low` and `high`; None leaves that side open."""

    low: int | None
    high: int | None

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """No wider than before."""
        low, high = (
            max(bound, self.low) if self.low is not None else bound for bound in inputs[0].range
        )
        if self.high is not None:
            low, high = min(low, self.high), min(high, self.high)
        return ((inputs[0].shape, low, high),)


@dataclass(frozen=True)
class Concat(Op):
    """Side by side along `axis` of a frame (0 is the first behind the batch)."""

    axis: int

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """Joined shapes and bounds."""
        shape = list(inputs[0].shape)
        shape[self.axis] = sum(tensor.shape[self.axis] for tensor in inputs)
        low, high = min(t.low for t in inputs), max(t.high for t in inputs)
        return ((tuple(shape), low, high),)


@dataclass(frozen=True)
class Split(Op):
    """Parts of these sizes along `axis` of a frame."""

    axis: int
    sizes: tuple[int, ...]

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """One result a part."""
        axis, shape = self.axis % len(inputs[0].shape), inputs[0].shape
        return tuple(
            ((*shape[:axis], size, *shape[axis + 1 :]), *inputs[0].range) for size in self.sizes
        )


@dataclass(frozen=True)
class Repeat(Op):
    """Every row and column of (H, W, C) so many times."""

    rows: int
    columns: int

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """Larger."""
        height, width, channels = inputs[0].shape
        return (((height * self.rows, width * self.columns, channels), *inputs[0].range),)


@dataclass(frozen=True)
class TopK(Op):
    """Indices of the `count` largest of the last axis; of equal ones the lower index first."""

    count: int

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """Indices."""
        shape = inputs[0].shape
        return (((*shape[:-1], self.count), 0, shape[-1] - 1),)


@dataclass(frozen=True, eq=False)
class Lookup(Op):
    """A row of the table (entries, width) for each index."""

    table: Ints

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """One more axis."""
        shape = (*inputs[0].shape, self.table.shape[1])
        return ((shape, int(self.table.min()), int(self.table.max())),)


@dataclass(frozen=True)
class Reshape(Op):
    """The same numbers in the shape of a frame; also what a copy is."""

    shape: Shape

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """As given."""
        return ((self.shape, *inputs[0].range),)


@dataclass(frozen=True)
class Transpose(Op):
    """Axes of a frame in another order (0 is the first behind the batch)."""

    order: tuple[int, ...]

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """Permuted."""
        return ((tuple(inputs[0].shape[axis] for axis in self.order), *inputs[0].range),)
