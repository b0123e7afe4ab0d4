"""Narrow integers side by side in 64-bit words, joined and taken apart by shifts.

A group of codes, each in a container of one or two bytes, becomes a row of bytes without gaps, and
back. Each step joins neighbouring fields in pairs, for all words of a block at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

#: Bytes behind a buffer that whole words may reach into.
SLACK = 16
#: Longest row that is copied faster column by column.
SHORT = 16


def group_of(elements: int, lane: int, bits: int) -> int:
    """How many codes of `lane` bytes are packed together: a power of two, at most 8."""
    fits, group = 8 // lane, 1
    while group < min(elements, fits):
        group *= 2
    # Rows of several groups need groups of whole bytes.
    return 8 if group < elements and group * bits % 8 else group


def squeeze(codes: NDArray[Any], bits: int) -> Bytes:
    """Unsigned codes (n, group), `bits` used bits each → n × ceil(group × bits / 8) bytes."""
    count, group = codes.shape
    if bits == 1 and group == 8:
        return np.packbits(codes.reshape(-1), bitorder="little")
    fits = min(group, 8 // codes.itemsize)
    kind = np.dtype(f"<u{fits * codes.itemsize}")
    words = codes.reshape(-1).view(kind)
    for width, field in _steps(bits, codes.itemsize, fits):
        words = _join(words, width, field)
    used = -(-group * bits // 8)
    if group == fits and used in (1, 2, 4, 8):
        return words.astype(f"<u{used}").view(np.uint8)
    # Words are written whole, at a distance of `used` bytes and in rising order, so that each one
    # overwrites the unused end of the one before: several times faster than `used` bytes a time.
    out = np.zeros(count * used + SLACK, np.uint8)
    if group > fits:
        pairs, each = words.reshape(-1, 2), fits * bits
        upper = pairs[:, 1] >> kind.type(64 - each) if each < 64 else pairs[:, 1]
        _at(out, count, used, kind, 8)[...] = upper
        words = pairs[:, 0] | (pairs[:, 1] << kind.type(each)) if each < 64 else pairs[:, 0]
    _at(out, count, used, kind)[...] = words
    return out[: count * used]


def spread(raw: Bytes, count: int, group: int, bits: int, lane: int) -> NDArray[Any]:
    """The opposite: `count` rows in `raw`, which has `SLACK` bytes more → codes (count, group)."""
    if bits == 1 and group == 8:
        return np.unpackbits(raw[:count], bitorder="little").reshape(count, group)
    fits = min(group, 8 // lane)
    kind = np.dtype(f"<u{fits * lane}")
    used, each = -(-group * bits // 8), fits * bits
    words = _at(raw, count, used, kind).copy()
    if group > fits:
        upper = _at(raw, count, used, kind, 8) << kind.type(64 - each)
        upper |= words >> kind.type(each)
        words = np.stack((words, upper), axis=1).reshape(-1)
    words &= kind.type((1 << each) - 1)
    for width, field in reversed(_steps(bits, lane, fits)):
        words = _part(words, width, field)
    return words.view(f"<u{lane}").reshape(count, group)


def columns(target: NDArray[Any], source: NDArray[Any]) -> None:
    """``target[...] = source``; short rows by column, since NumPy's cost is one a row."""
    width = source.shape[-1]
    if (source.flags.c_contiguous and target.flags.c_contiguous) or width > SHORT:
        target[...] = source
        return
    for index in range(width):
        target[..., index] = source[..., index]


def _at(raw: Bytes, count: int, stride: int, kind: np.dtype[Any], offset: int = 0) -> NDArray[Any]:
    """Words at a distance of `stride` bytes; they overlap where they are wider than that."""
    return np.ndarray((count,), kind, raw, offset, (stride,))


def _steps(bits: int, lane: int, count: int) -> list[tuple[int, int]]:
    """(used bits, distance) of the fields that each step joins in pairs, until all are one."""
    steps, width, field = [], bits, 8 * lane
    while count > 1:
        steps.append((width, field))
        width, field, count = 2 * width, 2 * field, count // 2
    return steps


def _join(words: NDArray[Any], width: int, field: int) -> NDArray[Any]:
    """Moves the upper of every two fields down to the lower one; all other bits are 0."""
    one = words.dtype.type
    if 2 * width <= field:  # what is moved meets nothing, and one mask at the end is enough
        joined: NDArray[Any] = words >> one(field - width)
        joined |= words
        joined &= one(_fields(2 * width, 2 * field, words.itemsize))
        return joined
    low = _fields(width, 2 * field, words.itemsize)
    high: NDArray[Any] = words & one(low << field)
    high >>= one(field - width)
    joined = words & one(low)
    joined |= high
    return joined


def _part(words: NDArray[Any], width: int, field: int) -> NDArray[Any]:
    """The opposite of `_join`."""
    one = words.dtype.type
    if 2 * width <= field:
        parted: NDArray[Any] = words << one(field - width)
        parted |= words
        parted &= one(_fields(width, field, words.itemsize))
        return parted
    low = _fields(width, 2 * field, words.itemsize)
    high: NDArray[Any] = words & one(low << width)
    high <<= one(field - width)
    parted = words & one(low)
    parted |= high
    return parted


def _fields(width: int, distance: int, size: int) -> int:
    """Mask of fields of `width` bits in a word of `size` bytes."""
    return sum(((1 << width) - 1) << at for at in range(0, 8 * size, distance))
