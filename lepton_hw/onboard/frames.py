"""Frames of the pipe between a PC and a board: kinds, limits, and how one is read and written.

It moves bytes and knows neither registers nor buffers. Both ends are of one deployment; the
version guards against mixing two.
"""

from __future__ import annotations

import json
import struct
from typing import Any, NamedTuple

from .errors import DesignError, DriverError, HardwareError, InputError, Stalled

#: Both ends must speak the same one.
VERSION = 1
#: The far end's first bytes. What a login script prints before them is skipped.
GREETING = b"\nlepton-pipe\n"
NOISE_MOST = 1 << 16
#: A frame: version, kind, 0, number of the request, bytes of payload; little endian.
HEAD = struct.Struct("<BBHII")
#: Bytes of a buffer in one frame; more go in several.
CHUNK = 1 << 20
PAYLOAD_MOST = CHUNK + 64
#: Bytes of all buffers together: more than a board's contiguous memory.
MEMORY_MOST = 1 << 31

# Requests with an answer: the payload, and that of the answer.
READ = 1  # offset u32 → value u32
ALLOCATE = 2  # bytes u64 → buffer u32, address u64
INVALIDATE = 3  # buffer u32 → chunks of its content, in order, as several answers
RELOAD = 4
CLOSE = 5
# Requests without one; the next answer tells what went wrong with them.
WRITE = 16  # offset u32, value u32
FLUSH = 17  # buffer u32, offset u64, bytes
FREE = 18  # buffer u32
# Answers.
HELLO = 32  # JSON: clock_mhz
DONE = 33
ERROR = 34  # JSON: kind, found, expected, remedy

WORD = struct.Struct("<I")
WORDS = struct.Struct("<II")
SIZE = struct.Struct("<Q")
PLACE = struct.Struct("<IQ")

_KINDS = {kind.__name__: kind for kind in (InputError, DesignError, HardwareError, Stalled)}


class Frame(NamedTuple):
    """One message; `number` counts the requests, and an answer has its request's."""

    kind: int
    number: int
    payload: bytes


def pack(kind: int, number: int, payload: bytes = b"") -> bytes:
    """The bytes of a frame."""
    return HEAD.pack(VERSION, kind, 0, number & 0xFFFFFFFF, len(payload)) + payload


def unpack_head(head: bytes) -> tuple[int, int, int]:
    """(kind, number, bytes of payload); raises `DesignError` on what is no frame of ours."""
    version, kind, zero, number, length = HEAD.unpack(head)
    if version != VERSION:
        raise DesignError(
            f"the other end of the pipe speaks version {version}",
            f"version {VERSION}",
            "deploy the design again, and use the driver of the same folder on both ends",
        )
    if zero or length > PAYLOAD_MOST:
        raise DesignError(
            f"a message of {length:,} bytes came through the pipe",
            f"at most {PAYLOAD_MOST:,}",
            "let nothing else write to the far end's standard output",
        )
    return kind, number, length


def error_payload(error: BaseException) -> bytes:
    """An error as JSON; one that is not the driver's own keeps its name in the text."""
    if isinstance(error, DriverError):
        kind, parts = type(error).__name__, (error.found, error.expected, error.remedy)
    else:
        kind = HardwareError.__name__
        parts = (
            f"the board's side failed ({type(error).__name__}: {error})",
            "every register and buffer to answer",
            "connect or start it again, then make a new Accelerator",
        )
    found, expected, remedy = (part[:4096] for part in parts)
    values = {"kind": kind, "found": found, "expected": expected, "remedy": remedy}
    return json.dumps(values).encode()


def error_of(payload: bytes) -> DriverError:
    """The error that the far end met, of the same kind."""
    values = object_of(payload)
    kind = _KINDS.get(str(values.get("kind")), HardwareError)
    return kind(*(plain(str(values.get(key))) for key in ("found", "expected", "remedy")))


def object_of(payload: bytes) -> dict[str, Any]:
    """A JSON object, or an empty one where it is none."""
    try:
        values = json.loads(payload.decode())
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def plain(text: str) -> str:
    """Text of another machine without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()
