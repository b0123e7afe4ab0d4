"""FINN's CNV (Umuroglu et al., 2017): six convolutions without padding, two dense layers, head.

`cnv` has its two max-pools; `cnv_strided` takes a stride of 2 in their place, with the same
image sizes throughout.
"""

from torch import nn

from lepton_hw.errors import InputError
from lepton_hw.flow import Model
from lepton_hw.models.layers import (
    Bits,
    Window,
    channels,
    conv_block,
    dense,
    dense_block,
)
from lepton_hw.models.network import Network


def build(model: Model, shape: tuple[int, int, int], classes: int) -> Network:
    """64-64-pool-128-128-pool-256-256 channels, 512-512 dense; images of 32×32."""
    height, width, depth = shape
    if (height, width) != (32, 32):
        raise InputError(
            f"{model.name} on images of {width}x{height}",
            "32x32",
            "add a resize step to data.preprocess",
        )
    bits = Bits(model.weight_bits, model.act_bits)
    strided = model.name == "cnv_strided"
    layers: list[nn.Module] = []
    for base, reduces in ((64, True), (128, True), (256, False)):
        size = channels(base, model.width)
        layers += conv_block(depth, size, Window(3), bits)
        layers += conv_block(size, size, Window(3, stride=2 if strided and reduces else 1), bits)
        if reduces and not strided:
            layers.append(nn.MaxPool2d(2))
        depth = size
    hidden = channels(512, model.width)
    features = nn.Sequential(
        *layers,
        nn.Flatten(),
        *dense_block(depth, hidden, bits),
        dense(hidden, hidden, bits),
        nn.BatchNorm1d(hidden),
    )
    return Network(features, hidden, classes, bits)
