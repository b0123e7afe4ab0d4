"""Writes two things of a graph as FINN takes them, without a change to any integer.

FINN refuses a stride beyond the image, also where there is but one window, and a bipolar activation
in front of anything but bipolar weights.
"""

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.util.basic import get_by_name

#: Operators with a window that moves in strides.
MOVING = ("Conv", "MaxPool", "AveragePool")


def shorten_strides(model: ModelWrapper) -> int:
    """No stride longer than the way to the last window and one pixel more, in place; how many were.

    With ``way`` pixels behind the first window there are ``way // stride + 1`` of them, so that all
    strides beyond ``way`` give one.
    """
    shortened = 0
    for node in model.graph.node:
        if node.op_type not in MOVING:
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


def bare_signs(model: ModelWrapper) -> int:
    """Signs without a scale of their own, in place; returns how many there were.

    QONNX's threshold gives 0 or 1, times 2, minus 1. FINN's layer of a bipolar output gives the
    bit, which stands for -1 or 1, and takes neither scale nor bias; its refusal is for other types.
    """
    found = 0
    for node in model.graph.node:
        if node.op_type != "MultiThreshold":
            continue
        op = getCustomOp(node)
        scaled = op.get_nodeattr("out_scale"), op.get_nodeattr("out_bias")
        if op.get_nodeattr("out_dtype") == "BIPOLAR" and scaled == (2.0, -1.0):
            op.set_nodeattr("out_scale", 1.0)
            op.set_nodeattr("out_bias", 0.0)
            found += 1
    return found
