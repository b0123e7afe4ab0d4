"""Integers ↔ stream beats, on whole NumPy batches.

A beat holds the last axis of a folded tensor, element 0 in the lowest bits, each element in
`bits` bits (two's complement where signed); unused high bits of a beat are written as 0 and
ignored on reading. It knows nothing of streams in time.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.datatypes import value_range
from lepton_hw.errors import InputError

Words = NDArray[np.uint32]
Codes = NDArray[np.int64]

_BLOCK = 1 << 22  # bits unpacked at a time: one byte each, so 4 MiB of scratch memory


def words_per_beat(width: int) -> int:
    """32-bit words that hold a beat of `width` bits."""
    return -(-width // 32)


def pack(values: NDArray[Any], elements: int, bits: int, width: int, dtype: str) -> Words:
    """Integers of any shape, C order, `elements` to a beat → beats, shape (beats, words).

    `values.size` must be a multiple of `elements`, every value in the range of `dtype`.
    """
    codes = np.ascontiguousarray(values, dtype=np.int64).reshape(-1, elements)
    if dtype == "BIPOLAR":
        codes = (codes + 1) >> 1
    words = np.zeros((len(codes), words_per_beat(width)), np.uint32)
    step = max(1, _BLOCK // (elements * 64))
    for start in range(0, len(codes), step):
        block = codes[start : start + step].astype("<u8", copy=False)
        raw = block.view(np.uint8).reshape(len(block), elements, 8)
        bit = np.unpackbits(raw, axis=2, bitorder="little", count=bits)
        packed = np.packbits(bit.reshape(len(block), -1), axis=1, bitorder="little")
        words.view(np.uint8)[start : start + step, : packed.shape[1]] = packed
    return words if words.dtype == np.dtype("<u4") else words.byteswap()


def unpack(words: Words, elements: int, bits: int, dtype: str) -> Codes:
    """Beats, shape (beats, words) → integers, shape (beats, elements), int64, sign-extended."""
    codes = np.empty((len(words), elements), np.int64)
    raw = np.ascontiguousarray(words, dtype="<u4").view(np.uint8)
    step = max(1, _BLOCK // (elements * 64))
    for start in range(0, len(words), step):
        block = raw[start : start + step]
        bit = np.unpackbits(block, axis=1, bitorder="little", count=elements * bits)
        spread = np.zeros((len(block), elements, 64), np.uint8)
        spread[:, :, :bits] = bit.reshape(len(block), elements, bits)
        whole = np.packbits(spread, axis=2, bitorder="little")
        codes[start : start + step] = whole.view("<i8")[:, :, 0]
    low, _ = value_range(dtype)
    if dtype == "BIPOLAR":
        codes = 2 * codes - 1
    elif low < 0:
        codes = (codes << (64 - bits)) >> (64 - bits)
    return codes


def checked(values: NDArray[Any], shape: tuple[int, ...], dtype: str, name: str) -> Codes:
    """The batch as int64, shape (frames, *shape); raises `InputError` where it does not fit."""
    remedy = "pass the integers that the input contract describes"
    if values.ndim != len(shape) + 1 or values.shape[1:] != shape:
        raise InputError(
            f"the batch for {name} has shape {values.shape}",
            f"(frames, {', '.join(map(str, shape))})",
            remedy,
        )
    if values.dtype.kind not in "biuf":
        raise InputError(f"the batch for {name} holds {values.dtype}", "integers", remedy)
    if values.dtype.kind == "f" and not (
        np.isfinite(values).all() and (values == np.rint(values)).all()
    ):
        found = "NaN or infinity" if not np.isfinite(values).all() else "fractions"
        raise InputError(f"the batch for {name} holds {found}", "integers", remedy)
    low, high = value_range(dtype)
    if values.size and (values.min() < low or values.max() > high):
        raise InputError(
            f"the batch for {name} holds values from {values.min()} to {values.max()}",
            f"{dtype} ({low} to {high})",
            remedy,
        )
    codes = values.astype(np.int64)
    if dtype == "BIPOLAR" and (codes == 0).any():
        raise InputError(f"the batch for {name} holds 0", "only -1 and 1 (BIPOLAR)", remedy)
    return codes
