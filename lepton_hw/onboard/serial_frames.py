"""Frames of the serial link, as docs/serial.md describes them: pack, and find in a noisy stream.

It moves bytes and knows neither registers nor buffers.
"""

from __future__ import annotations

import struct
import zlib
from typing import Iterator, NamedTuple

FLAG, ESCAPE, FLIP = 0x7E, 0x7D, 0x20
READ, WRITE, INPUT, GRANT, STATE, REWIND = 1, 2, 3, 4, 5, 6
#: An answer has the request's kind and this bit.
ANSWER = 0x80
OUTPUT, ERROR = 0x90, 0xFF
BAD_FRAME, BAD_REQUEST, BAD_POSITION, NO_SPACE, IN_RESET = 1, 2, 3, 4, 5
#: Bytes of input in a frame; its position takes two more.
INPUT_MOST = 128
_FRAME_MOST = 3 + 255 + 4
PAIR = struct.Struct("<HH")


class Frame(NamedTuple):
    """`kind`, `tag` of the request that is answered, payload."""

    kind: int
    tag: int
    payload: bytes


def pack(kind: int, tag: int, payload: bytes = b"") -> bytes:
    """A whole frame, between its flags."""
    body = bytes((kind, tag, len(payload))) + payload
    body += struct.pack("<I", zlib.crc32(body))
    body = body.replace(b"\x7d", b"\x7d\x5d").replace(b"\x7e", b"\x7d\x5e")
    return b"\x7e" + body + b"\x7e"


class Decoder:
    """Bytes in any portions → frames that are whole; `bad` counts what was not."""

    def __init__(self) -> None:
        self.bad = 0
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that these bytes complete."""
        parts = (self._rest + data).split(b"\x7e")
        self._rest = parts.pop()
        if len(self._rest) > 2 * _FRAME_MOST:
            self._rest = self._rest[: 2 * _FRAME_MOST]  # noise without a flag: bad in any case
        for part in parts:
            if part:
                frame = _frame(part)
                if frame is None:
                    self.bad += 1
                else:
                    yield frame


def _frame(escaped: bytes) -> Frame | None:
    first, *others = escaped.split(b"\x7d")
    if not all(others):
        return None
    body = first + b"".join(bytes((part[0] ^ FLIP,)) + part[1:] for part in others)
    if len(body) < 7 or len(body) != body[2] + 7:
        return None
    if struct.unpack("<I", body[-4:])[0] != zlib.crc32(body[:-4]):
        return None
    return Frame(body[0], body[1], body[3:-4])
