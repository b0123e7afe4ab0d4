"""A QONNX graph in standard ONNX operators, for runtimes that know no others.

Weights become their quantised values. An activation's quantiser becomes a division, rounding,
clipping and multiplication, or, in the float variant, only the clipping to its range.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from lepton_hw.errors import InputError
from lepton_hw.qonnx_names import QUANTISERS


def plain(model: Any, quantised: bool = True) -> Any:
    """The same graph as an ``onnx.ModelProto`` of opset 13 operators.

    `quantised` keeps the rounding of activations; without it they are floats, clipped to the same
    range, as in the network before quantisation. The last layer's scale is the same either way.
    Raises `InputError` naming a layer that standard ONNX has no operators for.
    """
    import copy

    from qonnx.transformation.fold_constants import FoldConstants

    folded = copy.deepcopy(model).transform(FoldConstants(exclude_op_types=[]))
    nodes: list[Any] = []
    for node in list(folded.graph.node):
        if node.op_type in QUANTISERS:
            nodes.extend(_quantiser(folded, node, quantised))
        elif node.domain.startswith(("qonnx", "finn")):
            raise InputError(
                f"layer '{node.name}' ({node.op_type}) has no standard ONNX operators",
                "layers of ONNX itself, and quantisers",
                "leave this executor out",
            )
        else:
            nodes.append(node)
    del folded.graph.node[:]
    folded.graph.node.extend(nodes)
    proto = folded.model
    kept = [known for known in proto.opset_import if known.domain in ("", "ai.onnx")]
    del proto.opset_import[:]
    proto.opset_import.extend(kept)
    return proto


def _quantiser(model: Any, node: Any, quantised: bool) -> Iterable[Any]:
    from onnx import helper
    from qonnx.custom_op.registry import getCustomOp

    scale = np.asarray(model.get_initializer(node.input[1]), dtype=np.float32)
    name = node.name or node.output[0]
    if node.op_type == "BipolarQuant":
        low, high, zero = -1.0, 1.0, np.zeros(1, np.float32)
    else:
        kind = getCustomOp(node).get_integer_datatype(model)
        low, high = float(kind.min()), float(kind.max())
        zero = np.asarray(model.get_initializer(node.input[2]), dtype=np.float32)

    def constant(key: str, value: Any) -> str:
        model.set_initializer(f"{name}_{key}", np.asarray(value, dtype=np.float32))
        return f"{name}_{key}"

    def step(op: str, inputs: list[str], output: str = "") -> Any:
        made = output or f"{name}_{op}"
        return helper.make_node(op, inputs, [made], name=f"{name}_{op}")

    def outcome(nodes: list[Any]) -> str:
        return str(nodes[-1].output[0])

    source, target = node.input[0], node.output[0]
    if not quantised:
        ends = (
            constant("low", (low - zero.min()) * scale.max()),
            constant("high", (high - zero.max()) * scale.max()),
        )
        return [step("Clip", [source, *ends], target)]
    if node.op_type == "BipolarQuant":
        nodes = [step("GreaterOrEqual", [source, constant("zero", 0.0)])]
        signs = [constant("plus", scale), constant("minus", -scale)]
        return [*nodes, step("Where", [outcome(nodes), *signs], target)]
    nodes = [step("Div", [source, constant("scale", scale)])]
    if zero.any():
        nodes.append(step("Add", [outcome(nodes), constant("zero", zero)]))
    nodes.append(step("Round", [outcome(nodes)]))
    nodes.append(step("Clip", [outcome(nodes), constant("low", low), constant("high", high)]))
    if zero.any():
        nodes.append(step("Sub", [outcome(nodes), constant("back", zero)]))
    return [*nodes, step("Mul", [outcome(nodes), constant("scale", scale)], target)]
