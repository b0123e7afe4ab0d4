"""Bipolar activations, -1 and 1, as FINN takes them; no integer of the network changes.

FINN has them in front of bipolar weights only, where both become bits that are compared (XNOR).
"""

from typing import Any

import numpy as np
from onnx import helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.errors import StageError

#: Layers with weights, which take a bipolar activation as it is.
WEIGHTED = ("Conv", "MatMul")
#: Layers that pass codes on, and a scale or bias, which streamlining moves away.
PASSING = ("Mul", "Add", "Sub", "Div", "Transpose", "Flatten", "Reshape", "Resize", "Upsample")
#: Layers that pass codes on, and which no scale or bias gets past.
STILL = (
    "MaxPool", "MaxPoolNHWC", "Concat", "Transpose", "Flatten", "Reshape",
    "UpsampleNearestNeighbour",
)  # fmt: skip


#: What is written on a threshold that is a sign: its type may be another one later, and of a sign,
#: which gives 1 for 0, no tie is to be rounded.
MARK = "sign"


def mark_signs(model: ModelWrapper) -> None:
    """Marks all signs of a graph in which they still are bipolar, in place."""
    for node in model.graph.node:
        if _is_sign(node):
            node.doc_string = MARK


def bits_for_others(model: ModelWrapper) -> int:
    """Bipolar activations that anything but weights reads become bits, times 2, minus 1, in place;
    returns how many.

    A threshold of FINN's RTL takes the bit that stands for -1 as 0. Times and minus end in its
    thresholds.
    """
    changed = 0
    for node in list(model.graph.node):
        if _is_sign(node) and not _only_weights_read(model, node.output[0]):
            _as_bits(model, node)
            changed += 1
    return changed


def _only_weights_read(model: ModelWrapper, tensor: str) -> bool:
    for reader in model.find_consumers(tensor) or []:
        if reader.op_type in PASSING:
            if not _only_weights_read(model, reader.output[0]):
                return False
        elif reader.op_type not in (*WEIGHTED, *STILL):  # for the latter see bits_for_thresholds
            return False
    return True


def _as_bits(model: ModelWrapper, node: Any) -> None:
    target = node.output[0]
    _give_bits(node)
    bit, twice = (model.make_new_valueinfo_name() for _ in range(2))
    place, shape = list(model.graph.node).index(node), model.get_tensor_shape(target)
    node.output[0] = bit
    for name, kind in ((bit, "BINARY"), (twice, "FLOAT32"), (target, "FLOAT32")):
        model.set_tensor_shape(name, shape)
        model.set_tensor_datatype(name, DataType[kind])
    for step, (operator, source, result, value) in enumerate(
        (("Mul", bit, twice, 2.0), ("Add", twice, target, -1.0)), 1
    ):
        constant = model.make_new_valueinfo_name()
        model.set_initializer(constant, np.asarray(value, np.float32))
        made = helper.make_node(operator, [source, constant], [result])
        model.graph.node.insert(place + step, made)


def _give_bits(sign: Any) -> None:
    getCustomOp(sign).set_nodeattr("out_dtype", "BINARY")
    _unscale(sign)


def _unscale(sign: Any) -> None:
    getCustomOp(sign).set_nodeattr("out_scale", 1.0)
    getCustomOp(sign).set_nodeattr("out_bias", 0.0)


def bits_for_thresholds(model: ModelWrapper) -> int:
    """The same for what only thresholds read, through layers that no scale gets past: bits, and
    thresholds of these, in place; returns of how many layers. For a streamlined graph.

    Raises `StageError` where weights read it, too.
    """
    changed = 0
    for node in model.graph.node:
        source = node.input[0]
        if node.op_type != "MultiThreshold":
            continue
        if model.get_tensor_datatype(source) == DataType["BIPOLAR"]:
            changed += _bits_around(model, node)
    return changed


def _bits_around(model: ModelWrapper, threshold: Any) -> int:
    tensors, signs, readers = _region(model, threshold)
    for sign in signs:
        _give_bits(sign)
    for tensor in tensors:
        model.set_tensor_datatype(tensor, DataType["BINARY"])
    for reader in readers:  # 2b - 1 >= t where b >= (t + 1) / 2
        steps = model.get_initializer(reader.input[1])
        reader.input[1] = model.make_new_valueinfo_name()
        model.set_initializer(reader.input[1], (steps + 1) / 2)
    return len(readers)


def _region(model: ModelWrapper, threshold: Any) -> tuple[list[str], list[Any], list[Any]]:
    """Tensors that hold the same signs as this layer's input, who makes them, who reads them."""
    tensors, signs, readers = [threshold.input[0]], [], []
    for tensor in tensors:  # grows meanwhile
        others: list[str] = []
        producer = model.find_producer(tensor)
        if producer is not None and _is_sign(producer):
            signs.append(producer)
        elif producer is not None and producer.op_type in STILL:
            others += producer.input
        else:
            raise _mixed(threshold.name)
        for reader in model.find_consumers(tensor) or []:
            if reader.op_type == "MultiThreshold":
                readers.append(reader)
            elif reader.op_type in STILL:
                others += reader.output
            else:
                raise _mixed(threshold.name)
        constants = [name for name in others if model.get_initializer(name) is not None]
        tensors += [n for n in dict.fromkeys(others) if n not in (*tensors, *constants)]
    return tensors, signs, readers


def _mixed(layer: str) -> StageError:
    return StageError(
        f"layer {layer} quantises 1-bit values that other layers read, too",
        "values of -1 and 1 that only weights, or only quantisers, read",
        "give the activation in front 2 bits",
    )


def widen_shared_signs(model: ModelWrapper) -> int:
    """Bipolar weights behind a bipolar activation that something else reads too, or that is joined
    with another, are declared as INT2, in place; returns how many.

    FINN takes a bipolar activation and bipolar weights for bits that are compared (XNOR), and has
    the activation give bits. Other weights take it as it is.
    """
    widened = 0
    for node in model.graph.node:
        if node.op_type not in WEIGHTED or len(node.input) < 2:
            continue
        is_bipolar = model.get_tensor_datatype(node.input[1]) == DataType["BIPOLAR"]
        has_weights = model.get_initializer(node.input[1]) is not None
        if is_bipolar and has_weights and not _is_alone(model, node.input[0]):
            model.set_tensor_datatype(node.input[1], DataType["INT2"])
            widened += 1
    return widened


def _is_alone(model: ModelWrapper, tensor: str) -> bool:
    """Whether nothing but one chain of layers leads from the quantiser to this tensor's reader."""
    while True:
        if len(model.find_consumers(tensor) or []) > 1:
            return False
        node = model.find_producer(tensor)
        if node is None or node.op_type == "MultiThreshold":
            return True
        inputs = [name for name in node.input if name and model.get_initializer(name) is None]
        if len(inputs) != 1:
            return False
        (tensor,) = inputs


def bare_signs(model: ModelWrapper) -> int:
    """Signs without a scale of their own, in place; returns how many there were.

    QONNX's threshold gives 0 or 1, times 2, minus 1. FINN's layer of a bipolar output gives the
    bit, which stands for -1 or 1, and takes neither scale nor bias; its refusal is for other types.
    """
    found = 0
    for node in model.graph.node:
        if _is_sign(node):
            _unscale(node)
            found += 1
    return found


def _is_sign(node: Any) -> bool:
    if node.op_type != "MultiThreshold":
        return False
    op = getCustomOp(node)
    scaled = op.get_nodeattr("out_scale"), op.get_nodeattr("out_bias")
    return bool(op.get_nodeattr("out_dtype") == "BIPOLAR" and scaled == (2.0, -1.0))
