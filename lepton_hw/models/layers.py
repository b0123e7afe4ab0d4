"""The quantised building blocks, made so that FINN can streamline them to integers.

Convolution without bias, batch normalisation, then a quantised activation; one scale a tensor
everywhere. Batch normalisation and scales become thresholds, so only integers are left.
"""

from dataclasses import dataclass

import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant import (
    Int8ActPerTensorFloat,
    Int8WeightPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    Uint8ActPerTensorFloat,
)
from torch import nn

#: Training batches from which the first activation scales are taken (see `training.calibrate`).
CALIBRATION_BATCHES = 20


@dataclass(frozen=True)
class Bits:
    """Bit widths of weights and activations; 1 bit is bipolar (-1, +1) as in BNN-PYNQ.

    In a network with zero-padding (`padded`) a 1-bit activation is (0, 1) instead: a bipolar
    tensor has no zero to pad with.
    """

    weight: int
    act: int
    padded: bool = False


class _TernaryWeight(Int8WeightPerTensorFloat):  # type: ignore[misc]
    """2-bit narrow weights (-1, 0, +1), scaled by the mean magnitude instead of the largest.

    With the largest as scale most weights round to 0 (cf. Li et al., "Ternary Weight Networks",
    2016, whose threshold is 0.7 of the mean magnitude; here 0.5 of `1.5 × mean` comes near).
    """

    bit_width = 2
    scaling_stats_op = "ave"


def _weights(bits: int) -> dict[str, object]:
    if bits == 1:
        return {"weight_quant": SignedBinaryWeightPerTensorConst}
    if bits == 2:
        return {"weight_quant": _TernaryWeight}
    # Narrow range (-7..7 at 4 bits): the DSP48E1 multiplier of FINN's RTL needs it.
    return {
        "weight_quant": Int8WeightPerTensorFloat,
        "weight_bit_width": bits,
        "weight_narrow_range": True,
    }


@dataclass(frozen=True)
class Window:
    """The geometry of a convolution; a pair means (rows, columns)."""

    kernel: int | tuple[int, int]
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0
    groups: int = 1
    dilation: int | tuple[int, int] = 1


def conv(inputs: int, outputs: int, window: Window, bits: Bits) -> QuantConv2d:
    """A convolution without bias."""
    return QuantConv2d(
        inputs,
        outputs,
        window.kernel,
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
        groups=window.groups,
        bias=False,
        **_weights(bits.weight),
    )


def dense(inputs: int, outputs: int, bits: Bits) -> QuantLinear:
    """A dense layer without bias."""
    return QuantLinear(inputs, outputs, bias=False, **_weights(bits.weight))


def activation(bits: Bits) -> nn.Module:
    """A quantised activation: unsigned after ReLU, or bipolar at 1 bit."""
    if bits.act == 1 and not bits.padded:
        return QuantIdentity(act_quant=SignedBinaryActPerTensorConst)
    return QuantReLU(
        act_quant=Uint8ActPerTensorFloat,
        bit_width=bits.act,
        collect_stats_steps=CALIBRATION_BATCHES,
    )


def signed_activation(bits: Bits) -> nn.Module:
    """A signed quantiser without ReLU, to bring the branches of a sum to one scale."""
    return QuantIdentity(
        act_quant=Int8ActPerTensorFloat,
        bit_width=max(bits.act, 2),
        collect_stats_steps=CALIBRATION_BATCHES,
    )


class Concat(nn.Module):  # type: ignore[misc]  # torch ships no types for strict mode
    """Joins tensors along their channels; all of them must come from one quantiser."""

    def forward(self, *parts: torch.Tensor) -> torch.Tensor:
        """(N, C1, H, W), (N, C2, H, W), … → (N, C1 + C2 + …, H, W)."""
        return torch.cat(parts, dim=1)


def conv_block(inputs: int, outputs: int, window: Window, bits: Bits) -> list[nn.Module]:
    """Convolution, batch normalisation, activation."""
    return [conv(inputs, outputs, window, bits), nn.BatchNorm2d(outputs), activation(bits)]


def dense_block(inputs: int, outputs: int, bits: Bits) -> list[nn.Module]:
    """Dense layer, batch normalisation, activation."""
    return [dense(inputs, outputs, bits), nn.BatchNorm1d(outputs), activation(bits)]


def separable_block(inputs: int, outputs: int, bits: Bits, stride: int = 1) -> list[nn.Module]:
    """Depthwise 3×3, then pointwise convolution, each with normalisation and activation."""
    return [
        *conv_block(inputs, inputs, Window(3, stride, 1, groups=inputs), bits),
        *conv_block(inputs, outputs, Window(1), bits),
    ]


def channels(base: int, width: float) -> int:
    """`base` channels times the width multiplier, a multiple of 4 so that it folds well."""
    return max(4, round(base * width / 4) * 4)
