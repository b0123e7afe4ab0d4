"""ResNet-8 of MLPerf Tiny (image classification on CIFAR-10), quantised for streamlining.

Both branches of each sum pass the same quantiser, so that the sum is one of integers.
"""

import torch
from torch import nn

from lepton_hw.flow import Model
from lepton_hw.models.layers import (
    Bits,
    Window,
    activation,
    channels,
    conv,
    conv_block,
    signed_activation,
)
from lepton_hw.models.network import Network


class Residual(nn.Module):  # type: ignore[misc]  # torch ships no types for strict mode
    """Two 3×3 convolutions beside the identity, or beside a 1×1 convolution where sizes change."""

    def __init__(self, inputs: int, outputs: int, bits: Bits, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv_block(inputs, outputs, Window(3, stride, 1), bits),
            conv(outputs, outputs, Window(3, padding=1), bits),
            nn.BatchNorm2d(outputs),
        )
        same = stride == 1 and inputs == outputs
        self.skip = (
            nn.Identity()
            if same
            else nn.Sequential(
                conv(inputs, outputs, Window(1, stride), bits), nn.BatchNorm2d(outputs)
            )
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
        *conv_block(shape[2], first, Window(3, padding=1), bits),
        Residual(first, first, bits, 1),
        Residual(first, second, bits, 2),
        Residual(second, third, bits, 2),
        nn.AdaptiveAvgPool2d(1),
    )
    return Network(features, third, classes, bits)
