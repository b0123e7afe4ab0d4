"""VGG10 for radio signals (O'Shea et al., 2018): seven 1-D convolutions, each with max-pool.

A signal of L samples is an image of L rows and one column, its I and Q parts the channels.
"""

from torch import nn

from lepton_hw.errors import InputError
from lepton_hw.flow import Model
from lepton_hw.models.layers import Bits, Window, channels, conv_block, dense, dense_block
from lepton_hw.models.network import Network

STAGES = 7


def build(model: Model, shape: tuple[int, int, int], classes: int) -> Network:
    """64 channels throughout, two dense layers of 128; signals of a multiple of 128 samples."""
    length, columns, depth = shape
    if columns != 1 or length % 2**STAGES:
        raise InputError(
            f"{model.name} on images of {columns}x{length}",
            f"one column of a multiple of {2**STAGES} samples",
            "add a resize step to data.preprocess",
        )
    bits = Bits(model.weight_bits, model.act_bits, padded=True)
    size = channels(64, model.width)
    layers: list[nn.Module] = []
    for _ in range(STAGES):
        layers += conv_block(depth, size, Window((3, 1), padding=(1, 0)), bits)
        layers.append(nn.MaxPool2d((2, 1)))
        depth = size
    hidden = channels(128, model.width)
    features = nn.Sequential(
        *layers,
        nn.Flatten(),
        *dense_block(size * (length >> STAGES), hidden, bits),
        dense(hidden, hidden, bits),
        nn.BatchNorm1d(hidden),
    )
    return Network(features, hidden, classes, bits)
