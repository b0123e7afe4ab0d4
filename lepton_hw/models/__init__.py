"""Networks by name: the one place where a network is added.

Nothing here trains, exports or knows a board.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from lepton_hw.errors import InputError
from lepton_hw.flow import Model

if TYPE_CHECKING:
    from lepton_hw.models.network import Network

#: name in the flow → module of this package with
#: ``build(shape, classes, weight_bits, act_bits, width) -> Network``.
NETWORKS = {
    "cnn_small": "cnn_small",
    "tfc": "mlp",
    "lfc": "mlp",
    "kws_mlp": "mlp",
    "cnv": "cnv",
    "cnv_strided": "cnv",
    "resnet8": "resnet8",
    "mobilenet_v1": "mobilenet_v1",
    "dscnn": "dscnn",
    "vgg10": "vgg10",
    "unet": "unet",
}


def build(model: Model, shape: tuple[int, int, int], classes: int) -> "Network":
    """The untrained network for images of `shape` (H, W, C); torch's generator gives the weights.

    Raises `InputError` for an unknown name and for images that the network cannot take.
    """
    if model.name not in NETWORKS:
        raise InputError(
            f"there is no network '{model.name}'",
            f"one of {', '.join(NETWORKS)}",
            "correct model.name",
        )
    module = import_module(f"lepton_hw.models.{NETWORKS[model.name]}")
    network: Network = module.build(model, shape, classes)
    return network
