"""Cuts off what the host does after the hardware: scale, bias, softmax, top-k at the graph's end.

What remains ends in integers; what was cut is returned as plain values for the input contract.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.errors import StageError

AFFINE = ("Mul", "Add", "Div", "Sub")
#: Axis of the channels, from the end: in hardware, and in QONNX's images.
LAST, FIRST = -1, -3
DECISIONS = {"Softmax": "softmax", "TopK": "top_k", "ArgMax": "argmax"}


@dataclass(frozen=True)
class HostTail:
    """A code c stands for ``scale * c + bias``; then `steps`, in order."""

    scale: tuple[float, ...]
    bias: tuple[float, ...]
    steps: tuple[str, ...]


def cut_host_tail(model: ModelWrapper) -> tuple[ModelWrapper, HostTail]:
    """Removes the trailing host operations in place and returns them; raises `StageError`.

    A change of layout to channels-first goes, too: outputs are channels-last at the door.
    """
    output = model.get_first_global_out()
    steps: list[str] = []
    affine: list[tuple[str, NDArray[np.float64]]] = []
    axis = _channel_axis(model)
    while (node := model.find_producer(output)) is not None:
        constant = _constant(model, node)
        if node.op_type in DECISIONS and not affine:
            steps.insert(0, DECISIONS[node.op_type])
        elif node.op_type in AFFINE and constant is not None and _is_per_channel(constant, axis):
            affine.insert(0, (node.op_type, constant))
        elif _to_channels_first(node) and axis == FIRST:
            axis = LAST  # the contract's layout
        else:
            break
        output = _data_input(model, node)
    scale, bias = _compose(affine)
    _end_at(model, output)
    if not model.get_tensor_datatype(output).is_integer():
        kind = model.get_tensor_datatype(output).name
        maker = model.find_producer(output)
        name = f"{maker.name} ({maker.op_type})" if maker is not None else output
        raise StageError(
            f"after streamlining, the last hardware layer {name} still gives {kind}",
            "integers",
            "quantise the inputs and weights of the last layer with one scale per tensor",
        )
    return model, HostTail(tuple(scale.tolist()), tuple(bias.tolist()), tuple(steps))


def _constant(model: ModelWrapper, node: Any) -> NDArray[np.float64] | None:
    values = [model.get_initializer(name) for name in node.input]
    known = [value for value in values if value is not None]
    # Sub and Div are affine in the data only if the constant stands second.
    if len(known) != 1 or (node.op_type in ("Sub", "Div") and values[0] is not None):
        return None
    return np.asarray(known[0], dtype=np.float64)


def _is_per_channel(constant: NDArray[np.float64], axis: int) -> bool:
    if constant.size == 1:
        return True
    return constant.ndim >= -axis and constant.shape[axis] == constant.size


def _channel_axis(model: ModelWrapper) -> int:
    """`FIRST` where the graph ends in an image that was channels-last further up."""
    node = model.find_producer(model.get_first_global_out())
    while node is not None and node.op_type in (*AFFINE, *DECISIONS):
        node = model.find_producer(_data_input(model, node))
    return FIRST if node is not None and _to_channels_first(node) else LAST


def _to_channels_first(node: Any) -> bool:
    if node.op_type != "Transpose":
        return False
    return next((list(a.ints) for a in node.attribute if a.name == "perm"), []) == [0, 3, 1, 2]


def _data_input(model: ModelWrapper, node: Any) -> str:
    return next(str(name) for name in node.input if model.get_initializer(name) is None)


def _compose(
    affine: list[tuple[str, NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scale, bias = np.ones(1), np.zeros(1)
    for kind, constant in affine:
        value = constant.reshape(-1)
        match kind:
            case "Mul":
                scale, bias = scale * value, bias * value
            case "Div":
                scale, bias = scale / value, bias / value
            case "Add":
                bias = bias + value
            case "Sub":
                bias = bias - value
    return scale, bias


def _end_at(model: ModelWrapper, tensor: str) -> None:
    """Makes `tensor` the only output and removes every node that no longer leads to it."""
    if tensor == model.get_first_global_out():
        return
    info = model.get_tensor_valueinfo(tensor)
    del model.graph.output[:]
    model.graph.output.append(info)
    needed = {tensor}
    for node in reversed(list(model.graph.node)):
        if needed.isdisjoint(node.output):
            model.graph.node.remove(node)
        else:
            needed.update(node.input)
    kept = [value for value in model.graph.value_info if value.name != tensor]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)
