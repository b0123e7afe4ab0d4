"""Random networks of the zoo's building blocks: any sizes, any bits, branches, odd channels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.networks import calibrated
from lepton_hw.models.layers import (
    Bits,
    Concat,
    Window,
    activation,
    conv,
    conv_block,
    dense_block,
    signed_activation,
)
from lepton_hw.models.network import Network


@dataclass(frozen=True)
class Made:
    """A calibrated network, its image's shape (H, W, C), and what it is made of, for a person."""

    network: Network
    shape: tuple[int, int, int]
    told: str


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


class Growing:
    """Layers so far, and the shape (H, W, C) behind them."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.padded = bool(self.rng.integers(2))
        self.layers: list[nn.Module] = []
        self.told: list[str] = []
        self.height, self.width = (self.pick(range(3, 11)) for _ in range(2))
        self.channels = self.pick([1, 2, 3, 4])
        self.shape = self.height, self.width, self.channels

    def pick(self, choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def bits(self) -> Bits:
        widths = (1, 1, 2, 2, 3, 4, 4, 5, 6, 8)
        return Bits(self.pick(widths), self.pick(widths), self.padded)

    def window(self, groups: int = 1) -> Window:
        """One that leaves at least a pixel."""
        kernel = tuple(self.pick(range(1, min(3, size) + 1)) for size in (self.height, self.width))
        padding = tuple(self.pick([0, k // 2]) if self.padded else 0 for k in kernel)
        return Window(kernel, self.pick([1, 1, 2]), padding, groups)

    def behind(self, window: Window) -> tuple[int, int]:
        """Rows and columns."""
        assert isinstance(window.kernel, tuple)
        assert isinstance(window.padding, tuple)
        rows, columns = (
            (size + 2 * p - k) // window.stride + 1
            for size, k, p in zip(
                (self.height, self.width), window.kernel, window.padding, strict=True
            )
        )
        return rows, columns

    def add(self, told: str, *layers: nn.Module) -> None:
        self.layers += layers
        self.told.append(told)

    def convolution(self) -> None:
        window, bits, outputs = self.window(), self.bits(), self.pick(range(1, 11))
        told = f"conv {self.channels}>{outputs} {window} {bits}"
        self.add(told, *conv_block(self.channels, outputs, window, bits))
        (self.height, self.width), self.channels = self.behind(window), outputs

    def depthwise(self) -> None:
        window, bits = self.window(self.channels), self.bits()
        told = f"depthwise {self.channels} {window} {bits}"
        self.add(told, *conv_block(self.channels, self.channels, window, bits))
        self.height, self.width = self.behind(window)

    def branches(self) -> None:
        """A sum or a concatenation of two 1×1 convolutions, or of one and what comes in."""
        bits, inner = self.bits(), self.bits()
        kind: Any = self.pick([Sum, Join])
        outputs = self.pick([self.channels, self.pick(range(1, 9))])

        def side() -> nn.Module:
            made = conv(self.channels, outputs, Window(1), inner)
            return nn.Sequential(made, nn.BatchNorm2d(outputs))

        plain = kind is Sum and outputs == self.channels and self.layers and self.pick([0, 1])
        right = nn.Identity() if plain else side()
        told = f"{kind.__name__} {self.channels}>{outputs}{' skip' if plain else ''} {bits} {inner}"
        self.add(told, kind(side(), right, bits))
        self.channels = outputs if kind is Sum else 2 * outputs

    def max_pool(self) -> None:
        size = self.pick([2, 2, 3])
        if not self.layers or min(self.height, self.width) < size:
            return
        self.add(f"max {size}", nn.MaxPool2d(size))
        self.height, self.width = self.height // size, self.width // size

    def upsample(self) -> None:
        if not self.layers or self.height * self.width > 30:
            return
        self.add("upsample", nn.UpsamplingNearest2d(scale_factor=2))
        self.height, self.width = 2 * self.height, 2 * self.width


def random_network(seed: int) -> Made:
    """The network of this seed; equal on every machine with the same versions."""
    torch.manual_seed(seed)
    growing = Growing(seed)
    made = _dense(growing) if growing.pick(range(5)) == 0 else _convolutional(growing)
    calibrated(made.network, made.shape, np.random.default_rng(seed))
    return made


def _dense(growing: Growing) -> Made:
    size = int(np.prod(growing.shape))
    for _ in range(growing.pick([1, 2, 3])):
        outputs, bits = growing.pick(range(2, 17)), growing.bits()
        growing.add(f"dense {size}>{outputs} {bits}", *dense_block(size, outputs, bits))
        size = outputs
    growing.layers.pop()  # the network has an activation of its own in front of its head
    bits, classes = growing.bits(), growing.pick([2, 3, 10])
    network = Network(nn.Sequential(*growing.layers), size, classes, bits, flat=True)
    return Made(network, growing.shape, _told(growing, f"head {size}>{classes} {bits}"))


def _convolutional(growing: Growing) -> Made:
    growing.convolution()
    for _ in range(growing.pick([0, 1, 2, 3])):
        growing.pick([
            growing.convolution, growing.convolution, growing.depthwise, growing.branches,
            growing.branches, growing.max_pool, growing.upsample,
        ])()  # fmt: skip
    bits, classes = growing.bits(), growing.pick([2, 3, 10])
    pixels = growing.height * growing.width
    kind = growing.pick(["flat", "average", "pixels"])
    if kind == "average" and pixels > 1:
        growing.add("average", nn.AdaptiveAvgPool2d(1))
        pixels = 1
    inputs = growing.channels * (1 if kind == "pixels" else pixels)
    features = nn.Sequential(*growing.layers)
    network = Network(features, inputs, classes, bits, per_pixel=kind == "pixels")
    return Made(network, growing.shape, _told(growing, f"{kind} head {inputs}>{classes} {bits}"))


def _told(growing: Growing, head: str) -> str:
    return "\n".join([f"image {growing.shape}", *growing.told, head])
