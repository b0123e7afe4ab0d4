"""Number formats and weight memories of the kernels built on ``dot.sv``, and their LUT model.

Knows FINN's datatypes, not its ops.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.errors import StageError

UNSIGNED, SIGNED, BIPOLAR, TERNARY = range(4)

SOURCES = (
    "dot_pkg.sv", "sum_pipeline.sv", "dot_chunk.sv", "dot.sv", "accumulator.sv", "dot_rows.sv",
    "weight_rom.sv", "weight_planes.sv",
)  # fmt: skip
#: Words up to which a memory is made of LUTs, as in FINN's estimates.
LUT_MEMORY_DEPTH = 128

#: LUTs to multiply one bit of an activation by one of a weight and to add it up, in products of
#: four bits and below.
LUTS_PER_BIT_PRODUCT = 2.0


def activation_kind(dtype: Any, xnor: bool) -> int:
    """Format of an activation type; `xnor` is FINN's binaryXnorMode."""
    return SIGNED if dtype.name == "TERNARY" else weight_kind(dtype, xnor)


def weight_kind(dtype: Any, xnor: bool) -> int:
    """Format of a weight type; raises `StageError` for what is no integer."""
    if dtype.name == "BIPOLAR" or (xnor and dtype.name == "BINARY"):
        return BIPOLAR
    if dtype.name == "TERNARY":
        return TERNARY
    if not dtype.is_integer() or dtype.is_fixed_point():
        raise StageError(
            f"a matrix layer has operands of type {dtype.name}",
            "integers",
            "quantise the layer's weights and inputs",
        )
    return SIGNED if dtype.signed() else UNSIGNED


def planar_words(codes: NDArray[Any], bits: int) -> str:
    """Text for $readmemh of weights, shape (words, rows, elements), two's complement if negative.

    Bit (row * bits + k) * elements + i of a word is bit k of weight i of that row.
    """
    words, rows, elements = codes.shape
    values = np.rint(codes).astype(np.int64)
    planes = (values[:, :, None, :] >> np.arange(bits)[None, None, :, None]) & 1
    flat = planes.reshape(words, rows * bits * elements).astype(np.uint8)
    digits = -(-flat.shape[1] // 4)
    packed = np.packbits(flat, axis=1, bitorder="little")[:, ::-1]
    return "".join(f"{row.tobytes().hex()[-digits:]:0>{digits}}\n" for row in packed)


def narrowest(weights: NDArray[Any], keep_sum: bool) -> str:
    """Name of the narrowest type that holds all weights.

    With `keep_sum`, BIPOLAR is left out: next to a bipolar input it would change the function
    (FINN counts equal bits there instead of adding products).
    """
    low, high = int(weights.min()), int(weights.max())
    if low >= 0:
        return "BINARY" if high <= 1 else f"UINT{high.bit_length()}"
    if low >= -1 and high <= 1:
        return "TERNARY" if keep_sum or (weights == 0).any() else "BIPOLAR"
    return f"INT{max((-low - 1).bit_length(), high.bit_length()) + 1}"


def sum_bits(n: int, a_bits: int, w_bits: int) -> int:
    """Bits of the largest sum of `n` products."""
    return a_bits + w_bits + max(0, math.ceil(math.log2(n)))


def dot_luts(rows: int, n: int, a_bits: int, w_bits: int, acc_bits: int, fold: int) -> int:
    """LUTs of `rows` dot products of `n` elements with accumulators, fitted to Yosys for xc7.

    An accumulator bit costs 1; the bits of wider products cost more to add, at 4 x 4 bits 2.6.
    """
    bits = a_bits * w_bits
    compress = n * bits * min(3.0, LUTS_PER_BIT_PRODUCT + 0.05 * max(0, bits - 4))
    accumulate = acc_bits if fold > 1 else 0
    return math.ceil(rows * (compress + accumulate))


def repeat_luts(width: int, length: int, times: int) -> int:
    """LUTs of the buffer that repeats a vector: RAM32M, four LUTs for 32 words of 6 bits."""
    return 0 if times == 1 else -(-width // 6) * 4 * -(-length // 32)


def memory_luts(depth: int, width: int) -> int:
    """LUTs of a read-only memory made of LUTs: 64 bits each, and multiplexers beyond that."""
    return 0 if depth == 1 else math.ceil(depth / 64) * width


def memory_brams(depth: int, width: int) -> int:
    """18-kbit block RAMs of a memory, in the cheapest of the primitive's shapes (AMD UG473)."""
    shapes = ((1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024), (36, 512))
    return min(math.ceil(width / w) * math.ceil(depth / d) for w, d in shapes)
