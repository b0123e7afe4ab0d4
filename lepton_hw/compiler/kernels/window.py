"""Sliding windows for depthwise layers: the order in which they send, told the same everywhere.

A depthwise window sends channel group by channel group, each with its whole kernel. FINN's Python
model of it leaves the tensor kernel first, and FINN's layers behind it disagree on what they get;
here the tensor always has the order of the stream.
"""

from typing import Any

import numpy as np
from finn.custom_op.fpgadataflow.rtl.convolutioninputgenerator_rtl import (
    ConvolutionInputGenerator_rtl as FinnWindow,
)
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.errors import StageError

WINDOW = "ConvolutionInputGenerator"
PASSING = ("StreamingFIFO", "StreamingDataWidthConverter")


class ConvolutionInputGenerator_rtl(FinnWindow):  # type: ignore[misc] # noqa: N801 – FINN's name
    """FINN's, with a Python model that sends what its RTL sends."""

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:
        """As FINN's; where depthwise, the tensor is reordered to (…, channels/SIMD, kernel, SIMD)."""
        super().execute_node(context, graph)
        if self.get_nodeattr("depthwise") and self.get_nodeattr("exec_mode") != "rtlsim":
            name = self.onnx_node.output[0]
            channels, simd = self.get_nodeattr("IFMChannels"), self.get_nodeattr("SIMD")
            context[name] = to_groups(context[name], channels, simd)


def to_groups(tensor: NDArray[Any], channels: int, simd: int) -> NDArray[Any]:
    """Last axis (kernel, channels) to (channels/simd, kernel, simd)."""
    apart = tensor.reshape(*tensor.shape[:-1], -1, channels // simd, simd)
    return np.swapaxes(apart, -3, -2).reshape(tensor.shape)


def from_groups(tensor: NDArray[Any], channels: int, simd: int) -> NDArray[Any]:
    """The inverse of `to_groups`."""
    apart = tensor.reshape(*tensor.shape[:-1], channels // simd, -1, simd)
    return np.swapaxes(apart, -3, -2).reshape(tensor.shape)


def is_grouped(graph: Any, node: Any) -> bool:
    """Whether a layer's input has the order of the stream: not before windows have their RTL."""
    producers = [other for other in graph.node if node.input[0] in other.output]
    return not producers or producers[0].op_type not in ("Im2Col", WINDOW)


def require_same_fold(model: ModelWrapper, node: Any) -> None:
    """Raises `StageError` where the depthwise window that a layer reads has another SIMD than PE."""
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
