"""Networks of dense layers: tfc and lfc of BNN-PYNQ, and the keyword-spotting MLP of FINN.

Their door is flat: all pixels of an image as one vector, channels last.
"""

from math import prod

from torch import nn

from lepton_hw.flow import Model
from lepton_hw.models.layers import Bits, channels, dense, dense_block
from lepton_hw.models.network import Network

#: Neurons of the hidden layers. Umuroglu et al., "FINN", 2017 (lfc); BNN-PYNQ (tfc); FINN's
#: keyword-spotting example (kws_mlp).
HIDDEN = {"tfc": (64, 64, 64), "lfc": (1024, 1024, 1024), "kws_mlp": (256, 256, 256)}


def build(model: Model, shape: tuple[int, int, int], classes: int) -> Network:
    """Three hidden layers and the head."""
    bits = Bits(model.weight_bits, model.act_bits)
    *hidden, last = (channels(size, model.width) for size in HIDDEN[model.name])
    inputs = prod(shape)
    layers: list[nn.Module] = []
    for size in hidden:
        layers += dense_block(inputs, size, bits)
        inputs = size
    features = nn.Sequential(*layers, dense(inputs, last, bits), nn.BatchNorm1d(last))
    return Network(features, last, classes, bits, flat=True)
