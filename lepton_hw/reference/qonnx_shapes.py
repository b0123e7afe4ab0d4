"""Operators of QONNX that move, join, repeat, pool or pad: windows and shapes."""

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from lepton_hw.errors import StageError
from lepton_hw.reference import ir
from lepton_hw.reference.build import float_left
from lepton_hw.reference.from_qonnx import Constant, QonnxReader
from lepton_hw.reference.graph import Op
from lepton_hw.reference.scaled import ZERO, Affine, Scaled, rationals

Attributes = dict[str, Any]

#: Axes of a frame from channels first to channels last, and back.
TO_LAST, TO_FIRST = (1, 2, 0), (2, 0, 1)


def refuse(node: Any, found: str, expected: str) -> StageError:
    """The refusal of a layer's attribute."""
    return StageError(
        f"layer '{node.name}' ({node.op_type}) has {found}", expected, "replace that layer"
    )


def pair(a: Attributes, name: str) -> tuple[int, int]:
    """Two numbers of an attribute; ones where it is missing."""
    first, second = a.get(name) or (1, 1)
    return int(first), int(second)


def padded(
    reader: QonnxReader, node: Any, a: Attributes, tensor: str, value: int | None = 0
) -> str:
    """(H, W, C) with the layer's own padding; None pads with what no maximum takes."""
    if a.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or a.get("ceil_mode", 0):
        raise refuse(node, "padding that depends on the size", "explicit pads")
    top, left, bottom, right = (int(size) for size in a.get("pads") or (0, 0, 0, 0))
    if not any((top, left, bottom, right)):
        return tensor
    fill = reader.builder.tensors[tensor].low if value is None else value
    return reader.builder.add(node.name, ir.Pad((top, left, bottom, right), fill), [tensor])


def channels_last(reader: QonnxReader, node: Any, tensor: str) -> str:
    """A tensor of (C, H, W) as (H, W, C)."""
    if len(reader.builder.tensors[tensor].shape) != 3:
        raise refuse(node, "an input without rows and columns", "images")
    return reader.builder.transpose(node.name, TO_LAST, tensor)


def _pool(reader: QonnxReader, node: Any, a: Attributes) -> None:
    """Maxima commute with increasing functions; averages are sums with another scale."""
    maximum, last_axis = node.op_type.startswith("MaxPool"), node.op_type.endswith("NHWC")
    value = reader.scaled(node.input[0])
    if maximum and value.is_increasing:
        tensor, steps = value.name, value.steps
    else:
        tensor, scale = reader.integers(node.input[0], node.name)
        if maximum and scale < 0:
            raise float_left(node.input[0], "scaled by a negative number before a maximum")
        steps = (Affine(rationals([scale]), ZERO),)
    last = tensor if last_axis else channels_last(reader, node, tensor)
    if not maximum and any(a.get("pads") or ()) and not a.get("count_include_pad", 0):
        raise refuse(node, "averages that do not count the padding", "count_include_pad 1")
    last = padded(reader, node, a, last, None if maximum else 0)
    channels = reader.builder.tensors[last].shape[2]
    window = ir.Window(pair(a, "kernel_shape"), pair(a, "strides"), pair(a, "dilations"), channels)
    taps = reader.builder.add(node.name, window, [last])
    _finish(reader, node, ir.Pool(maximum, channels, channels), taps, last_axis)
    result = Scaled(node.output[0], value.axis, steps)
    if not maximum:
        share = rationals([1]) / prod(window.kernel)
        result = result.then_affine(share, ZERO)
    reader.values[node.output[0]] = result


def _at(scale: Fraction, value: Scaled) -> Scaled:
    return value if scale == 1 else value.then_affine(rationals([scale]), ZERO)


def _finish(reader: QonnxReader, node: Any, op: Op, tensor: str, last_axis: bool) -> None:
    """The operator on (H, W, C), in the graph's own order."""
    if last_axis:
        reader.builder.add(node.name, op, [tensor], [node.output[0]])
        return
    made = reader.builder.add(node.name, op, [tensor])
    reader.builder.transpose(node.name, TO_FIRST, made, node.output[0])


def _global_pool(reader: QonnxReader, node: Any, a: Attributes) -> None:
    """GlobalAveragePool, ReduceMean over rows and columns, or FINN's sum of an image."""
    tensor, scale = reader.integers(node.input[0], node.name)
    last_axis = node.op_type == "GlobalAccPool"
    shape = reader.builder.tensors[tensor].shape
    if node.op_type == "ReduceMean":
        given = reader.number(node.input[1]) if len(node.input) > 1 else None
        axes = a.get("axes") or ([] if given is None else given.tolist())
        if sorted(int(axis) % 4 for axis in axes) != [2, 3] or len(shape) != 3:
            raise refuse(node, f"axes {list(axes)}", "rows and columns, 2 and 3")
    last = tensor if last_axis else channels_last(reader, node, tensor)
    pixels = prod(reader.builder.tensors[last].shape[:2])
    if a.get("keepdims", 1):
        _finish(reader, node, ir.GlobalSum(), last, last_axis)
    else:
        sums = reader.builder.add(node.name, ir.GlobalSum(), [last])
        flat = ir.Reshape((reader.builder.tensors[sums].shape[2],))
        reader.builder.add(node.name, flat, [sums], [node.output[0]])
    factor = rationals([scale]) / (1 if last_axis else pixels)
    value = Scaled(node.output[0], 2 if last_axis else 0)
    reader.values[node.output[0]] = _at(factor[0], value)


def _im2col(reader: QonnxReader, node: Any, a: Attributes) -> None:
    tensor, scale = reader.integers(node.input[0], node.name)
    top, left, bottom, right = (int(size) for size in a.get("pad_amount") or (0, 0, 0, 0))
    if any((top, left, bottom, right)):
        pad = ir.Pad((top, left, bottom, right), int(a.get("pad_value", 0)))
        tensor = reader.builder.add(node.name, pad, [tensor])
    channels = reader.builder.tensors[tensor].shape[2]
    op = ir.Window(pair(a, "kernel_size"), pair(a, "stride"), pair(a, "dilations"), channels)
    reader.builder.add(node.name, op, [tensor], [node.output[0]])
    reader.values[node.output[0]] = _at(scale, Scaled(node.output[0], 2))


def _pad(reader: QonnxReader, node: Any, a: Attributes) -> None:
    pads = a.get("pads") or reader.number(node.input[1])
    fill = reader.number(node.input[2]) if len(node.input) > 2 else None
    zero = fill is None or not np.any(fill)
    if pads is None or a.get("mode", "constant") != "constant" or not zero or len(pads) != 8:
        raise refuse(node, "another padding than zeros around an image", "zeros")
    tensor, scale = reader.integers(node.input[0], node.name)
    before, after = [int(size) for size in pads[:4]], [int(size) for size in pads[4:]]
    if any((*before[:2], *after[:2])):
        raise refuse(node, "padding of the batch or of channels", "rows and columns")
    last = channels_last(reader, node, tensor)
    _finish(reader, node, ir.Pad((before[2], before[3], after[2], after[3])), last, False)
    reader.values[node.output[0]] = _at(scale, Scaled(node.output[0]))


def _resize(reader: QonnxReader, node: Any, a: Attributes) -> None:
    """Nearest neighbours by whole factors."""
    value, output = reader.scaled(node.input[0]), reader.file.frame_shape(node.output[0])
    last_axis = node.op_type == "UpsampleNearestNeighbour"
    shape = reader.shape(value)
    pixels = (0, 1) if last_axis else (1, 2)
    factors = [output[axis] // shape[axis] for axis in pixels]
    exact = all(f * shape[x] == output[x] and f for f, x in zip(factors, pixels, strict=True))
    mode = a.get("coordinate_transformation_mode", "half_pixel")
    # Whole factors repeat each pixel under asymmetric coordinates rounded down, and under half
    # pixels rounded to the nearest.
    rounding = a.get("nearest_mode", "round_prefer_floor")
    repeats = last_axis or node.op_type == "Upsample" or (mode, rounding) in (
        ("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"),
        ("half_pixel", "round_prefer_ceil"),
    )  # fmt: skip
    nearest = last_axis or a.get("mode", "nearest") == "nearest"
    if not exact or not nearest or not repeats:
        raise refuse(node, f"sizes {shape} to {output} or interpolation", "repetition")
    last = value.name if last_axis else channels_last(reader, node, value.name)
    _finish(reader, node, ir.Repeat(factors[0], factors[1]), last, last_axis)
    reader.values[node.output[0]] = Scaled(node.output[0], value.axis, value.steps)


def _reshape(reader: QonnxReader, node: Any, a: Attributes) -> None:
    """Also Flatten, Squeeze, Unsqueeze and Identity: the file knows the new shape."""
    constant = reader.values.get(node.input[0])
    if isinstance(constant, Constant) or reader.number(node.input[0]) is not None:
        raise float_left(node.input[0], "a constant that is reshaped")
    value = reader.scaled(node.input[0])
    before, after = reader.shape(value), reader.file.frame_shape(node.output[0])
    reader.builder.add(node.name, ir.Reshape(after), [value.name], [node.output[0]])
    axis, steps = value.axis, value.steps
    if value.channels > 1:
        if len(after) == 1:
            steps = tuple(
                Affine(*(_flat(v, before, axis) for v in (step.factor, step.bias)))
                if isinstance(step, Affine)
                else step
                for step in steps
            )
            axis = 0
        elif before[: axis + 1] != after[: axis + 1]:
            raise refuse(node, "another shape of a tensor scaled by channel", "a flat one")
    reader.values[node.output[0]] = Scaled(node.output[0], min(axis, len(after) - 1), steps)


def _flat(vector: Any, shape: tuple[int, ...], axis: int) -> Any:
    aligned = [1] * len(shape)
    aligned[axis] = -1
    if vector.size == 1:
        return vector
    return np.broadcast_to(vector.reshape(aligned), shape).reshape(-1)


def _transpose(reader: QonnxReader, node: Any, a: Attributes) -> None:
    order = tuple(int(axis) for axis in a["perm"])
    constant = reader.constant(node.input[0])
    if constant is not None:
        codes, scale = constant.codes, constant.scale
        if scale.size > 1:
            scale = scale.reshape((1,) * (codes.ndim - scale.ndim) + scale.shape).transpose(order)
        codes = np.ascontiguousarray(codes.transpose(order))
        reader.values[node.output[0]] = Constant(codes, scale)
        return
    value = reader.scaled(node.input[0])
    if order[0] != 0:
        raise refuse(node, "a permutation of the batch", "the batch in front")
    inner = tuple(axis - 1 for axis in order[1:])
    reader.builder.transpose(node.name, inner, value.name, node.output[0])
    reader.values[node.output[0]] = Scaled(node.output[0], inner.index(value.axis), value.steps)


def _concat(reader: QonnxReader, node: Any, a: Attributes) -> None:
    tensors = [reader.integers(name, node.name) for name in node.input]
    if len({scale for _, scale in tensors}) != 1:
        raise float_left(node.output[0], "joined of tensors with different scales")
    axis = int(a["axis"])
    axis = axis - 1 if axis > 0 else axis
    reader.builder.add(node.name, ir.Concat(axis), [name for name, _ in tensors], [node.output[0]])
    reader.values[node.output[0]] = _at(tensors[0][1], Scaled(node.output[0]))


def _split(reader: QonnxReader, node: Any, a: Attributes) -> None:
    tensor, scale = reader.integers(node.input[0], node.name)
    axis = int(a.get("axis", 0))
    axis = axis - 1 if axis > 0 else axis
    sizes = tuple(reader.file.frame_shape(name)[axis] for name in node.output)
    reader.builder.add(node.name, ir.Split(axis, sizes), [tensor], list(node.output))
    for name in node.output:
        reader.values[name] = _at(scale, Scaled(name))


SHAPES = {
    "MaxPool": _pool,
    "MaxPoolNHWC": _pool,
    "AveragePool": _pool,
    "GlobalAveragePool": _global_pool,
    "GlobalAccPool": _global_pool,
    "ReduceMean": _global_pool,
    "Im2Col": _im2col,
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
    "UpsampleNearestNeighbour": _resize,
    "Reshape": _reshape,
    "Flatten": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Identity": _reshape,
    "Transpose": _transpose,
    "Concat": _concat,
    "Split": _split,
}
