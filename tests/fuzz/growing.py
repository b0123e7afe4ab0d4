"""Layers drawn one behind the other: windows of any shape, branches, pools, upsampling.

Keeps the shape behind the last layer; makes no network of them.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from lepton_hw.models.layers import (
    Bits,
    Concat,
    Window,
    activation,
    conv,
    conv_block,
    dense,
    signed_activation,
)


class Sum(nn.Module):
    """Two branches through one quantiser, added."""

    def __init__(self, left: nn.Module, right: nn.Module, bits: Bits) -> None:
        super().__init__()
        self.left, self.right = left, right
        self.align, self.act = signed_activation(bits), activation(bits)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.align(self.left(x)) + self.align(self.right(x)))


class Join(nn.Module):
    """Two branches through one quantiser, side by side."""

    def __init__(self, left: nn.Module, right: nn.Module, bits: Bits) -> None:
        super().__init__()
        self.left, self.right, self.act, self.concat = left, right, activation(bits), Concat()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.concat(self.act(self.left(x)), self.act(self.right(x)))


class Axis(NamedTuple):
    """A window along one axis; `before` and `after` are padding."""

    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    def windows(self, size: int) -> int:
        way = size + self.before + self.after - (self.kernel - 1) * self.dilation - 1
        return way // self.stride + 1


@dataclass(frozen=True)
class Drawn:
    """A window of two axes."""

    rows: Axis
    columns: Axis

    @property
    def sides(self) -> tuple[int, int, int, int]:
        """Padding left, right, at the top, at the bottom, as torch wants it."""
        return self.columns.before, self.columns.after, self.rows.before, self.rows.after

    def layers(self, groups: int = 1) -> tuple[list[nn.Module], Window]:
        """What pads the image where the sides differ, and the window of the convolution."""
        kernel, stride, dilation, before, after = zip(self.rows, self.columns, strict=True)
        if before == after:
            return [], Window(kernel, stride, before, groups, dilation)
        return [nn.ZeroPad2d(self.sides)], Window(kernel, stride, 0, groups, dilation)

    def __str__(self) -> str:
        rows, columns = self.rows, self.columns
        text = f"{rows.kernel}x{columns.kernel} stride {rows.stride}x{columns.stride}"
        if (rows.dilation, columns.dilation) != (1, 1):
            text += f" dilation {rows.dilation}x{columns.dilation}"
        return text + (f" padding {self.sides}" if any(self.sides) else "")


class Growing:
    """Layers so far, and the shape (H, W, C) behind them."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.padded = bool(self.rng.integers(2))
        self.layers: list[nn.Module] = []
        self.told: list[str] = []
        self.height, self.width = self.pick([self.image, self.image, self.signal])()
        self.channels = self.pick([1, 2, 3, 4])
        self.shape = self.height, self.width, self.channels

    def pick(self, choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def image(self) -> tuple[int, int]:
        return self.pick(range(3, 11)), self.pick(range(3, 11))

    def signal(self) -> tuple[int, int]:
        """1-D data is an image of one row or of one column."""
        length = self.pick(range(4, 49))
        return self.pick([(1, length), (length, 1)])

    def bits(self) -> Bits:
        widths = (1, 1, 2, 2, 3, 4, 4, 5, 6, 8)
        return Bits(self.pick(widths), self.pick(widths), self.padded)

    def axis(self, size: int) -> Axis:
        """One that leaves at least a pixel."""
        kernel = self.pick(range(1, min(5 if size > 10 else 3, size + self.padded) + 1))
        before, after = 0, 0
        if self.padded:
            half = kernel // 2
            before, after = self.pick([(0, 0), (half, half), (half, half), (half, 0), (0, half)])
        most = max(1, (size + before + after - 1) // max(kernel - 1, 1))
        dilation = min(self.pick([1, 1, 1, 2, 3]), most)
        if (kernel - 1) * dilation >= size + before + after:
            kernel = size + before + after
        return Axis(kernel, self.pick([1, 1, 2]), dilation if kernel > 1 else 1, before, after)

    def window(self) -> Drawn:
        return Drawn(self.axis(self.height), self.axis(self.width))

    def behind(self, window: Drawn) -> tuple[int, int]:
        """Rows and columns."""
        return window.rows.windows(self.height), window.columns.windows(self.width)

    def add(self, told: str, *layers: nn.Module) -> None:
        self.layers += layers
        self.told.append(told)

    def convolution(self) -> None:
        drawn, bits, outputs = self.window(), self.bits(), self.pick(range(1, 11))
        pad, window = drawn.layers()
        told = f"conv {self.channels}>{outputs} {drawn} {bits}"
        self.add(told, *pad, *conv_block(self.channels, outputs, window, bits))
        (self.height, self.width), self.channels = self.behind(drawn), outputs

    def depthwise(self) -> None:
        drawn, bits = self.window(), self.bits()
        pad, window = drawn.layers(self.channels)
        told = f"depthwise {self.channels} {drawn} {bits}"
        self.add(told, *pad, *conv_block(self.channels, self.channels, window, bits))
        self.height, self.width = self.behind(drawn)

    def branches(self) -> None:
        """A sum or a concatenation of two convolutions, or of one and what comes in."""

        def side(outputs: int, inner: Bits) -> nn.Module:
            kernel = tuple(self.pick([1, 1, 3]) if self.padded else 1 for _ in range(2))
            window = Window(kernel, padding=tuple(k // 2 for k in kernel))
            made = conv(self.channels, outputs, window, inner)
            return nn.Sequential(made, nn.BatchNorm2d(outputs))

        self.channels = self.two(self.pick([Sum, Join]), self.channels, side)

    def two(self, kind: Any, inputs: int, side: Any) -> int:
        """The two sides of a branch; how many channels or features leave it."""
        bits, inner = self.bits(), self.bits()
        outputs = self.pick([inputs, self.pick(range(1, 9))])
        plain = kind is Sum and outputs == inputs and self.layers and self.pick([0, 1])
        right = nn.Identity() if plain else side(outputs, inner)
        told = f"{kind.__name__} {inputs}>{outputs}{' skip' if plain else ''} {bits} {inner}"
        self.add(told, kind(side(outputs, inner), right, bits))
        return outputs if kind is Sum else 2 * outputs

    def dense_sum(self, features: int) -> int:
        """A sum of two dense layers, or of one and what comes in; how many features leave it."""

        def side(outputs: int, inner: Bits) -> nn.Module:
            return nn.Sequential(dense(features, outputs, inner), nn.BatchNorm1d(outputs))

        return self.two(Sum, features, side)

    def max_pool(self) -> None:
        """Square or not, with strides of its own or as long as the kernel."""
        kernel = tuple(min(self.pick([1, 2, 2, 3]), n) for n in (self.height, self.width))
        stride = self.pick([kernel, kernel, tuple(self.pick(range(1, k + 1)) for k in kernel)])
        padding = tuple(k // 2 if self.padded and self.pick([0, 0, 1]) else 0 for k in kernel)
        if not self.layers or kernel == (1, 1):
            return
        axes = zip(kernel, stride, padding, strict=True)
        pool = Drawn(*(Axis(k, s, 1, p, p) for k, s, p in axes))
        self.add(f"max {pool}", nn.MaxPool2d(kernel, stride, padding))
        self.height, self.width = self.behind(pool)

    def upsample(self) -> None:
        scale = self.pick([(2, 2), (2, 2), (1, 2), (2, 1)])
        if not self.layers or self.height * self.width > 30:
            return
        self.add(f"upsample {scale}", nn.UpsamplingNearest2d(scale_factor=scale))
        self.height, self.width = scale[0] * self.height, scale[1] * self.width
