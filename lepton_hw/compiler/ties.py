"""Makes FINN's thresholds round ties as QONNX does: half to even, where FINN rounds half up.

A quantiser sends a value that lies exactly between codes c - 1 and c to the even one of the two;
a threshold, which is passed by values equal to it, always gives c. On an accumulator of integers
such a tie is a threshold that is an integer itself, which happens whenever scales are powers of
two. Moved up by one half, it still separates the same integers except for the tie.
"""

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.compiler.signs import MARK

#: How near to an integer a threshold counts as one, relative: four steps of float32.
NEAR = 2.0**-21


def round_ties_to_even(model: ModelWrapper) -> int:
    """Moves thresholds of odd codes off integers, in place; returns how many it moved.

    Source of the rounding rule: QONNX's Quant operator, rounding_mode ROUND (half to even).
    """
    moved = 0
    for node in model.graph.node:
        if node.op_type != "MultiThreshold" or node.doc_string == MARK:
            continue  # a sign has no halves
        if not model.get_tensor_datatype(node.input[0]).is_integer():
            continue
        output = model.get_tensor_datatype(node.output[0])
        if not output.is_integer():
            continue
        thresholds = np.asarray(model.get_initializer(node.input[1]), dtype=np.float64)
        lowest = round(getCustomOp(node).get_nodeattr("out_bias"))
        codes = lowest + 1 + np.arange(thresholds.shape[1])
        whole = np.rint(thresholds)
        tie = np.abs(thresholds - whole) <= NEAR * np.maximum(1.0, np.abs(thresholds))
        odd = np.broadcast_to(codes % 2 == 1, thresholds.shape)
        model.set_initializer(
            node.input[1], np.where(tie & odd, whole + 0.5, thresholds).astype(np.float32)
        )
        moved += int((tie & odd).sum())
    return moved
