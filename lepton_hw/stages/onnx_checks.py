"""What an ONNX file from elsewhere must be before anything is done with it.

Every check raises one `InputError`; none changes the model.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.errors import InputError
from lepton_hw.onnx_tensors import require_one_file, tensors
from lepton_hw.qonnx_names import ENLARGING, QUANT, QUANTISERS
from lepton_hw.stages.onnx_structure import require_plain

MAX_BYTES = 1 << 30
LAYERS = ("Conv", "MatMul", "Gemm")
DECISIONS = {"Softmax": "softmax", "LogSoftmax": "softmax", "TopK": "top_k", "ArgMax": "argmax"}
HOST_HEAD = ("Mul", "Add", "Sub", "Div", "Reshape", "Flatten", "Identity")
KNOWN = {
    *QUANTISERS, *LAYERS, *DECISIONS, *HOST_HEAD, *ENLARGING, "MultiThreshold", "Trunc",
    "BatchNormalization", "Relu", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean",
    "Transpose", "Concat", "Split", "Pad", "Sigmoid", "HardTanh", "Clip", "Im2Col", "Squeeze",
    "Unsqueeze",
}  # fmt: skip
#: Arithmetic of shapes and constants, which simplification removes.
FOLDABLE = {
    "Constant", "ConstantOfShape", "Shape", "Gather", "Cast", "Slice", "Pow", "Sqrt", "Neg", "Abs",
    "Reciprocal", "Exp", "Floor", "Ceil", "Round", "Expand", "Tile", "Range", "Where", "Equal",
    "Min", "Max", "ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "Sign",
}  # fmt: skip
#: ONNX's codes of what numpy computes with: floats of 16, 32 and 64 bits, integers of 8 to 64.
NUMBERS = (1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13)
#: FINN turns an activation of b bits into 2^b - 1 thresholds and refuses more than 8 bits.
MAX_BITS = 8
#: The widest door: wider codes are no pixels, and float32 would not hold their products.
MAX_INPUT_BITS = 16


def read_onnx(file: Path) -> Any:
    """Parses an ONNX file without touching any other file or module that it may point to."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    if file.stat().st_size > MAX_BYTES:
        raise InputError(
            f"{file} has {file.stat().st_size:,} bytes", f"at most {MAX_BYTES:,}", "check the path"
        )
    try:
        proto = onnx.load(str(file), load_external_data=False)
    except (DecodeError, ValueError, OSError):
        proto = None
    if proto is None or not proto.graph.node or not proto.graph.input:
        raise InputError(
            f"{file} is not an ONNX model", "a QONNX file", "check the path of --model"
        )
    require_plain(proto, file)
    require_one_file(proto, file)
    for tensor in tensors(proto.graph):
        _require_finite(tensor, file)
    _require_static(proto.graph, file)
    return proto


def _require_finite(tensor: Any, file: Path) -> None:
    from onnx import numpy_helper

    try:
        value = numpy_helper.to_array(tensor)
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(
            f"{file}: tensor '{tensor.name}' cannot be read ({error})",
            "as many values as its shape has",
            "export the model again",
        ) from None
    if value.dtype.kind not in "fiub":  # text, bfloat16 and the like, which numpy does not compute
        raise InputError(
            f"{file}: tensor '{tensor.name}' holds no plain numbers ({value.dtype})",
            "float32 or integers",
            "export the model in float32",
        )
    require_finite(value, f"{file}: tensor '{tensor.name}' holds NaN or infinity")


def require_finite(value: NDArray[Any], found: str) -> None:
    """Floats must be numbers; `found` is what to say where one is none."""
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise InputError(found, "finite numbers", "train the model again")


def _require_static(graph: Any, file: Path) -> None:
    known = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in known]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise InputError(
            f"{file} has {len(inputs)} inputs and {len(graph.output)} outputs",
            "one input and one output",
            "cut the model to the part that the board shall run",
        )
    sizes = [
        d.dim_value if d.HasField("dim_value") else (d.dim_param or "?")
        for d in inputs[0].type.tensor_type.shape.dim
    ]
    if not sizes or any(not isinstance(size, int) or size < 1 for size in sizes) or sizes[0] != 1:
        raise InputError(
            f"{file}: input '{inputs[0].name}' has shape {sizes}",
            "fixed sizes with batch 1 in front",
            "export it again with a static batch of 1",
        )
    if inputs[0].type.tensor_type.elem_type not in NUMBERS:
        raise InputError(
            f"{file}: input '{inputs[0].name}' takes no numbers",
            "floats or integers",
            "export it again with a float32 input",
        )


def require_known(model: Any, file: Path, *, foldable: bool = False) -> None:
    """Every operator must be one that the flow has heard of, or, before simplifying, `FOLDABLE`."""
    for node in model.graph.node:
        if node.op_type not in KNOWN and not (foldable and node.op_type in FOLDABLE):
            name = node.name or next(iter(node.output), "")
            raise InputError(
                f"{file}: layer '{name}' ({node.op_type}) is not supported",
                "convolutions, dense layers, pooling, quantisers and element-wise operators",
                "replace that layer and train again",
            )


def require_quantised(model: Any, file: Path) -> None:
    """Every weight must come out of a quantiser or be an integer tensor."""
    for node in model.graph.node:
        if node.op_type not in LAYERS:
            continue
        for name in node.input[:2]:
            weight = model.get_initializer(name)
            if weight is not None and not model.get_tensor_datatype(name).is_integer():
                raise InputError(
                    f"{file}: layer '{node.name}' ({node.op_type}) has float weights",
                    "weights behind a quantiser (a Quant node of QONNX)",
                    "train it with Brevitas or QKeras and export QONNX",
                )


def require_bit_widths(model: Any, file: Path) -> None:
    """Quantisers must give whole numbers of bits: weights up to 8, activations 1 to 8."""
    for node in model.graph.node:
        if node.op_type not in QUANT:
            continue
        bits = model.get_initializer(node.input[3]) if len(node.input) > 3 else None
        if bits is None or np.size(bits) != 1:
            raise InputError(
                f"{file}: quantiser '{node.name}' does not say how many bits it has",
                "one constant bit width",
                "export the model again",
            )
        width = float(np.reshape(bits, -1)[0])
        first = node.input[0] == model.graph.input[0].name
        most = MAX_INPUT_BITS if first else MAX_BITS
        if not (1 <= width <= most and width.is_integer()):  # NaN is neither
            raise InputError(
                f"{file}: quantiser '{node.name}' has {width:g} bits",
                f"a whole number from 1 to {most}",
                "train the model with fewer bits",
            )
