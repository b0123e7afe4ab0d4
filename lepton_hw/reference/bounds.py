"""How large numbers can become, from the weights as they are, and the cheapest exact type for that.

Every choice follows from worst cases; nothing is measured or guessed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lepton_hw.errors import StageError

Ints = NDArray[np.int64]

#: Largest magnitude up to which every integer has a float of that width (IEEE 754: 24 and 53 bits).
FLOAT32, FLOAT64 = 1 << 24, 1 << 53
INT32, INT64 = (1 << 31) - 1, (1 << 63) - 1
INT8 = (-128, 127)


@dataclass(frozen=True)
class Arithmetic:
    """How a layer's sums are computed.

    `kind` is int8 (operands int8, sums int32), float32, float64 or int64; `zero` is subtracted
    from the inputs first, which makes codes of 0 to 255 fit int8.
    """

    kind: str
    zero: int = 0


def _positive_and_negative(columns: Ints) -> list[tuple[int, int]]:
    """For each column the sum of its positive weights, and that of its negative ones."""
    if columns.size and max(-int(columns.min()), int(columns.max())) * columns.shape[1] > INT64:
        return [
            (sum(w for w in row if w > 0), sum(w for w in row if w < 0)) for row in columns.tolist()
        ]
    positive = np.where(columns > 0, columns, 0).sum(axis=1)
    negative = np.where(columns < 0, columns, 0).sum(axis=1)
    return list(zip(positive.tolist(), negative.tolist(), strict=True))


def of_sums(columns: Ints, offset: Ints, shift: int, low: int, high: int) -> tuple[int, int]:
    """Smallest and largest ``(sum of w × x + offset) >> shift``, x from `low` to `high`.

    Args:
        columns: weights of each result, (N, K).
        offset: added to each, (N,) or (1,).
    """
    offsets = np.broadcast_to(offset, len(columns)).tolist()
    lows, highs = [], []
    for (positive, negative), added in zip(_positive_and_negative(columns), offsets, strict=True):
        lows.append((positive * low + negative * high + added) >> shift)
        highs.append((positive * high + negative * low + added) >> shift)
    return min(lows), max(highs)


def magnitude(columns: Ints, low: int, high: int) -> int:
    """Bound of all partial sums in any order: the largest sum of ``|w × x|`` over a column."""
    largest = max(abs(low), abs(high))
    sums = [positive - negative for positive, negative in _positive_and_negative(columns)]
    return max(sums, default=0) * largest


def choose(
    layer: str, columns: Ints, offset: Ints, low: int, high: int, fast_int8: bool
) -> Arithmetic:
    """The cheapest arithmetic in which every partial sum of the layer is exact.

    The sums of products are integers. In floating point an integer operation is exact while its
    result has an exact representation, whatever the order of summation, so a bound on partial sums
    proves the whole; a fused multiply-add needs no more.

    Args:
        layer: its name, for the error.
        columns, offset: weights (N, K) and what is added to the sums, (N,).
        low, high: bounds of the inputs.
        fast_int8: whether the machine multiplies int8 faster than float32.

    Raises:
        StageError: where sums may exceed 63 bits.
    """
    added = max((abs(value) for value in offset.tolist()), default=0)
    worst = magnitude(columns, low, high) + added
    if worst > INT64:
        raise too_large(layer, worst)
    weights_fit = not columns.size or (INT8[0] <= columns.min() and columns.max() <= INT8[1])
    zero = 0 if INT8[0] <= low and high <= INT8[1] else high - INT8[1]
    if fast_int8 and weights_fit and high - low <= 255:
        shifted = magnitude(columns, low - zero, high - zero)
        correction = magnitude(columns, -abs(zero), abs(zero))
        if shifted <= INT32 and worst + correction <= INT32:
            return Arithmetic("int8", zero)
    if worst <= FLOAT32:
        return Arithmetic("float32")
    return Arithmetic("float64" if worst <= FLOAT64 else "int64")


def too_large(layer: str, worst: int) -> StageError:
    """The refusal of a layer whose numbers may not fit 64 bits."""
    return StageError(
        f"the numbers of layer '{layer}' may reach {worst} (2^{worst.bit_length() - 1} and more)",
        "at most 2^63 - 1, in the worst case that its weights allow",
        "use fewer bits in that layer",
    )


def storage(low: int, high: int) -> str:
    """The narrowest integer type of torch that holds both."""
    for name, least, most in (
        ("int8", *INT8),
        ("uint8", 0, 255),
        ("int16", -(1 << 15), (1 << 15) - 1),
        ("int32", -INT32 - 1, INT32),
    ):
        if least <= low and high <= most:
            return name
    return "int64"
