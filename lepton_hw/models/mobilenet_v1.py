"""MobileNet v1 (Howard et al., 2017) with its width multiplier."""

from torch import nn

from lepton_hw.flow import Model
from lepton_hw.models.layers import Bits, Window, channels, conv_block, separable_block
from lepton_hw.models.network import Network

#: (output channels, stride) of the separable blocks, table 1 of the paper.
BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


def build(model: Model, shape: tuple[int, int, int], classes: int) -> Network:
    """Stem with stride 2, thirteen separable blocks, average pooling, head."""
    bits = Bits(model.weight_bits, model.act_bits, padded=True)
    size = channels(32, model.width)
    layers = conv_block(shape[2], size, Window(3, stride=2, padding=1), bits)
    for base, stride in BLOCKS:
        outputs = channels(base, model.width)
        layers += separable_block(size, outputs, bits, stride)
        size = outputs
    features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1))
    return Network(features, size, classes, bits)
