"""A recording of register traffic played back: a board as it answered once, without the board.

It gives the recorded answers to a driver that does what was recorded, and refuses one that does
not. It computes nothing.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import sys
import zlib
from typing import Any, NamedTuple

import numpy as np

from . import buffers
from . import recording as log
from .errors import DesignError, Different, HardwareError

AGAIN = "record it again (driver.py --selftest --record FILE)"


class Recorded(NamedTuple):
    """A whole recording; `head` is its first line, `entries` are lists as they were recorded."""

    head: dict[str, Any]
    entries: list[list[Any]]


def read_recording(path: Any) -> Recorded:
    """Reads and checks a recording; raises `DesignError` on one that is cut off or changed."""
    try:
        with gzip.open(str(path), "rb") as file:
            content = file.read(log.MOST + 1)
    except EOFError:
        raise _bad(path, "is cut off", "its last line") from None
    except OSError as error:
        raise _bad(path, f"cannot be read ({error.strerror or error})", "a recording") from None
    except zlib.error as error:
        raise _bad(path, f"is damaged ({error})", "a whole file") from None
    if len(content) > log.MOST:
        raise _bad(path, f"unpacks to more than {log.MOST:,} bytes", "a recording")
    if content.count(b"\n") > log.MOST_LINES:  # before any is read: packed, they are small
        raise _bad(path, f"has more than {log.MOST_LINES:,} lines", "a recording")
    *entries, end = [_parsed(path, line) for line in io.BytesIO(content)] or [None]
    if not isinstance(end, dict) or "sha256" not in end:
        raise _bad(path, "is cut off", "its last line")
    body = content[: content.rstrip(b"\n").rfind(b"\n") + 1]  # all but the last line
    if end["sha256"] != hashlib.sha256(body).hexdigest():
        raise _bad(path, "was changed after it was made", "the SHA-256 that it holds")
    head = entries[0] if entries else None
    if not isinstance(head, dict) or (head.get("kind"), head.get("format")) != (
        log.KIND,
        log.FORMAT,
    ):
        raise _bad(path, "has another format", f"{log.KIND}, format {log.FORMAT}")
    for number, entry in enumerate(entries[1:], 1):
        if not _is_entry(entry):
            raise _bad(path, f"garbles entry {number}", "one of " + ", ".join(log.FIELDS))
    return Recorded(entries[0], entries[1:])


def _parsed(path: Any, line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # what is nested deeply was not recorded
        raise _bad(path, "is cut off or damaged", "JSON in every line") from None


def _bad(path: Any, found: str, expected: str) -> DesignError:
    return DesignError(f"the recording {path} {found}", expected, AGAIN)


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, list) or not entry or not isinstance(entry[0], str):
        return False
    fields = log.FIELDS.get(entry[0])
    if fields is None or len(fields) != len(entry) - 1:
        return False
    return all(type(value) is kind for value, kind in zip(entry[1:], fields))


class ReplayTransport:
    """The driver must do what was recorded in `path`, in the same order.

    Only how often a register is read that gives one value may differ, as polls do. Another access
    raises `Different`, and so does closing before the recording ends. Buffers are zeroed and have
    the recorded addresses.
    """

    #: No sensor of this machine is the recorded board's.
    remote = True

    def __init__(self, path: Any) -> None:
        self.head, self._entries = read_recording(path)
        #: `_used` counts reads of the entry at `_at`, where that is one of reads.
        self._path, self._at, self._used = path, 0, 0
        self._failure: HardwareError | None = None
        self._buffers = 0
        clock = self.head.get("clock_mhz")
        if isinstance(clock, (int, float)) and 0 < clock < 1e6:
            self.clock_mhz = float(clock)

    def read(self, offset: int) -> int:
        """What the register gave then."""
        if self._used:
            _, register, value, count = self._entries[self._at]
            following = self._entries[self._at + 1 : self._at + 2]
            another = bool(following) and following[0][:2] == [log.READ, offset]
            # A poll may be read more often than then, unless the next value is there to be read.
            if register == offset and (self._used < count or (count > 1 and not another)):
                self._used += 1
                return int(value)
        value = self._expect(log.READ, offset)[2]
        self._used = 1
        return int(value)

    def write(self, offset: int, value: int) -> None:
        """Nothing but the check."""
        self._step(log.WRITE, offset, value)

    def allocate(self, size: int) -> buffers.Buffer:
        """Memory of this machine with the recorded address."""
        address = self._step(log.ALLOCATE, size)[2]
        content = np.zeros(size, np.uint8)
        number, self._buffers = self._buffers, self._buffers + 1

        def flush() -> None:
            self._step(log.FLUSH, number, log.content_digest(content))

        def invalidate() -> None:
            try:
                data = base64.b64decode(self._step(log.INVALIDATE, number)[2], validate=True)
                content[:] = np.frombuffer(data, np.uint8).reshape(content.shape)
            except ValueError:
                self._at -= 1
                raise self._differs(f"{size} bytes were allocated") from None

        return buffers.make(content, address, flush, invalidate, lambda: None)

    def reload(self) -> None:
        """Nothing but the check."""
        self._step(log.RELOAD)

    def close(self) -> None:
        """Raises `Different` where the recording goes on, unless another error is on its way."""
        if self._failure is None and sys.exc_info()[0] is None:
            self._leave()
            if self._at < len(self._entries):
                raise self._differs("the driver ended")

    def _step(self, *done: Any) -> list[Any]:
        entry = self._expect(*done)
        self._at += 1
        return entry

    def _expect(self, *done: Any) -> list[Any]:
        """The next entry, which must begin with `done`."""
        if self._failure is not None:
            raise self._failure
        self._leave()
        if self._at >= len(self._entries) or self._entries[self._at][: len(done)] != list(done):
            raise self._differs(log.words(done))
        return self._entries[self._at]

    def _leave(self) -> None:
        """Ends the run of reads that the driver is in."""
        self._at, self._used = self._at + (self._used > 0), 0

    def _differs(self, done: str) -> Different:
        """The failure, which every later access meets again."""
        there = log.words(self._entries[self._at]) if self._at < len(self._entries) else "its end"
        same = self.head.get("driver") == log.driver_digest()
        self._failure = Different(
            f"access {self._at + 1} of {len(self._entries)} of the recording {self._path} "
            f"differs ({done})",
            f"what was recorded: {there}",
            "look for what changed in the driver, or for an answer that was changed"
            if same
            else "it was made with another driver, so look for what changed, or record it again",
        )
        return self._failure
