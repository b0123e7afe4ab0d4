"""Strides that end beyond an image, which FINN refuses: shortened, and no integer changes."""

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import get_by_name

#: Operators with a window that moves in strides.
MOVING = ("Conv", "MaxPool", "AveragePool")


def shorten_strides(model: ModelWrapper) -> int:
    """No stride longer than the way to the last window and one pixel more, in place; how many were.

    With ``way`` pixels behind the first window there are ``way // stride + 1`` of them, so that all
    strides beyond ``way`` give one. Pools that round up have more, and are left alone.
    """
    shortened = 0
    for node in model.graph.node:
        rounds_up = get_by_name(node.attribute, "ceil_mode")
        if node.op_type not in MOVING or (rounds_up is not None and rounds_up.i):
            continue
        strides, kernel = (get_by_name(node.attribute, n) for n in ("strides", "kernel_shape"))
        shape = model.get_tensor_shape(node.input[0])
        if strides is None or kernel is None or shape is None or len(kernel.ints) != len(shape) - 2:
            continue
        axes = len(kernel.ints)
        pads, dilations = (get_by_name(node.attribute, n) for n in ("pads", "dilations"))
        padding = list(pads.ints) if pads else [0] * 2 * axes
        spread = list(dilations.ints) if dilations else [1] * axes
        for axis, size in enumerate(shape[2:]):
            covered = spread[axis] * (kernel.ints[axis] - 1) + 1
            way = size + padding[axis] + padding[axes + axis] - covered
            if strides.ints[axis] > way + 1 > 0:
                strides.ints[axis] = way + 1
                shortened += 1
    return shortened
