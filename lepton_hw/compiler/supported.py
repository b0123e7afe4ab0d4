"""Says, layer by layer, what has no RTL; a graph that passes here becomes a design.

Only reads the graph.
"""

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.errors import StageError

HARDWARE = "finn.custom_op.fpgadataflow"
LAYERS = ("Conv", "MatMul", "Gemm", "MaxPool", "AveragePool")


def require_padding_inside(model: ModelWrapper) -> None:
    """Before conversion: FINN looks for axes in every Pad, and fails where there are none."""
    alone = [node for node in model.graph.node if node.op_type == "Pad" and len(node.input) < 4]
    if alone:
        raise StageError(
            f"layer {alone[0].name} (Pad) pads other than a convolution, or not with zeros",
            "padding as zeros in front of a convolution",
            "let the layer behind it pad",
        )


def require_zeros(model: ModelWrapper) -> None:
    """Before conversion: FINN pads with zeros only, and signs have none."""
    for node in model.graph.node:
        if node.op_type != "Im2Col" or not any(getCustomOp(node).get_nodeattr("pad_amount")):
            continue
        kind = model.get_tensor_datatype(node.input[0])
        if not kind.allowed(0):
            raise StageError(
                f"layer {node.name} pads {kind.name} codes with zeros, which are none of them",
                "an activation with a code for zero in front of padding",
                "quantise it to 0 and 1 behind a ReLU, or to 2 bits, or do not pad",
            )


def require_mapped(model: ModelWrapper) -> None:
    """After conversion: every node but a layout change at the input must be a hardware layer."""
    inputs = {value.name for value in model.graph.input}
    unmapped = [
        node
        for node in model.graph.node
        if not node.domain.startswith(HARDWARE)
        # NCHW to NHWC: the contract's layout, done by whoever sends the image
        and not (node.op_type == "Transpose" and node.input[0] in inputs)
    ]
    if not unmapped:
        return
    # A layer that computes says more than the scale or the reshaping beside it.
    first = min(unmapped, key=lambda node: node.op_type not in LAYERS)
    kind = model.get_tensor_datatype(first.input[0]).name
    maker = model.find_producer(first.input[0])
    behind = f" behind {maker.name}" if maker is not None else ""
    remedy = "replace or requantise that layer"
    if first.op_type in LAYERS and kind.startswith("FLOAT"):
        remedy = "put a quantiser in front of that layer"
    elif first.op_type in ("Mul", "Add"):
        remedy = "fold its constant into a quantiser"
    raise StageError(
        f"layer {first.name} ({first.op_type} of {kind}{behind}) has no hardware implementation "
        f"in FINN; operators without one in this network: "
        f"{', '.join(sorted({node.op_type for node in unmapped}))}",
        "convolutions, fully connected layers, quantised activations and pooling",
        remedy,
    )


def require_rtl(model: ModelWrapper) -> None:
    """After specialisation: no layer may have fallen back to HLS, which needs Vitis."""
    without = [node for node in model.graph.node if not node.op_type.endswith("_rtl")]
    if without:
        first = without[0]
        others = sorted({node.op_type.removesuffix("_hls") for node in without})
        raise StageError(
            f"layer {first.name.replace('_hls', '')} "
            f"({first.op_type.removesuffix('_hls')}, {_types(first)}) "
            f"has no RTL implementation; operators without one in this network: "
            f"{', '.join(others)}",
            "layers that FINN or a kernel of ours (docs/kernels.md) builds from RTL",
            "quantise its inputs to integers, or put another layer in its place; where it is the "
            "last one, leave it to the host",
        )


def require_static_weights(model: ModelWrapper) -> None:
    """Weights must be constants that the design holds itself."""
    for node in model.graph.node:
        op = getCustomOp(node)
        if "mem_mode" not in op.get_nodeattr_types():
            continue
        mode = op.get_nodeattr("mem_mode")
        if mode not in ("internal_decoupled", "internal_embedded"):
            raise StageError(
                f"layer {node.name} has mem_mode '{mode}'",
                "internal_decoupled or internal_embedded",
                "change it in the folding file",
            )


def _types(node: object) -> str:
    op = getCustomOp(node)
    types = [op.get_input_datatype(0).name]
    if node.op_type.startswith(("MVAU", "VVAU")):  # type: ignore[attr-defined]
        types.append(op.get_input_datatype(1).name + " weights")
    return ", ".join(types)
