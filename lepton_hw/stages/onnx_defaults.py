"""Writes out the attributes of convolutions and pools that ONNX lets an exporter leave out.

FINN and QONNX read them without looking whether they are there. Changes no result.
"""

from collections.abc import Sequence
from typing import Any

from lepton_hw.errors import InputError

WINDOWS = ("Conv", "MaxPool", "AveragePool")
MODES = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


def write_defaults(model: Any) -> None:
    """Gives every window operator of a graph with known shapes all its attributes.

    ``auto_pad`` becomes explicit padding, in ONNX's order: all beginnings, then all ends.
    Raises `InputError` naming a layer whose shape is not known.
    """
    for node in model.graph.node:
        if node.op_type in WINDOWS:
            _window(model, node)


def _window(model: Any, node: Any) -> None:
    given = {attribute.name: _value(attribute) for attribute in node.attribute}
    shape = model.get_tensor_shape(node.input[0])
    kernel = given.get("kernel_shape")
    if kernel is None and node.op_type == "Conv":
        weights = model.get_tensor_shape(node.input[1])
        kernel = None if weights is None else list(weights[2:])
    if shape is None or kernel is None:
        raise InputError(
            f"layer '{node.name}' ({node.op_type}) does not say how large its window is",
            "known shapes and a kernel_shape",
            "export the model again",
        )
    axes = len(kernel)
    full: dict[str, Any] = {
        "kernel_shape": kernel,
        "strides": given.get("strides", [1] * axes),
        "pads": given.get("pads", [0] * 2 * axes),
    }
    if node.op_type == "Conv":
        full |= {"dilations": given.get("dilations", [1] * axes), "group": given.get("group", 1)}
    mode = given.get("auto_pad", "NOTSET")
    _require_whole(node, full, mode, axes)
    if mode.startswith("SAME"):
        dilations = given.get("dilations", [1] * axes)
        full["pads"] = _same(shape[2:], kernel, full["strides"], dilations, mode == "SAME_UPPER")
    _set(node, full)


def _require_whole(node: Any, full: dict[str, Any], mode: str, axes: int) -> None:
    """A window has as many numbers as axes; padding has two for each."""
    wrong = [
        name
        for name, value in full.items()
        if name != "group" and len(value) != (2 * axes if name == "pads" else axes)
    ]
    if wrong or mode not in MODES:
        shown = f"{wrong[0]} {list(full[wrong[0]])}" if wrong else f"auto_pad '{mode}'"
        raise InputError(
            f"layer '{node.name}' ({node.op_type}) has {shown}",
            f"numbers for {axes} axes, and one of {', '.join(MODES)}",
            "export the model again",
        )


def _same(
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    upper: bool,
) -> list[int]:
    """Padding that makes ceil(size / stride) windows; the odd one goes to the end if `upper`."""
    before, after = [], []
    for size, taps, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        windows = -(-size // stride)
        total = max((windows - 1) * stride + (taps - 1) * dilation + 1 - size, 0)
        less, more = total // 2, total - total // 2
        before.append(less if upper else more)
        after.append(more if upper else less)
    return before + after


def _value(attribute: Any) -> Any:
    from onnx import helper

    value = helper.get_attribute_value(attribute)
    return value.decode() if isinstance(value, bytes) else value


def _set(node: Any, values: dict[str, Any]) -> None:
    from onnx import helper

    kept = [a for a in node.attribute if a.name not in (*values, "auto_pad")]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.extend(helper.make_attribute(name, value) for name, value in values.items())
