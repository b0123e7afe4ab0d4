"""A board at the other end of a pipe, as a transport: the driver runs here, the registers there.

Buffers are local arrays that `flush` sends and `invalidate` fetches. Writes wait for no answer:
an error of theirs is raised by the next read, invalidate or allocate. Start the far end with
``python3 driver.py --serve``, by SSH for instance, and pass its two streams.
"""

from __future__ import annotations

import contextlib
import threading
from typing import IO, Any, Callable

import numpy as np

from . import buffers, frames
from .errors import DesignError, DriverError, HardwareError
from .shell import CTRL

#: Bytes of requests without an answer that are held back, to share a packet with the next one.
_HELD_MOST = 1 << 15


class PipeTransport:
    """What a transport is, over the streams of a process that runs ``driver.py --serve``.

    Args:
        reader, writer: the far end's standard output and input, binary.
        explain: what to say when the pipe ends: the last words of the program that is the pipe.

    Raises the far end's own error where it could not open the board, `HardwareError` where the
    pipe ends before it says anything. Threads may share it.
    """

    #: The sensors of this machine are not the board's.
    remote = True

    def __init__(
        self, reader: Any, writer: IO[bytes], explain: Callable[[], str] | None = None
    ) -> None:
        self._reader, self._writer, self._explain = reader, writer, explain
        self._lock = threading.RLock()
        self._got, self._held = bytearray(), bytearray()
        #: Requests so far, and answers to the last one that did not come yet.
        self._number, self._owed = 0, 0
        self._failure: DriverError | None = None
        self._closed = False
        self._greet()
        hello = frames.object_of(self._answer(frames.HELLO))
        clock = hello.get("clock_mhz")
        if isinstance(clock, (int, float)) and clock > 0:
            self.clock_mhz = float(clock)

    def read(self, offset: int) -> int:
        """One register, and the errors of what was written before."""
        answer = self._ask(frames.READ, frames.WORD.pack(offset), frames.WORD.size)
        return int(frames.WORD.unpack(answer)[0])

    def write(self, offset: int, value: int) -> None:
        """One register. What starts an engine is sent at once, the rest with what follows."""
        self._tell(frames.WRITE, frames.WORDS.pack(offset, value), now=offset & 0xFFFF == CTRL)

    def allocate(self, size: int) -> buffers.Buffer:
        """`size` bytes on the board and here; `HardwareError` where the board has no more."""
        answer = self._ask(frames.ALLOCATE, frames.SIZE.pack(size), frames.PLACE.size)
        number, address = frames.PLACE.unpack(answer)
        content = np.zeros(size, np.uint8)
        return buffers.make(
            content,
            address,
            lambda: self._send_buffer(number, content),
            lambda: self._fetch_buffer(number, content),
            lambda: self._free_buffer(number),
        )

    def reload(self) -> None:
        """Loads the bitstream on the board again."""
        self._ask(frames.RELOAD)

    def close(self) -> None:
        """Ends the far end, which stops the hardware and frees its memory; may be called twice."""
        if self._closed:
            return
        with contextlib.suppress(DriverError):
            self._ask(frames.CLOSE)
        self._closed = True
        for stream in (self._writer, self._reader):
            with contextlib.suppress(OSError):
                stream.close()

    def _send_buffer(self, number: int, content: Any) -> None:
        with self._lock:
            for start in range(0, len(content), frames.CHUNK):
                part = content[start : start + frames.CHUNK].tobytes()
                self._tell(frames.FLUSH, frames.PLACE.pack(number, start) + part)

    def _fetch_buffer(self, number: int, content: Any) -> None:
        parts = range(0, len(content), frames.CHUNK)
        with self._lock:
            self._request(frames.INVALIDATE, frames.WORD.pack(number), len(parts))
            for start in parts:
                part = content[start : start + frames.CHUNK]
                part[:] = np.frombuffer(self._answer(frames.DONE, len(part)), np.uint8)

    def _free_buffer(self, number: int) -> None:
        with contextlib.suppress(DriverError):  # where the pipe ended, the far end has freed all
            self._tell(frames.FREE, frames.WORD.pack(number))

    def _tell(self, kind: int, payload: bytes, now: bool = False) -> None:
        """A request without an answer."""
        with self._lock:
            self._hold(kind, payload)
            if now or len(self._held) > _HELD_MOST:
                self._drain()

    def _ask(self, kind: int, payload: bytes = b"", size: int = 0) -> bytes:
        """A request with one answer, of `size` bytes."""
        with self._lock:
            self._request(kind, payload, 1)
            return self._answer(frames.DONE, size)

    def _request(self, kind: int, payload: bytes, answers: int) -> None:
        self._hold(kind, payload)
        self._owed = answers
        self._drain()

    def _hold(self, kind: int, payload: bytes) -> None:
        if self._closed:
            raise HardwareError("the pipe is closed", "an open one", "make a new PipeTransport")
        if self._failure is not None:
            raise self._failure
        while self._owed:  # a call before was broken off (Ctrl-C) while it waited
            self._receive()
        self._number = self._number + 1 & 0xFFFFFFFF
        self._held += frames.pack(kind, self._number, payload)

    def _drain(self) -> None:
        message, self._held = memoryview(bytes(self._held)), bytearray()
        try:
            while message:
                message = message[self._writer.write(message) :]
            self._writer.flush()
        except OSError as error:
            raise self._broken(f"the pipe to the board ended ({error.strerror})") from None
        except BaseException:
            # Ctrl-C inside a message: the far end would take the next one for its rest.
            self._broken("a message to the board was broken off")
            raise

    def _answer(self, kind: int, size: int | None = None) -> bytes:
        """The payload of the next answer; an error's is raised."""
        number = self._number
        frame = self._receive()
        if frame.kind == frames.ERROR:
            raise frames.error_of(frame.payload)
        if (frame.kind, frame.number) != (kind, number) or size not in (None, len(frame.payload)):
            raise self._broken("the board answered something else than was asked for")
        return frame.payload

    def _receive(self) -> frames.Frame:
        if self._failure is not None:
            raise self._failure
        self._need(frames.HEAD.size)
        try:
            kind, number, length = frames.unpack_head(bytes(self._got[: frames.HEAD.size]))
        except DesignError as error:
            self._failure = error
            raise
        self._need(frames.HEAD.size + length)
        payload = bytes(self._got[frames.HEAD.size : frames.HEAD.size + length])
        del self._got[: frames.HEAD.size + length]
        self._owed = 0 if kind == frames.ERROR else max(0, self._owed - 1)
        return frames.Frame(kind, number, payload)

    def _greet(self) -> None:
        """Skips what a login script prints before the far end speaks."""
        while frames.GREETING not in self._got:
            if len(self._got) > frames.NOISE_MOST:
                raise self._broken("the far end prints text and no greeting")
            self._need(len(self._got) + 1)
        del self._got[: self._got.index(frames.GREETING) + len(frames.GREETING)]

    def _need(self, count: int) -> None:
        """Reads until `count` bytes are there."""
        read = getattr(self._reader, "read1", None) or self._reader.read
        while len(self._got) < count:
            try:
                part = read(max(1 << 16, count - len(self._got)))
            except OSError as error:
                raise self._broken(f"the pipe to the board ended ({error.strerror})") from None
            if not part:
                raise self._broken("the pipe to the board ended")
            self._got += part

    def _broken(self, found: str) -> DriverError:
        """What every later request meets, too."""
        said = frames.plain(self._explain() if self._explain is not None else "")
        self._failure = HardwareError(
            f"{found}: {said}" if said else found,
            "the far end (driver.py --serve) to answer",
            "connect or start it again, then make a new Accelerator",
        )
        return self._failure
