"""Each operator of QONNX in terms of integers and scales: one small function an operator."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from lepton_hw.reference import ir
from lepton_hw.reference.build import float_left
from lepton_hw.reference.from_qonnx import Constant, QonnxReader
from lepton_hw.reference.graph import Ints, Op
from lepton_hw.reference.qonnx_quantisers import QUANTISERS, batch_norm
from lepton_hw.reference.qonnx_shapes import SHAPES, TO_FIRST, channels_last, padded, pair, refuse
from lepton_hw.reference.scaled import ONE, ZERO, Affine, Rationals, Scaled, common_scale, rationals

Attributes = dict[str, Any]
Translate = Callable[[QonnxReader, Any, Attributes], None]


def _weights(reader: QonnxReader, node: Any, index: int) -> Constant:
    constant = reader.constant(node.input[index])
    if constant is None:
        raise float_left(node.input[index], "weights that are computed")
    return constant


def _biased(reader: QonnxReader, node: Any, value: Scaled, index: int) -> Scaled:
    """With the layer's own bias, if it has one."""
    if len(node.input) <= index or not node.input[index]:
        return value
    bias = reader.exact(node.input[index])
    if bias is None:
        raise float_left(node.input[index], "a bias that is computed")
    return value.then_affine(ONE, bias.reshape(-1))


def _convolution(reader: QonnxReader, node: Any, a: Attributes) -> None:
    weights, groups = _weights(reader, node, 1), int(a.get("group", 1))
    tensor, scale = _per_channel_integers(reader, node, groups)
    codes = weights.codes
    if codes.ndim == 3:  # over one axis only
        raise refuse(node, "weights of 3 axes", "two-dimensional windows")
    outputs, _, *kernel = codes.shape
    channels = reader.builder.tensors[tensor].shape[0]
    height, width = kernel
    last = padded(reader, node, a, channels_last(reader, node, tensor))
    window = ir.Window((height, width), pair(a, "strides"), pair(a, "dilations"), channels)
    last = reader.builder.add(node.name, window, [last])
    no_offset = np.zeros(outputs, np.int64)
    op: Op
    if groups == 1:
        matrix = codes.transpose(2, 3, 1, 0).reshape(-1, outputs)
        op = ir.MatMul(np.ascontiguousarray(matrix), no_offset)
    elif groups == channels == outputs:
        op = ir.Depthwise(codes.reshape(outputs, -1), no_offset, channels)
    else:
        op = ir.MatMul(_grouped(codes, groups, channels), no_offset)
    sums = reader.builder.add(node.name, op, [last])
    reader.builder.transpose(node.name, TO_FIRST, sums, node.output[0])
    factor = np.broadcast_to(_of_outputs(weights, 0, outputs, node) * scale, (outputs,))
    if (factor == factor[0]).all():
        factor = factor[:1]
    value = Scaled(node.output[0], 0, (Affine(factor, ZERO),))
    reader.values[node.output[0]] = _biased(reader, node, value, 2)


def _per_channel_integers(
    reader: QonnxReader, node: Any, groups: int
) -> tuple[str, Fraction | Rationals]:
    """The input as integers; a depthwise layer may have one scale a channel."""
    value = reader.scaled(node.input[0])
    only = value.steps[0] if len(value.steps) == 1 else None
    depthwise = groups == reader.shape(value)[0] and value.axis == 0
    if depthwise and isinstance(only, Affine) and (only.bias == 0).all():
        return value.name, only.factor
    return reader.integers(node.input[0], node.name)


def _grouped(codes: Ints, groups: int, channels: int) -> Ints:
    """Grouped weights as one matrix (taps × channels, outputs) with zeros between."""
    outputs, inputs, height, width = codes.shape
    matrix = np.zeros((height, width, channels, outputs), np.int64)
    size = outputs // groups
    for output in range(outputs):
        first = output // size * inputs
        matrix[:, :, first : first + inputs, output] = codes[output].transpose(1, 2, 0)
    return matrix.reshape(-1, outputs)


def _of_outputs(weights: Constant, axis: int, count: int, node: Any) -> Rationals:
    """The weights' scale as one value, or one an output."""
    scale = weights.scale
    if scale.size == 1:
        return scale.reshape(1)
    aligned = scale.reshape((1,) * (weights.codes.ndim - scale.ndim) + scale.shape)
    if aligned.shape[axis] != scale.size or scale.size != count:
        raise refuse(node, f"weights with scales of shape {scale.shape}", "one scale an output")
    return scale.reshape(-1)


def _matmul(reader: QonnxReader, node: Any, a: Attributes) -> None:
    weights = _weights(reader, node, 1)
    if node.op_type == "Gemm":
        plain = a.get("alpha", 1.0) == a.get("beta", 1.0) == 1.0 and not a.get("transA", 0)
        if not plain:
            raise refuse(node, "alpha, beta or transA", "a plain product")
        if a.get("transB", 0):
            weights = Constant(weights.codes.T, _transposed(weights, (1, 0)))
    if weights.codes.ndim != 2:
        raise refuse(node, f"weights of {weights.codes.ndim} axes", "a matrix")
    tensor, scale = reader.integers(node.input[0], node.name)
    outputs = weights.codes.shape[1]
    op = ir.MatMul(np.ascontiguousarray(weights.codes), np.zeros(outputs, np.int64))
    reader.builder.add(node.name, op, [tensor], [node.output[0]])
    axis = len(reader.builder.tensors[node.output[0]].shape) - 1
    factor = _of_outputs(weights, 1, outputs, node) * scale
    value = Scaled(node.output[0], axis, (Affine(factor, ZERO),))
    if (factor == 1).all():
        value = Scaled(node.output[0], axis)
    reader.values[node.output[0]] = _biased(reader, node, value, 2)


def _xnor_matmul(reader: QonnxReader, node: Any, a: Attributes) -> None:
    weights, (tensor, scale) = _weights(reader, node, 1), reader.integers(node.input[0], node.name)
    if scale != 1 or (weights.scale != 1).any():
        raise float_left(node.input[0], "scaled before an XNOR product")
    # Equal bits: x w + (1 - x)(1 - w) = x (2 w - 1) + (1 - w)
    op = ir.MatMul(2 * weights.codes - 1, (1 - weights.codes).sum(axis=0))
    reader.builder.add(node.name, op, [tensor], [node.output[0]])
    axis = len(reader.builder.tensors[node.output[0]].shape) - 1
    reader.values[node.output[0]] = Scaled(node.output[0], axis)


def _elementwise(reader: QonnxReader, node: Any, a: Attributes) -> None:
    """With a constant: a step. Of two tensors: at a common scale."""
    left, right = (reader.exact(name) for name in node.input)
    kind = node.op_type
    if left is None and right is None:
        _of_two(reader, node)
        return
    if left is not None and (right is not None or kind == "Div"):
        raise float_left(node.input[0], f"a constant that {kind} starts from")
    name, constant = (node.input[0], right) if left is None else (node.input[1], left)
    assert constant is not None
    value = reader.scaled(name)
    vector, axis = reader.vector(constant, value, node.input[0 if left is not None else 1])
    value = Scaled(value.name, axis, value.steps)
    match kind:
        case "Add":
            value = value.then_affine(ONE, vector)
        case "Sub":
            sign = ONE if left is None else -ONE
            value = value.then_affine(sign, -vector * sign)
        case "Mul":
            value = value.then_affine(vector, ZERO)
        case "Div":
            if (vector == 0).any():
                raise float_left(node.input[1], "zero, and a divisor")
            value = value.then_affine(1 / vector, ZERO)
    reader.values[node.output[0]] = value


def _of_two(reader: QonnxReader, node: Any) -> None:
    if node.op_type == "Div":
        raise float_left(node.output[0], "a quotient of two tensors")
    (first, scale_1), (second, scale_2) = (reader.integers(name, node.name) for name in node.input)
    if node.op_type == "Mul":
        scale = scale_1 * scale_2
    else:
        scale = common_scale([scale_1, scale_2])
        branches = []
        for tensor, own, name in zip((first, second), (scale_1, scale_2), node.input, strict=True):
            times = rationals([own / scale])
            by = (times, ZERO)
            branches.append(reader.multiply(tensor, Scaled(tensor), name, node.name, by))
        first, second = branches
    op = ir.Arithmetic(node.op_type.lower())
    reader.builder.add(node.name, op, [first, second], [node.output[0]])
    value = Scaled(node.output[0])
    reader.values[node.output[0]] = value.then_affine(rationals([scale]), ZERO)


def _transposed(weights: Constant, order: tuple[int, ...]) -> Rationals:
    scale = weights.scale
    if scale.size == 1:
        return scale
    return scale.reshape((1,) * (weights.codes.ndim - scale.ndim) + scale.shape).transpose(order)


LAYERS: dict[str, Translate] = {
    **QUANTISERS,
    **SHAPES,
    "BatchNormalization": batch_norm,
    "Conv": _convolution,
    "MatMul": _matmul,
    "Gemm": _matmul,
    "XnorPopcountMatMul": _xnor_matmul,
    "Add": _elementwise,
    "Sub": _elementwise,
    "Mul": _elementwise,
    "Div": _elementwise,
}
