"""The board's end of the pipe: serves a transport over two binary streams, one request at a time.

It decides nothing: what the near end asks is done, or answered by an error as text. When the pipe
ends, however that is, the hardware is stopped, then its memory is given back.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import IO, Any, Callable

import numpy as np

from . import frames
from .errors import DriverError, HardwareError
from .shell import Shell


def private_stdout() -> IO[bytes]:
    """Standard output for frames alone: whatever else prints goes to standard error from now on."""
    sys.stdout.flush()
    own = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return own


def serve(make: Callable[[], Any], reader: IO[bytes], writer: IO[bytes]) -> int:
    """Opens a transport by `make` and serves it until the pipe ends; an exit code.

    `reader` must give as many bytes as are asked for, unless it ends.
    """
    try:
        transport = make()
    except Exception as error:
        _send(writer, frames.GREETING + frames.pack(frames.ERROR, 0, frames.error_payload(error)))
        return 1
    end = _End(transport, writer)
    try:
        hello = json.dumps({"clock_mhz": getattr(transport, "clock_mhz", None)}).encode()
        _send(writer, frames.GREETING + frames.pack(frames.HELLO, 0, hello))
        while not end.closed:
            frame = _receive(reader)
            if frame is None:
                break
            end.take(frame)
    except OSError:
        pass  # the near end is gone, and so is whoever could be told
    except DriverError as error:  # what came is no frame: nothing can be answered any more
        print(error, file=sys.stderr)
        return 1
    finally:
        end.release()
    return 0


class _End:
    """The transport, its buffers by number, and the first error that nobody has been told."""

    def __init__(self, transport: Any, writer: IO[bytes]) -> None:
        self.closed = False
        self._transport, self._writer = transport, writer
        self._buffers: dict[int, Any] = {}
        self._used, self._count = 0, 0
        self._failure: Exception | None = None
        self._answered: dict[int, Callable[[bytes], list[bytes]]] = {
            frames.READ: self._read,
            frames.ALLOCATE: self._allocate,
            frames.INVALIDATE: self._invalidate,
            frames.RELOAD: self._reload,
            frames.CLOSE: self._close,
        }
        self._silent: dict[int, Callable[[bytes], None]] = {
            frames.WRITE: self._write,
            frames.FLUSH: self._flush,
            frames.FREE: self._free,
        }

    def take(self, frame: frames.Frame) -> None:
        """Does one request. Behind one that failed, nothing is done until the near end knows."""
        silent = self._silent.get(frame.kind)
        if silent is not None:
            # Memory is given back even then: the near end will not ask again.
            if self._failure is None or frame.kind == frames.FREE:
                try:
                    silent(frame.payload)
                except Exception as error:
                    self._failure = self._failure or error
            return
        failure, self._failure = self._failure, None
        answers: list[bytes] = []
        try:
            if failure is not None and frame.kind != frames.CLOSE:
                raise failure
            answers = self._answered.get(frame.kind, _unknown)(frame.payload)
        except Exception as error:
            answer = frames.pack(frames.ERROR, frame.number, frames.error_payload(error))
        else:
            answer = b"".join(frames.pack(frames.DONE, frame.number, each) for each in answers)
        _send(self._writer, answer)

    def release(self) -> None:
        """Stops the hardware where it may still use a buffer, frees all, closes the transport."""
        if not self._buffers or self._stop():
            for number in list(self._buffers):
                with contextlib.suppress(Exception):
                    self._free(frames.WORD.pack(number))
        with contextlib.suppress(Exception):
            self._transport.close()

    def _stop(self) -> bool:
        """Whether nothing writes to memory any more; if unknown, the process's end must free it."""
        try:
            shell = Shell(self._transport)
            if not shell.idle():
                shell.reset()
            return True
        except Exception:
            with contextlib.suppress(Exception):
                self._transport.reload()
                return True
            return False

    def _read(self, payload: bytes) -> list[bytes]:
        return [frames.WORD.pack(self._transport.read(*frames.WORD.unpack(payload)))]

    def _write(self, payload: bytes) -> None:
        self._transport.write(*frames.WORDS.unpack(payload))

    def _allocate(self, payload: bytes) -> list[bytes]:
        (size,) = frames.SIZE.unpack(payload)
        if not 0 < size <= frames.MEMORY_MOST - self._used:
            raise HardwareError(
                f"{size:,} bytes of DMA memory were asked for beside {self._used:,}",
                f"1 to {frames.MEMORY_MOST:,} bytes altogether",
                "pass a smaller batch",
            )
        buffer = self._transport.allocate(size)
        self._count += 1
        self._buffers[self._count] = buffer
        self._used += size
        return [frames.PLACE.pack(self._count, int(buffer.device_address))]

    def _flush(self, payload: bytes) -> None:
        number, offset = frames.PLACE.unpack_from(payload)
        data = np.frombuffer(payload, np.uint8, offset=frames.PLACE.size)
        buffer = self._buffer(number)
        view = _bytes_of(buffer)
        if offset + len(data) > len(view):
            raise HardwareError(
                f"bytes {offset:,} to {offset + len(data):,} of a buffer were written",
                f"at most {len(view):,}",
                "use the driver of one deployment on both ends",
            )
        view[offset : offset + len(data)] = data
        if offset + len(data) == len(view):  # the last part: chunks come in order
            buffer.flush()

    def _invalidate(self, payload: bytes) -> list[bytes]:
        buffer = self._buffer(*frames.WORD.unpack(payload))
        buffer.invalidate()
        view = _bytes_of(buffer)
        starts = range(0, len(view), frames.CHUNK)
        return [view[start : start + frames.CHUNK].tobytes() for start in starts]

    def _free(self, payload: bytes) -> None:
        (number,) = frames.WORD.unpack(payload)
        buffer = self._buffer(number)
        del self._buffers[number]
        self._used -= len(_bytes_of(buffer))
        if hasattr(buffer, "freebuffer"):
            buffer.freebuffer()

    def _reload(self, payload: bytes) -> list[bytes]:
        self._transport.reload()
        return [b""]

    def _close(self, payload: bytes) -> list[bytes]:
        self.closed = True
        return [b""]

    def _buffer(self, number: int) -> Any:
        if number not in self._buffers:
            raise HardwareError(
                f"buffer {number} was named",
                "one that was allocated and not freed",
                "use the driver of one deployment on both ends",
            )
        return self._buffers[number]


def _bytes_of(buffer: Any) -> Any:
    return np.asarray(buffer).view(np.ndarray)


def _unknown(payload: bytes) -> list[bytes]:
    raise HardwareError(
        "the near end of the pipe asked for what this end does not know",
        "a request of this version",
        "use the driver of one deployment on both ends",
    )


def _send(writer: IO[bytes], message: bytes) -> None:
    rest = memoryview(message)
    while rest:
        rest = rest[writer.write(rest) :]
    writer.flush()


def _receive(reader: IO[bytes]) -> frames.Frame | None:
    """The next frame; None where the pipe ended, in the middle of one too."""
    head = reader.read(frames.HEAD.size)
    if len(head) < frames.HEAD.size:
        return None
    kind, number, length = frames.unpack_head(head)
    payload = reader.read(length) if length else b""
    return frames.Frame(kind, number, payload) if len(payload) == length else None
