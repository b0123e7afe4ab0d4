"""Random networks of the zoo's building blocks: any sizes, any bits, branches, odd channels."""

from dataclasses import dataclass

import numpy as np
import torch
from brevitas.nn import QuantLinear
from torch import nn

from benchmarks.networks import calibrated
from lepton_hw.contract import Port
from lepton_hw.models.layers import dense_block
from lepton_hw.models.network import Network

from .growing import Growing

#: Types of an input, with the smallest and the largest code.
DOORS = {
    "UINT8": (0, 255), "INT8": (-128, 127), "UINT4": (0, 15), "INT3": (-4, 3), "BINARY": (0, 1)
}  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A calibrated network, its input, and what it is made of, for a person."""

    network: Network
    door: Port
    told: str


def random_network(seed: int) -> Made:
    """The network of this seed; equal on every machine with the same versions."""
    torch.manual_seed(seed)
    growing = Growing(seed)
    network = _dense(growing) if growing.pick(range(5)) == 0 else _convolutional(growing)
    dtype = growing.pick(["UINT8", "UINT8", *DOORS])
    calibrated(network, growing.shape, np.random.default_rng(seed), DOORS[dtype])
    told = "\n".join([f"{dtype} {growing.shape}", *growing.told])
    return Made(network, network.ports(growing.shape, dtype)[0], told)


def _dense(growing: Growing) -> Network:
    """Dense layers on flat data."""
    size = growing.pick(range(2, 101))
    growing.shape = 1, 1, size
    size = _dense_layers(growing, size, growing.pick([0, 1, 2, 3]))
    return _head(growing, size, flat=True)


def _dense_layers(growing: Growing, size: int, count: int) -> int:
    for index in range(count):
        if index and growing.pick(range(4)) == 0:
            size = growing.dense_sum(size)
            continue
        outputs, bits = growing.pick(range(2, 17)), growing.bits()
        growing.add(f"dense {size}>{outputs} {bits}", *dense_block(size, outputs, bits))
        size = outputs
    if growing.pick([0, 1]) and any(isinstance(m, QuantLinear) for m in growing.layers[-3:-2]):
        growing.layers.pop()  # the network has an activation of its own in front of its head
    return size


def _convolutional(growing: Growing) -> Network:
    growing.convolution()
    for _ in range(growing.pick([0, 1, 2, 3])):
        growing.pick([
            growing.convolution, growing.convolution, growing.depthwise, growing.branches,
            growing.branches, growing.max_pool, growing.upsample,
        ])()  # fmt: skip
    pixels = growing.height * growing.width
    kind = growing.pick(["flat", "dense", "average", "pixels"])
    if kind == "pixels":
        return _head(growing, growing.channels, per_pixel=True)
    if kind == "average" and pixels > 1:
        growing.add("average", nn.AdaptiveAvgPool2d(1))
        pixels = 1
    size = growing.channels * pixels
    if kind == "dense":
        growing.add("flatten", nn.Flatten())
        size = _dense_layers(growing, size, growing.pick([1, 2]))
    return _head(growing, size)


def _head(growing: Growing, inputs: int, flat: bool = False, per_pixel: bool = False) -> Network:
    bits, classes = growing.bits(), growing.pick([2, 3, 10])
    growing.told.append(f"{'pixels ' * per_pixel}head {inputs}>{classes} {bits}")
    features = nn.Sequential(*growing.layers)
    return Network(features, inputs, classes, bits, flat=flat, per_pixel=per_pixel)
