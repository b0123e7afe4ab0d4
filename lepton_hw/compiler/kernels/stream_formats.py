"""Number formats, memory words and simulation of kernels that move and combine plain integers.

Knows FINN's datatypes and the interface of its ops, not what any op computes.
"""

from typing import Any

import numpy as np
from finn.util.data_packing import npy_to_rtlsim_input, rtlsim_output_to_npy
from numpy.typing import NDArray

from lepton_hw.compiler.kernels import dot_formats
from lepton_hw.errors import StageError

#: Widest number of these kernels.
MOST_BITS = 62


def is_integer(dtype: Any) -> bool:
    """Whether the kernels can hold it: an integer, not a fraction in disguise."""
    return bool(dtype.is_integer() and not dtype.is_fixed_point())


def format_of(dtype: Any, layer: str) -> int:
    """Format number as in ``dot_pkg``; raises `StageError` for what is no integer."""
    if not is_integer(dtype):
        raise StageError(
            f"layer {layer} has numbers of type {dtype.name}",
            "integers",
            "quantise the layer's inputs",
        )
    return dot_formats.activation_kind(dtype, xnor=False)


def holding(low: int, high: int) -> str:
    """Name of the narrowest FINN type for all integers from `low` to `high`."""
    if low >= 0:
        return "BINARY" if high <= 1 else f"UINT{int(high).bit_length()}"
    return f"INT{max(int(-low - 1).bit_length(), int(high).bit_length()) + 1}"


def value_range(dtype: Any) -> tuple[int, int]:
    """Lowest and highest value of an integer type."""
    return int(dtype.min()), int(dtype.max())


def hex_words(values: NDArray[Any], dtype: Any) -> str:
    """Text for $readmemh of integers, shape (words, lanes); lane 0 in the lowest bits."""
    bits, lanes = dtype.bitwidth(), values.shape[1]
    codes = np.rint(values).astype(np.int64)
    if dtype.name == "BIPOLAR":
        codes = (codes + 1) // 2
    planes = (codes[:, :, None] >> np.arange(bits)) & 1
    flat = planes.reshape(len(codes), lanes * bits).astype(np.uint8)
    digits = -(-flat.shape[1] // 4)
    packed = np.packbits(flat, axis=1, bitorder="little")[:, ::-1]
    return "".join(f"{row.tobytes().hex()[-digits:]:0>{digits}}\n" for row in packed)


def table_style(requested: str, depth: int) -> str:
    """What a constant memory of `depth` words asks of synthesis, as the estimates assume.

    Small ones ask nothing: they become LUTs anyhow, and Yosys refuses ``distributed`` for a ROM.
    """
    small = depth <= dot_formats.LUT_MEMORY_DEPTH
    if requested == "block" or (requested != "distributed" and not small):
        return "block"
    return "auto" if small else "distributed"


def counts_per_output(op: Any) -> dict[str, int]:
    """Beats of each output in a frame, as FINN's rtlsim wants them."""
    return {
        f"out{i}": int(np.prod(op.get_folded_output_shape(i)[:-1]))
        for i in range(len(op.onnx_node.output))
    }


def simulate(op: Any, context: dict[str, Any]) -> None:
    """FINN's rtlsim of one node; unlike FINN's own it skips inputs that are no streams."""
    node = op.onnx_node
    inputs = {}
    for i, name in enumerate(node.input):
        width = op.get_instream_width(i)
        if width == 0:
            continue
        values = np.asarray(context[name], np.float32).reshape(op.get_folded_input_shape(i))
        inputs[f"in{i}"] = npy_to_rtlsim_input(values, op.get_input_datatype(i), width)
    outputs: dict[str, Any] = {f"out{i}": [] for i in range(len(node.output))}
    traffic = {"inputs": inputs, "outputs": outputs}
    sim = op.get_rtlsim()
    op.reset_rtlsim(sim)
    op.rtlsim_multi_io(sim, traffic)
    op.close_rtlsim(sim)
    for i, name in enumerate(node.output):
        kind = op.get_output_datatype(i)
        values = rtlsim_output_to_npy(
            outputs[f"out{i}"], None, kind, op.get_folded_output_shape(i),
            op.get_outstream_width(i), kind.bitwidth(),
        )  # fmt: skip
        context[name] = np.asarray(values, np.float32).reshape(op.get_normal_output_shape(i))


def constant(model: Any, name: str, layer: str) -> NDArray[Any]:
    """An initializer of integers; raises `StageError` where there is none."""
    values = model.get_initializer(name)
    if values is None or (np.rint(values) != values).any():
        raise StageError(
            f"the constant {name} of layer {layer} is "
            + ("missing" if values is None else "not whole"),
            "constant integers",
            "quantise the network so that its constants are integers",
        )
    return np.asarray(values)
