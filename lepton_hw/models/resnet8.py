"""ResNet-8 of MLPerf Tiny (image classification on CIFAR-10), quantised for streamlining.

Both branches of each sum pass the same quantiser, so that the sum is one of integers.
"""

import torch
from torch import nn

from lepton_hw.flow import Model
from lepton_hw.models.layers import (
    Bits,
    activation,
    channels,
    conv,
    conv_block,
    flat_activation,
    signed_activation,
)
from lepton_hw.models.network import Network


class Residual(nn.Module):  # type: ignore[misc]  # torch ships no types for strict mode
    """Two 3×3 convolutions beside the identity, or beside a 1×1 convolution where sizes change."""

    def __init__(self, inputs: int, outputs: int, bits: Bits, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv_block(inputs, outputs, 3, bits, stride=stride, padding=1),
            conv(outputs, outputs, 3, bits, padding=1),
            nn.BatchNorm2d(outputs),
        )
        same = stride == 1 and inputs == outputs
        self.skip = (
            nn.Identity()
            if same
            else nn.Sequential(conv(inputs, outputs, 1, bits, stride), nn.BatchNorm2d(outputs))
        )
        self.align = signed_activation(bits)  # one scale for both terms of the sum
        self.act = activation(bits)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inputs, H, W) → (N, outputs, H / stride, W / stride)."""
        return self.act(self.align(self.body(x)) + self.align(self.skip(x)))


def build(model: Model, shape: tuple[int, int, int], classes: int) -> Network:
    """Stem of 16 channels, three residual blocks of 16, 32, 64, average pooling, head."""
    bits = Bits(model.weight_bits, model.act_bits, padded=True)
    first, second, third = (channels(base, model.width) for base in (16, 32, 64))
    features = nn.Sequential(
        *conv_block(shape[2], first, 3, bits, padding=1),
        Residual(first, first, bits, 1),
        Residual(first, second, bits, 2),
        Residual(second, third, bits, 2),
        nn.AdaptiveAvgPool2d(1),
    )
    return Network(features, flat_activation(bits), third, classes, bits)
