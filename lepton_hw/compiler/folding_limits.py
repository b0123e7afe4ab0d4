"""Foldings of a layer that FINN cannot build, or builds wrongly; the search does not offer them."""

from typing import Any

from lepton_hw.errors import StageError

#: FINN's bound on a weight stream; wider ones elaborate but do not route well.
MAX_STREAM_BITS = 8192
WINDOW = "ConvolutionInputGenerator"


def can_be_built(op: Any) -> bool:
    """Whether FINN builds the layer of this operator, as it is folded now."""
    return not _too_wide(op) and not _beyond_finn(op)


def _too_wide(op: Any) -> bool:
    return "MW" in op.get_nodeattr_types() and op.get_instream_width(1) > MAX_STREAM_BITS


def _beyond_finn(op: Any) -> bool:
    """Whether FINN would fail to write this sliding window, or write one that stands still.

    Where strides are longer than kernels, its circular buffer can be too small for the step to the
    next row, and what no window covers is counted modulo what they cover. One or two parallel
    windows leave a counter without bits.
    """
    if not op.onnx_node.op_type.startswith(WINDOW):
        return False
    names = ("IFMDim", "OFMDim", "ConvKernelDim", "Stride", "Dilation")
    for size, windows, kernel, stride, spread in zip(*map(op.get_nodeattr, names), strict=True):
        if size >= 2 * ((kernel - 1) * spread + 1 + (windows - 1) * stride):
            return True
    try:
        getattr(op, f"prepare_codegen_{op.select_impl_style()}")()
    except (AssertionError, ValueError):
        return True
    return False


def no_folding(op: Any) -> StageError:
    """The refusal of a layer that has none."""
    name = op.onnx_node.name
    if not op.onnx_node.op_type.startswith(WINDOW):
        return StageError(
            f"layer {name} has no folding with weights of at most {MAX_STREAM_BITS:,} bits a cycle",
            "one",
            "use fewer bits or channels",
        )
    kernel, stride, image = (
        "x".join(str(n) for n in op.get_nodeattr(key))
        for key in ("ConvKernelDim", "Stride", "IFMDim")
    )
    return StageError(
        f"FINN cannot build the windows of layer {name} at any folding (kernel {kernel}, stride "
        f"{stride}, on {image} pixels)",
        "a stride that is not longer than the kernel",
        "shorten the stride, or take a larger kernel",
    )
