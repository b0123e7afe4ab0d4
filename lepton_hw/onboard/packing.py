"""Integer codes ↔ the bytes of a DMA buffer, for whole batches at memory speed.

Frame after frame without gaps; in a frame its beats one after the other, each padded to whole
bytes, little endian, element 0 in the lowest bits (the contract of FINN's drivers). It checks no
values: what does not fit a datatype is cut off.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from .bitfields import SLACK, columns, group_of, spread, squeeze
from .errors import DesignError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

#: Elements that are worked on at a time, so that what lies between stays in the cache.
BLOCK = 1 << 16
_NARROW = 16  # widest element that is packed by shifts, several to a 64-bit word


def value_range(dtype: str) -> tuple[int, int]:
    """Lowest and highest integer of a FINN datatype; `DesignError` where it is none."""
    special = {"BIPOLAR": (-1, 1), "BINARY": (0, 1), "TERNARY": (-1, 1)}
    if dtype in special:
        return special[dtype]
    match = re.match(r"(U?)INT([1-9][0-9]?)$", dtype)
    if match is None or int(match.group(2)) > 62:
        raise DesignError(
            f"a door has the datatype '{dtype}'",
            "an integer type of at most 62 bits",
            "deploy the design again",
        )
    bits = int(match.group(2))
    return (0, (1 << bits) - 1) if match.group(1) else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def bits_of(dtype: str) -> int:
    """Bits of one element in a beat."""
    low, high = value_range(dtype)
    if dtype == "BIPOLAR":
        return 1
    return max(high.bit_length() + (low < 0), 1)


def container_of(dtype: str) -> np.dtype[Any]:
    """The smallest NumPy type that holds the codes of a FINN datatype, little endian."""
    size = next(size for size in (1, 2, 4, 8) if bits_of(dtype) <= 8 * size)
    return np.dtype("<{}{}".format("i" if value_range(dtype)[0] < 0 else "u", size))


class Packing:
    """How the codes of one door lie in memory.

    `shape` is that of a frame, without the batch; a frame is `beats` beats of `elements` codes and
    `beat_bytes` bytes. `container` is the smallest NumPy type that holds the codes.
    """

    def __init__(
        self, dtype: str, shape: tuple[int, ...], beats: int, elements: int, beat_bytes: int
    ) -> None:
        self.dtype, self.shape, self.beats = dtype, tuple(shape), beats
        self.elements, self.beat_bytes = elements, beat_bytes
        self.low, self.high = value_range(dtype)
        self.bits = bits_of(dtype)
        codes = math.prod(self.shape)
        if min(beats, elements) < 1 or beats * elements != codes:
            raise DesignError(
                f"{beats} beats of {elements} codes for a frame of {codes}",
                "as many codes in the beats as in the frame",
                "deploy the design again",
            )
        if beat_bytes * 8 < elements * self.bits:
            raise DesignError(
                f"{beat_bytes} bytes a beat for {elements} codes of {self.bits} bits",
                "beats that hold their codes",
                "deploy the design again",
            )
        self.frame_codes, self.frame_bytes = codes, beats * beat_bytes
        self.container = container_of(dtype)
        self.lane = self.container.itemsize
        self._unsigned: np.dtype[Any] = np.dtype(f"<u{self.lane}")
        self._mask = self._unsigned.type((1 << self.bits) - 1)
        self._sign = self._unsigned.type(1 << (self.bits - 1))
        self._own_bytes = elements == 1 or self.bits % 8 == 0
        #: No unused bit between the elements: the batch is one string of bits.
        self._dense = elements * self.bits == beat_bytes * 8
        #: The bytes in memory are those of the codes.
        self.plain = self._dense and self.bits == 8 * self.lane

    def pack_into(self, codes: NDArray[Any], out: Bytes) -> None:
        """Codes (frames, *shape) of type `container` → `out`, frames × `frame_bytes` bytes.

        `codes` is contiguous in C order and little endian. Bits that belong to no code become 0.
        """
        flat = codes.reshape(-1).view(self._unsigned)
        if self.plain:
            np.copyto(out.view(self._unsigned) if self.lane > 1 else out, flat)
        elif self._own_bytes:
            self._pack_bytes(flat, out)
        elif self.bits > _NARROW:
            self._pack_wide(flat, out)
        elif self._dense:
            group = 1 if self.bits == 8 * self.lane else 8
            whole = flat.size - flat.size % group
            used = whole * self.bits // 8
            self._pack_rows(flat[:whole].reshape(-1, group), out[:used].reshape(-1, self.bits))
            if whole < flat.size:
                self._pack_rows(flat[whole:].reshape(1, -1), out[used:].reshape(1, -1))
        else:
            rows = flat.reshape(-1, self.elements)
            self._pack_rows(rows, out.reshape(len(rows), self.beat_bytes))

    def unpack(self, raw: Bytes, frames: int) -> NDArray[Any]:
        """The first `frames` frames in `raw` → codes (frames, *shape) of type `container`."""
        raw = raw[: frames * self.frame_bytes]
        codes: NDArray[Any] = np.empty(frames * self.frame_codes, self._unsigned)
        if self.plain:
            np.copyto(codes.view(np.uint8), raw)
            return codes.view(self.container).reshape((frames, *self.shape))
        if self._own_bytes:
            self._unpack_bytes(raw, codes)
        elif self.bits > _NARROW:
            self._unpack_wide(raw, codes)
        elif self._dense:
            whole = codes.size - codes.size % 8
            used = whole * self.bits // 8
            self._unpack_rows(raw[:used].reshape(-1, self.bits), codes[:whole].reshape(-1, 8))
            if whole < codes.size:
                self._unpack_rows(raw[used:].reshape(1, -1), codes[whole:].reshape(1, -1))
        else:
            rows = codes.reshape(-1, self.elements)
            self._unpack_rows(raw.reshape(len(rows), self.beat_bytes), rows)
        signed: NDArray[Any] = codes.view(self.container)
        return signed.reshape((frames, *self.shape))

    def _bits_from(self, codes: NDArray[Any]) -> NDArray[Any]:
        """The bits of each code, the rest of its container 0."""
        if self.dtype == "BIPOLAR":
            return np.asarray(codes == 1).view(np.uint8)
        return np.asarray(codes & self._mask) if self.low < 0 else codes

    def _sign_extend(self, codes: NDArray[Any]) -> None:
        """In place: bits without the rest → codes."""
        if self.dtype == "BIPOLAR":
            codes += codes
            codes -= self._unsigned.type(1)
        elif self.low < 0 and self.bits < 8 * self.lane:
            codes ^= self._sign
            codes -= self._sign

    def _pack_bytes(self, flat: NDArray[Any], out: Bytes) -> None:
        used, rows = -(-self.bits // 8), out.reshape(-1, self.beat_bytes)
        rows[:, self.elements * used :] = 0
        step = max(1, BLOCK // self.elements)
        for start in range(0, len(rows), step):
            block = self._bits_from(flat[start * self.elements : (start + step) * self.elements])
            raw = block.view(np.uint8).reshape(-1, self.elements, self.lane)
            columns(_fields(rows[start : start + step], self.elements, used), raw[:, :, :used])

    def _unpack_bytes(self, raw: Bytes, codes: NDArray[Any]) -> None:
        used, rows = -(-self.bits // 8), raw.reshape(-1, self.beat_bytes)
        wide = codes.view(np.uint8).reshape(len(rows), self.elements, self.lane)
        step = max(1, BLOCK // self.elements)
        for start in range(0, len(rows), step):
            part, block = rows[start : start + step], wide[start : start + step]
            columns(block[:, :, :used], _fields(part, self.elements, used))
            columns(block[:, :, used:], np.broadcast_to(np.uint8(0), block[:, :, used:].shape))
            done = codes[start * self.elements : (start + step) * self.elements]
            done &= self._mask
            self._sign_extend(done)

    def _pack_rows(self, codes: NDArray[Any], out: Bytes) -> None:
        """Rows of codes of at most `_NARROW` bits → rows of bytes, both of any length."""
        count, elements = codes.shape
        group = group_of(elements, self.lane, self.bits)
        padded = -(-elements // group) * group
        step = max(1, BLOCK // padded)
        for start in range(0, count, step):
            block = self._bits_from(codes[start : start + step])
            if padded != elements or not block.flags.c_contiguous:
                full = np.zeros((len(block), padded), self._unsigned)
                columns(full[:, :elements], block)
                block = full
            target = out[start : start + step]
            packed = squeeze(block.reshape(-1, group), self.bits)
            size = packed.size // len(block)
            keep = min(size, target.shape[1])
            columns(target[:, :keep], packed.reshape(len(block), size)[:, :keep])
            target[:, keep:] = 0

    def _unpack_rows(self, raw: Bytes, codes: NDArray[Any]) -> None:
        count, elements = codes.shape
        group = group_of(elements, self.lane, self.bits)
        groups = -(-elements // group)
        need = -(-groups * group * self.bits // 8)
        step = max(1, BLOCK // (groups * group))
        for start in range(0, count, step):
            part = raw[start : start + step, :need]
            scratch = np.zeros(len(part) * need + SLACK, np.uint8)
            columns(scratch[: len(part) * need].reshape(len(part), need)[:, : part.shape[1]], part)
            block = spread(scratch, len(part) * groups, group, self.bits, self.lane)
            done = codes[start : start + step]
            columns(done, block.reshape(len(part), groups * group)[:, :elements])
            self._sign_extend(done)

    def _wide_row(self) -> tuple[int, int]:
        """(codes, bytes) of the rows that wide codes are packed by: a beat, or eight codes."""
        if self._dense and self.elements % 8 == 0:
            return 8, self.bits
        return self.elements, self.beat_bytes

    def _pack_wide(self, flat: NDArray[Any], out: Bytes) -> None:
        """Several codes of more than `_NARROW` bits to a beat: each is shifted to its place."""
        elements, size = self._wide_row()
        codes, rows = flat.reshape(-1, elements), out.reshape(-1, size)
        step = max(1, BLOCK // (2 * elements))
        for start in range(0, len(rows), step):
            block, target = self._bits_from(codes[start : start + step]), rows[start : start + step]
            words = np.zeros((-(-elements * self.bits // 64), len(block)), "<u8")
            for index in range(elements):
                word, at = divmod(index * self.bits, 64)
                column = block[:, index].astype("<u8")
                words[word] |= column << np.uint64(at)
                if at + self.bits > 64:
                    words[word + 1] |= column >> np.uint64(64 - at)
            raw = np.ascontiguousarray(words.T).view(np.uint8)
            keep = min(size, raw.shape[1])
            columns(target[:, :keep], raw[:, :keep])
            target[:, keep:] = 0

    def _unpack_wide(self, raw: Bytes, codes: NDArray[Any]) -> None:
        elements, size = self._wide_row()
        rows, wide = raw.reshape(-1, size), codes.reshape(-1, elements)
        step = max(1, BLOCK // (2 * elements))
        for start in range(0, len(rows), step):
            part, done = rows[start : start + step], wide[start : start + step]
            whole = np.zeros((len(part), -(-elements * self.bits // 64) * 8), np.uint8)
            keep = min(size, whole.shape[1])
            columns(whole[:, :keep], part[:, :keep])
            words = np.ascontiguousarray(whole.view("<u8").T)
            for index in range(elements):
                word, at = divmod(index * self.bits, 64)
                column = words[word] >> np.uint64(at)
                if at + self.bits > 64:
                    column |= words[word + 1] << np.uint64(64 - at)
                done[:, index] = column
            done &= self._mask
        self._sign_extend(codes)


def _fields(rows: Bytes, elements: int, used: int) -> Bytes:
    """A view (beats, elements, used) of the bytes of each element, without what pads the beat."""
    return np.lib.stride_tricks.as_strided(
        rows, (len(rows), elements, used), (rows.strides[0], used, 1)
    )
