"""A small U-Net (Ronneberger et al., 2015): a class for every pixel, quantised for streamlining.

Three levels, nearest-neighbour upsampling in place of transposed convolution. Both inputs of each
concatenation pass the same quantiser, so that they have one scale.
"""

import torch
from torch import nn

from lepton_hw.errors import InputError
from lepton_hw.flow import Model
from lepton_hw.models.layers import (
    Bits,
    Concat,
    Window,
    activation,
    channels,
    conv,
    conv_block,
)
from lepton_hw.models.network import Network

#: Channels of the levels before the width multiplier; each has half the pixels of the one before.
LEVELS = (16, 32, 64)


class Level(nn.Module):  # type: ignore[misc]  # torch ships no types for strict mode
    """Two convolutions, `inner` at half the size, concatenation, two more convolutions."""

    def __init__(self, sizes: tuple[int, int, int], inner: nn.Module, bits: Bits) -> None:
        """`sizes` are the channels that come in, of this level, and that `inner` gives."""
        super().__init__()
        inputs, size, below = sizes
        window = Window(3, padding=1)
        self.down = nn.Sequential(
            *conv_block(inputs, size, window, bits),
            conv(size, size, window, bits),
            nn.BatchNorm2d(size),
        )
        self.pool, self.inner = nn.MaxPool2d(2), inner
        # A 1×1 convolution and nearest-neighbour upsampling may be exchanged; this order has a
        # quarter of the work.
        self.reduce = nn.Sequential(conv(below, size, Window(1), bits), nn.BatchNorm2d(size))
        self.act = activation(bits)  # one scale for both inputs of the concatenation
        self.upsample, self.concat = nn.UpsamplingNearest2d(scale_factor=2), Concat()
        self.up = nn.Sequential(
            *conv_block(2 * size, size, window, bits),
            conv(size, size, window, bits),
            nn.BatchNorm2d(size),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inputs, H, W) → (N, size, H, W), not yet quantised."""
        skip = self.act(self.down(x))
        below = self.act(self.reduce(self.inner(self.pool(skip))))
        return self.up(self.concat(skip, self.upsample(below)))


def build(model: Model, shape: tuple[int, int, int], classes: int) -> Network:
    """Levels of 16, 32 and 64 channels and a 1×1 head; H and W are multiples of 4."""
    height, width, depth = shape
    step = 2 ** (len(LEVELS) - 1)
    if height % step or width % step:
        raise InputError(
            f"{model.name} on images of {width}x{height}",
            f"multiples of {step}",
            "add a resize step to data.preprocess",
        )
    bits = Bits(model.weight_bits, model.act_bits, padded=True)
    sizes = [channels(base, model.width) for base in LEVELS]
    window = Window(3, padding=1)
    inner: nn.Module = nn.Sequential(
        *conv_block(sizes[-2], sizes[-1], window, bits),
        *conv_block(sizes[-1], sizes[-1], window, bits),
    )
    for index in reversed(range(len(sizes) - 1)):
        inputs = sizes[index - 1] if index else depth
        inner = Level((inputs, sizes[index], sizes[index + 1]), inner, bits)
        if index:
            inner = nn.Sequential(inner, activation(bits))
    return Network(inner, sizes[0], classes, bits, per_pixel=True)
