"""Moves every activation threshold a little away from the integers it is compared with.

A sum of products is an integer times a scale, and a quantised activation is a step function of
it. Where a step lies within rounding error of an integer, two correct programs (float32 here,
float32 elsewhere, integers in hardware) may disagree by one code. Shifting the mean of the batch
normalisation by a fraction of one integer removes such ties and changes no decision worth having.
"""

from typing import Any

import numpy as np
import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from numpy.typing import NDArray
from torch import nn

from lepton_hw.models.layers import Concat
from lepton_hw.models.network import Network, door

#: Shifts that are tried, in units of the integer sum, smallest first.
SHIFTS = np.array(sorted(np.linspace(-0.5, 0.5, 101), key=abs))
#: Distance from the nearest integer that is enough; a 24-bit float needs far less.
ENOUGH = 0.05
#: Layers that pass codes on as they are.
UNSCALED = (nn.MaxPool2d, nn.UpsamplingNearest2d, nn.ZeroPad2d, Concat)
WATCHED = (
    QuantConv2d,
    QuantLinear,
    QuantReLU,
    QuantIdentity,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    *UNSCALED,
)


def settle(network: Network, codes: NDArray[Any]) -> float:
    """Shifts the means of all batch normalisations; returns the smallest distance that is left.

    Args:
        network: a trained network, on the CPU; changed in place, left in evaluation mode.
        codes: at least one frame of door codes (1, H, W, C), to see how layers are connected.
    """
    found = _chains(network.eval(), codes)
    with torch.no_grad():
        return min((_settle_one(*chain) for chain in found), default=0.5)


def _chains(network: Network, codes: NDArray[Any]) -> list[tuple[nn.Module, nn.Module, float]]:
    """(normalisation, activation, scale of the sum) for each layer, seen by running one frame."""
    scale_of: dict[int, float] = {}  # tensor's address → real value of one code
    norm_of: dict[int, tuple[nn.Module, float]] = {}
    kept: list[torch.Tensor] = []  # alive, so that no address is used twice
    chains: list[tuple[nn.Module, nn.Module, float]] = []

    def watch(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        source = inputs[0]
        kept.extend((source, output))
        key, new = source.data_ptr(), output.data_ptr()
        if isinstance(module, QuantConv2d | QuantLinear) and key in scale_of:
            scale_of[new] = scale_of[key] * float(module.weight_quant.scale())
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and key in scale_of:
            norm_of[new] = (module, scale_of[key])
        elif isinstance(module, QuantReLU | QuantIdentity):
            if key in norm_of:
                norm, scale = norm_of[key]
                chains.append((norm, module, scale))
            scale_of[new] = float(module.act_quant.scale())
        elif isinstance(module, UNSCALED) and key in scale_of:
            scale_of[new] = scale_of[key]

    hooks = [
        module.register_forward_hook(watch)
        for module in network.modules()
        if isinstance(module, WATCHED)
    ]
    try:
        with torch.no_grad():
            frame = door(codes[:1], network.flat)
            scale_of[frame.data_ptr()] = 1.0
            network(frame)
    finally:
        for hook in hooks:
            hook.remove()
    return chains


def _settle_one(norm: Any, act: Any, scale: float) -> float:
    steps = _steps(act)
    gain = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).double().numpy()
    mean, bias = norm.running_mean.double().numpy(), norm.bias.double().numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        # The sums at which the normalised value meets each step: (channels, steps).
        sums = ((steps[None, :] - bias[:, None]) / gain[:, None] + mean[:, None]) / scale
    sums[~np.isfinite(sums) | (np.abs(sums) > 2**31)] = 0.5  # never reached
    moved = sums[:, None, :] + SHIFTS[:, None]
    distance = np.abs(moved - np.rint(moved)).min(axis=2)  # (channels, shifts)
    good = distance >= np.minimum(ENOUGH, distance.max(axis=1, keepdims=True))
    first = good.argmax(axis=1)
    norm.running_mean += torch.from_numpy(SHIFTS[first] * scale).to(norm.running_mean)
    return float(distance[np.arange(len(distance)), first].min())


def _steps(act: Any) -> NDArray[np.float64]:
    """Values at which the activation goes to its next code."""
    scale, bits = float(act.act_quant.scale()), int(act.act_quant.bit_width())
    signed = bool(act.act_quant.is_signed)
    if bits == 1 and signed:
        return np.zeros(1)  # bipolar: the sign
    low = -(1 << bits - 1) if signed else 0
    return np.asarray((np.arange(low, low + (1 << bits) - 1) + 0.5) * scale, np.float64)
