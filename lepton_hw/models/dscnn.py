"""DS-CNN for keyword spotting (Zhang et al., "Hello Edge", 2017), the small variant."""

from torch import nn

from lepton_hw.flow import Model
from lepton_hw.models.layers import Bits, Window, channels, conv_block, separable_block
from lepton_hw.models.network import Network


def build(model: Model, shape: tuple[int, int, int], classes: int) -> Network:
    """A 10×4 convolution with stride 2, four separable blocks of 64, average pooling, head.

    `shape` is (time, features, 1); the original is 49×10.
    """
    bits = Bits(model.weight_bits, model.act_bits, padded=True)
    size = channels(64, model.width)
    layers = conv_block(shape[2], size, Window((10, 4), stride=2, padding=(5, 1)), bits)
    for _ in range(4):
        layers += separable_block(size, size, bits)
    features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1))
    return Network(features, size, classes, bits)
