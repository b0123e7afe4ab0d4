"""A small CNN for images of about 8×8 pixels, such as scikit-learn's digits.

Strides in place of max-pooling; the last convolution covers the whole image, so that nothing has
to be flattened.
"""

from torch import nn

from lepton_hw.flow import Model
from lepton_hw.models.layers import Bits, Window, channels, conv, conv_block
from lepton_hw.models.network import Network


def build(model: Model, shape: tuple[int, int, int], classes: int) -> Network:
    """conv 3×3, conv 3×3 stride 2, convolution over what is left, dense."""
    height, width, depth = shape
    bits = Bits(model.weight_bits, model.act_bits, padded=True)
    first, second, third = (channels(base, model.width) for base in (16, 32, 32))
    rest = ((height + 1) // 2, (width + 1) // 2)
    features = nn.Sequential(
        *conv_block(depth, first, Window(3, padding=1), bits),
        *conv_block(first, second, Window(3, stride=2, padding=1), bits),
        conv(second, third, Window(rest), bits),
        nn.BatchNorm2d(third),
    )
    return Network(features, third, classes, bits)
