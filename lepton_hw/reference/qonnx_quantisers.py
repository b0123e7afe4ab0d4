"""Quantisers, limits and normalisations of QONNX: where real numbers become thresholds."""

import math
from fractions import Fraction
from typing import Any

import numpy as np

from lepton_hw.errors import StageError
from lepton_hw.reference import ir
from lepton_hw.reference.build import float_left
from lepton_hw.reference.from_qonnx import Constant, QonnxReader
from lepton_hw.reference.graph import Ints
from lepton_hw.reference.scaled import (
    ONE,
    ZERO,
    Rationals,
    Scaled,
    rationals,
    thresholds,
)

Attributes = dict[str, Any]
#: Most levels of a quantiser; FINN ends at 255.
MOST_LEVELS = (1 << 16) - 1
HALF = Fraction(1, 2)


def _quant(reader: QonnxReader, node: Any, a: Attributes) -> None:
    numbers = [reader.number(name) for name in node.input[1:4]]
    if any(value is None for value in numbers):
        raise float_left(node.input[0], "quantised with a computed scale")
    scale, zero, bits = (np.asarray(value) for value in numbers)
    width, signed, narrow = float(bits), bool(a.get("signed", 1)), bool(a.get("narrow", 0))
    mode = a.get("rounding_mode", "ROUND").upper()
    exact_zero = rationals(zero)
    if any(each.denominator != 1 for each in exact_zero.reshape(-1)) or (scale <= 0).any():
        raise float_left(node.output[0], "quantised with a broken zero point or a scale of 0")
    if _constant_quant(reader, node, (scale, zero, bits), (signed, narrow, mode)):
        return
    if width == 1 and signed:
        _bipolar(reader, node, rationals(scale), exact_zero)
        return
    # qonnx has the limits of each type.
    from qonnx.custom_op.general.intquant import max_int, min_int

    low, high = int(min_int(signed, narrow, width)), int(max_int(signed, narrow, width))
    if not high - low <= MOST_LEVELS:
        raise StageError(
            f"quantiser '{node.name}' has {width:g} bits", "at most 16", "quantise to fewer bits"
        )
    if exact_zero.size > 1 and (exact_zero != exact_zero.reshape(-1)[0]).any():
        raise float_left(node.output[0], "quantised with several zero points")
    offset = int(exact_zero.reshape(-1)[0])
    value = reader.scaled(node.input[0])
    factor, axis = reader.vector(rationals(scale), value, node.input[1])
    value = Scaled(value.name, axis, value.steps)
    levels = rationals(np.arange(low + 1, high + 1)) - offset
    shift, strict = _rounding(mode, np.arange(low + 1, high + 1), node)
    # round(y / scale + zero) >= k is y >= (k - zero - shift) × scale
    real = (levels - shift).reshape(1, -1) * factor.reshape(-1, 1)
    _count(reader, node, value, (real, strict), (1, low - offset))
    reader.values[node.output[0]] = _times(Scaled(node.output[0], axis), factor)


def _rounding(mode: str, codes: Ints, node: Any) -> tuple[Any, Any]:
    """How far below a code its rounding begins, and whether that point itself is excluded."""
    even = codes % 2 == 0
    match mode:
        case "ROUND" | "HALF_EVEN":
            return HALF, ~even
        case "FLOOR":
            return Fraction(0), np.zeros(len(codes), dtype=bool)
        case "CEIL":
            return Fraction(1), np.ones(len(codes), dtype=bool)
    raise StageError(
        f"quantiser '{node.name}' rounds by {mode}", "ROUND, FLOOR or CEIL", "export it again"
    )


def _constant_quant(reader: QonnxReader, node: Any, numbers: Any, how: Any) -> bool:
    """A quantised constant as qonnx computes it, if the input is one."""
    from qonnx.custom_op.general.intquant import int_quant

    value = reader.number(node.input[0])
    if value is None:
        return False
    scale, zero, bits = numbers
    real = int_quant(value, scale, zero, bits, *how)
    codes = np.rint(np.asarray(real, np.float64) / scale).astype(np.int64)
    reader.values[node.output[0]] = Constant(codes, rationals(scale))
    return True


def _bipolar_quant(reader: QonnxReader, node: Any, a: Attributes) -> None:
    scale = reader.number(node.input[1])
    if scale is None or (scale <= 0).any():
        raise float_left(node.input[0], "quantised with a computed or negative scale")
    value = reader.number(node.input[0])
    if value is not None:
        codes = np.where(value >= 0, 1, -1)
        reader.values[node.output[0]] = Constant(codes, rationals(scale))
        return
    _bipolar(reader, node, rationals(scale), ZERO)


def _bipolar(reader: QonnxReader, node: Any, scale: Rationals, zero: Rationals) -> None:
    """1 where the value is at least -zero × scale, -1 elsewhere."""
    value = reader.scaled(node.input[0])
    factor, axis = reader.vector(scale, value, node.input[1])
    offset = zero.reshape(-1)[0]
    value = Scaled(value.name, axis, value.steps)
    real = (-offset * factor).reshape(-1, 1)
    _count(reader, node, value, (real, np.zeros(1, dtype=bool)), (2, -1))
    scaled = _times(Scaled(node.output[0], axis), factor)
    if offset:
        scaled = scaled.then_affine(ONE, -offset * factor)
    reader.values[node.output[0]] = scaled


def _multi_threshold(reader: QonnxReader, node: Any, a: Attributes) -> None:
    found = reader.number(node.input[1])
    if found is None:
        raise float_left(node.input[1], "thresholds that are computed")
    value = reader.scaled(node.input[0])
    layout = a.get("data_layout", "") or {2: "NC", 3: "NWC", 4: "NCHW"}.get(
        len(reader.shape(value)) + 1, "NC"
    )
    axis = (layout.index("C") if "C" in layout else 1) - 1
    if value.channels > 1 and value.axis != axis:
        raise float_left(node.input[0], "scaled along another axis than its thresholds")
    value = Scaled(value.name, axis, value.steps)
    levels = rationals(np.sort(found, axis=1))
    scale, bias = (Fraction(a.get(f"out_{name}", d)) for name, d in (("scale", 1.0), ("bias", 0.0)))
    is_whole = scale.denominator == bias.denominator == 1
    step, base = (int(scale), int(bias)) if is_whole else (1, 0)
    _count(reader, node, value, (levels, np.zeros(levels.shape[1], dtype=bool)), (step, base))
    result = Scaled(node.output[0], axis)
    if not is_whole:
        result = result.then_affine(rationals([scale]), rationals([bias]))
    reader.values[node.output[0]] = result


def _count(
    reader: QonnxReader, node: Any, value: Scaled, levels: tuple[Any, Any], result: tuple[int, int]
) -> None:
    """Adds thresholds for real levels, with the channels moved to the last axis and back."""
    found, sign = thresholds(value.steps, *levels)
    step, base = result
    rank = len(reader.shape(value))
    others = tuple(axis for axis in range(rank) if axis != value.axis)
    order = (*others, value.axis)
    if len(found) == 1 and len(sign) == 1:
        order = tuple(range(rank))
    tensor = reader.builder.transpose(node.name, order, value.name)
    op = ir.Threshold(np.sort(found, axis=1), sign, step, base)
    if order == tuple(range(rank)):
        reader.builder.add(node.name, op, [tensor], [node.output[0]])
        return
    counts = reader.builder.add(node.name, op, [tensor])
    back = tuple(order.index(axis) for axis in range(rank))
    reader.builder.transpose(node.name, back, counts, node.output[0])


def _times(value: Scaled, factor: Rationals) -> Scaled:
    return value if (factor == 1).all() else value.then_affine(factor, ZERO)


def _trunc(reader: QonnxReader, node: Any, a: Attributes) -> None:
    """Drops the lowest bits; the integers must have the layer's own scale already."""
    numbers = [reader.number(name) for name in node.input[1:]]
    if len(numbers) != 4 or any(n is None or n.size != 1 for n in numbers):
        raise StageError(
            f"layer '{node.name}' (Trunc) has {len(node.input)} inputs or several scales",
            "version 1 of the operator with one scale",
            "export the model again",
        )
    known = [n for n in numbers if n is not None]
    scale, zero, before, after = (Fraction(float(n.reshape(-1)[0])) for n in known)
    tensor, own = reader.integers(node.input[0], node.name)
    if own != scale or zero != 0 or a.get("rounding_mode", "FLOOR").upper() != "FLOOR":
        raise float_left(node.input[0], "truncated at another scale, zero point or rounding")
    channels = reader.builder.tensors[tensor].shape[-1]
    op = ir.Pool(False, channels, channels, int(before - after))
    reader.builder.add(node.name, op, [tensor], [node.output[0]])
    reader.values[node.output[0]] = Scaled(node.output[0]).then_affine(rationals([scale]), ZERO)


def batch_norm(reader: QonnxReader, node: Any, a: Attributes) -> None:
    """A factor and a bias a channel; the square root is taken in double precision."""
    numbers = [reader.number(name) for name in node.input[1:5]]
    if any(number is None for number in numbers):
        raise float_left(node.input[0], "normalised by computed statistics")
    gamma, beta, mean, variance = (np.asarray(n, np.float64) for n in numbers)
    factor = rationals(gamma / np.sqrt(variance + float(np.float32(a.get("epsilon", 1e-5)))))
    bias = rationals(beta) - rationals(mean) * factor
    value = reader.scaled(node.input[0])
    if value.channels > 1 and value.axis != 0:
        raise float_left(node.input[0], "scaled along another axis than its normalisation")
    value = Scaled(value.name, 0, value.steps)
    reader.values[node.output[0]] = value.then_affine(factor, bias)


def _relu(reader: QonnxReader, node: Any, a: Attributes) -> None:
    value = reader.scaled(node.input[0])
    reader.values[node.output[0]] = value.then_clamp(Fraction(0), None)


def _clip(reader: QonnxReader, node: Any, a: Attributes) -> None:
    """Limits as inputs or as attributes."""
    ends: list[Fraction | None] = []
    for index, name in ((1, "min"), (2, "max")):
        given = reader.number(node.input[index]) if len(node.input) > index else a.get(name)
        real = None if given is None else float(np.reshape(given, -1)[0])
        ends.append(None if real is None or math.isinf(real) else Fraction(real))
    reader.values[node.output[0]] = reader.scaled(node.input[0]).then_clamp(*ends)


QUANTISERS = {
    "Quant": _quant,
    "IntQuant": _quant,
    "BipolarQuant": _bipolar_quant,
    "MultiThreshold": _multi_threshold,
    "Trunc": _trunc,
    "Relu": _relu,
    "Clip": _clip,
}
