"""What a layer behind a depthwise sliding window must know of it: its order and its folding.

Such a window (RTL and, from specialisation on, FINN's Python model) sends channel group by channel
group, SIMD channels each with the whole kernel; a convolution's window sends kernel first.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.errors import StageError

WINDOW = "ConvolutionInputGenerator"
PASSING = ("StreamingFIFO", "StreamingDataWidthConverter")


def from_groups(tensor: NDArray[Any], channels: int, simd: int) -> NDArray[Any]:
    """Last axis (channels/simd, kernel, simd) to (kernel, channels)."""
    apart = tensor.reshape(*tensor.shape[:-1], channels // simd, -1, simd)
    return np.swapaxes(apart, -3, -2).reshape(tensor.shape)


def is_grouped(graph: Any, node: Any) -> bool:
    """Whether a layer's input has the order of the stream: not before windows have their RTL."""
    producers = [other for other in graph.node if node.input[0] in other.output]
    return not producers or producers[0].op_type not in ("Im2Col", WINDOW)


def require_same_fold(model: ModelWrapper, node: Any) -> None:
    """Raises `StageError` unless SIMD of the window that a layer reads is the layer's PE."""
    maker = model.find_producer(node.input[0])
    while maker is not None and maker.op_type.startswith(PASSING):
        maker = model.find_producer(maker.input[0])
    if maker is None or not maker.op_type.startswith(WINDOW):
        return
    simd, pe = getCustomOp(maker).get_nodeattr("SIMD"), getCustomOp(node).get_nodeattr("PE")
    if simd != pe:
        raise StageError(
            f"layer {node.name} has PE {pe} and its window {maker.name} has SIMD {simd}",
            "equal values",
            "change one of them in the folding file",
        )
