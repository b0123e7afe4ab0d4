"""Walks a QONNX graph and says, within a second, which layers will not map to hardware and why.

Only reads the graph; compiling may still find what cannot be seen here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.errors import InputError
from lepton_hw.stages.onnx_checks import KNOWN, LAYERS, MAX_BITS, read_onnx

QUANT = ("Quant", "IntQuant")
#: Operators through which a quantised tensor keeps its scale.
TRANSPARENT = (
    "Reshape", "Flatten", "Transpose", "Identity", "MaxPool", "Resize", "Upsample", "Split",
    "Squeeze", "Unsqueeze", "Pad", "Relu",
)  # fmt: skip
SMOOTH = ("Sigmoid", "Tanh", "Gelu", "Erf", "Elu", "Selu", "LeakyRelu", "HardSigmoid", "Softplus")
#: Scales that differ by less than float32 can tell are the same.
SAME = 1e-6


@dataclass(frozen=True)
class Finding:
    """One layer that will not map: its name and operator, why, and what to do."""

    layer: str
    operator: str
    problem: str
    remedy: str


def lint_file(file: Path) -> tuple[Finding, ...]:
    """All findings of a QONNX file; raises `InputError` where it is none."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model

    if not file.is_file():
        raise InputError(f"there is no file {file}", "a QONNX file", "check the path")
    model = ModelWrapper(read_onnx(file))
    unknown = tuple(_unknown(model))
    if unknown:  # such a graph can seldom be simplified
        return unknown
    return lint(cleanup_model(model))


def lint(model: Any) -> tuple[Finding, ...]:
    """All findings of a cleaned-up graph, in its order."""
    found: list[Finding] = list(_unknown(model))
    for node in model.graph.node:
        for check in CHECKS:
            found.extend(check(model, node))
    return tuple(found)


def _unknown(model: Any) -> Iterator[Finding]:
    for node in model.graph.node:
        if node.op_type in SMOOTH and node.op_type not in KNOWN:
            yield _finding(
                node,
                "a smooth activation cannot become thresholds",
                "use ReLU or a plain quantiser and train again",
            )
        elif node.op_type not in KNOWN and not _is_constant(model, node):
            yield _finding(node, "this operator is not supported", "replace that layer")


def _is_constant(model: Any, node: Any) -> bool:
    """Shape arithmetic and the like, which simplification removes."""
    shape_ops = ("Shape", "Gather", "Constant", "ConstantOfShape", "Cast", "Slice", "Pow", "Sqrt")
    return node.op_type in shape_ops


def _float_weights(model: Any, node: Any) -> Iterator[Finding]:
    if node.op_type not in LAYERS:
        return
    for name in node.input[:2]:
        if model.get_initializer(name) is not None and not _is_integer(model, name):
            yield _finding(node, "its weights are float", "put a quantiser behind the weights")


def _float_input(model: Any, node: Any) -> Iterator[Finding]:
    if node.op_type not in LAYERS or model.get_initializer(node.input[0]) is not None:
        return
    source = _source(model, node.input[0])
    if source is None:
        if not _is_integer(model, model.graph.input[0].name):
            yield _finding(
                node,
                "it reads the model's input, which has no integer type",
                "quantise the input, or pass --input-type when building",
            )
    elif source.op_type not in (*QUANT, "BipolarQuant", "Trunc", *_AVERAGES):
        yield _finding(
            node,
            f"its input is float, straight from {source.name or source.op_type}",
            "put a quantiser in front of it",
        )


def _unequal_scales(model: Any, node: Any) -> Iterator[Finding]:
    if node.op_type not in ("Add", "Concat") or any(_is_static(model, n) for n in node.input):
        return
    scales = []
    for name in node.input:
        source = _source(model, name)
        if source is None or source.op_type not in QUANT:
            yield _finding(
                node,
                f"its input {name} is not the output of a quantiser",
                "put one quantiser with a shared scale on all its inputs",
            )
            return
        scales.append(model.get_initializer(source.input[1]))
    if any(not _same(scales[0], scale) for scale in scales[1:]):
        shown = ", ".join(f"{float(np.ravel(scale)[0]):.6g}" for scale in scales)
        yield _finding(
            node,
            f"its inputs have different scales ({shown})",
            "let all its inputs pass the same quantiser, with one scale",
        )


def _scale_before_pool(model: Any, node: Any) -> Iterator[Finding]:
    if node.op_type != "MaxPool":
        return
    source = _source(model, node.input[0])
    if source is not None and source.op_type not in (*QUANT, "BipolarQuant"):
        yield _finding(
            node,
            f"{source.name or source.op_type} stands between it and the quantiser before it",
            "quantise directly in front of the max-pool",
        )


def _bit_widths(model: Any, node: Any) -> Iterator[Finding]:
    if node.op_type not in QUANT or len(node.input) < 4:
        return
    bits = model.get_initializer(node.input[3])
    if bits is None or np.size(bits) != 1 or float(bits) != int(bits):
        yield _finding(node, "its bit width is not one whole number", "use whole bits")
    elif int(bits) > MAX_BITS:
        yield _finding(
            node,
            f"it has {int(bits)} bits, and more than {MAX_BITS} need too many thresholds",
            f"use at most {MAX_BITS} bits",
        )


def _scales(model: Any, node: Any) -> Iterator[Finding]:
    """A scale per channel can only be taken out of a layer's output, not of its input."""
    if node.op_type not in QUANT or model.get_initializer(node.input[0]) is not None:
        return
    scale = model.get_initializer(node.input[1])
    zero = model.get_initializer(node.input[2])
    if scale is None or (np.size(scale) > 1 and not _same(scale, np.ravel(scale)[:1])):
        yield _finding(
            node,
            "an activation has a scale for each channel",
            "use one scale for the tensor",
        )
    if zero is not None and np.any(zero != 0):
        yield _finding(node, "it has a zero point", "quantise symmetrically, with zero point 0")


_AVERAGES = ("AveragePool", "GlobalAveragePool", "ReduceMean")
CHECKS: tuple[Callable[[Any, Any], Iterator[Finding]], ...] = (
    _float_weights,
    _float_input,
    _unequal_scales,
    _scale_before_pool,
    _bit_widths,
    _scales,
)


def _source(model: Any, tensor: str) -> Any | None:
    """The node that decides the scale of a tensor; None for the model's input."""
    while (node := model.find_producer(tensor)) is not None:
        if node.op_type not in TRANSPARENT:
            return node
        tensor = node.input[0]
    return None


def _is_static(model: Any, tensor: str) -> bool:
    """Whether it is a constant, or the quantised form of one."""
    producer = model.find_producer(tensor)
    if producer is None:
        return model.get_initializer(tensor) is not None
    return all(model.get_initializer(name) is not None for name in producer.input)


def _is_integer(model: Any, tensor: str) -> bool:
    return bool(model.get_tensor_datatype(tensor).is_integer())


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    left, right = np.unique(one), np.unique(other)
    return left.shape == right.shape and bool(np.allclose(left, right, rtol=SAME, atol=0))


def _finding(node: Any, problem: str, remedy: str) -> Finding:
    return Finding(node.name or node.output[0], node.op_type, problem, remedy)
