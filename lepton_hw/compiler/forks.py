"""Keeps FINN's streamlining from breaking graphs in which a tensor has several readers.

FINN 1.6.1 turns a pooling or enlarging layer together with the one reader that it finds first; the
others then read something else. Here such layers are turned for all readers. No integer changes.
"""

from typing import Any

from onnx import helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import get_by_name

from lepton_hw.qonnx_names import ENLARGING

POOL = "MaxPool"
TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def turn_forked_layers(model: ModelWrapper) -> int:
    """Makes max-pools and enlarging layers with several readers channels-last, between two
    transpositions, in place; returns how many. Transpositions are absorbed as all others are.
    """
    turned = 0
    for node in list(model.graph.node):
        known = node.op_type == POOL or node.op_type in ENLARGING
        if not known or len(model.find_consumers(node.output[0]) or []) < 2:
            continue
        if len(model.get_tensor_shape(node.input[0]) or ()) == 4 and _turn(model, node):
            turned += 1
    return turned


def _turn(model: ModelWrapper, node: Any) -> bool:
    if node.op_type == POOL:
        mode = get_by_name(node.attribute, "ceil_mode")
        kept = [a for a in node.attribute if a.name in ("kernel_shape", "pads", "strides")]
        if get_by_name(node.attribute, "pads") is None:
            kept.append(helper.make_attribute("pads", [0] * 4))
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute("ceil_mode", mode.i if mode else 0)])
        node.op_type, node.domain = "MaxPoolNHWC", "qonnx.custom_op.general"
    elif not _scales_turned(model, node):
        return False
    source, target = node.input[0], node.output[0]
    node.input[0] = _like(model, source)
    node.output[0] = _like(model, target)
    place = list(model.graph.node).index(node)
    for index, inputs, outputs, order in (
        (place, source, node.input[0], TO_LAST), (place + 2, node.output[0], target, TO_FIRST),
    ):  # fmt: skip
        turn = helper.make_node("Transpose", [inputs], [outputs], perm=list(order))
        model.graph.node.insert(index, turn)
    return True


def _scales_turned(model: ModelWrapper, node: Any) -> bool:
    """Scales or sizes, one an axis, in the new order, as a constant of this node alone."""
    for place, name in enumerate(node.input):
        values = model.get_initializer(name) if place and name else None
        if values is not None and values.size == len(TO_LAST):
            own = model.make_new_valueinfo_name()
            model.set_initializer(own, values[list(TO_LAST)])
            node.input[place] = own
            return True
    return False


def _like(model: ModelWrapper, tensor: str) -> str:
    """A new tensor like this one, channels last."""
    name: str = model.make_new_valueinfo_name()
    shape = model.get_tensor_shape(tensor)
    model.set_tensor_shape(name, [shape[axis] for axis in TO_LAST])
    model.set_tensor_datatype(name, model.get_tensor_datatype(tensor))
    return name
