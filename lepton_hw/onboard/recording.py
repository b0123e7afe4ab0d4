"""Register traffic to a file: what a driver does, and what the board answers.

It passes everything on and knows no meaning of an access; `replay` plays the file back. A
recording holds the traffic of one thread.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from . import buffers
from .errors import InputError
from .shell import Shell

FORMAT, KIND = 1, "lepton_hw register traffic"
#: Bytes of a recording when unpacked; a self-test takes a few megabytes.
MOST = 1 << 28
#: Lines of one; each takes far more memory when read than on the disk.
MOST_LINES = 1 << 20
#: What was done: the first item of an entry. Behind it stand, in this order:
READ = "read"  # register, value, how often
WRITE = "write"  # register, value
ALLOCATE = "allocate"  # bytes, address
FLUSH = "flush"  # buffer, SHA-256 of its content
INVALIDATE = "invalidate"  # buffer, its content in base64
RELOAD = "reload"
#: Types of what stands behind.
FIELDS = {
    READ: (int, int, int),
    WRITE: (int, int),
    ALLOCATE: (int, int),
    FLUSH: (int, str),
    INVALIDATE: (int, str),
    RELOAD: (),
}


def driver_digest() -> str:
    """SHA-256 over the files of this driver: another one may access registers in another order."""
    whole = hashlib.sha256()
    for path in sorted(Path(__file__).resolve().parent.glob("*.py")):
        whole.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()


def content_digest(content: Any) -> str:
    """SHA-256, in hex, of what is flushed."""
    return hashlib.sha256(content.tobytes()).hexdigest()


class RecordingTransport:
    """Passes everything on to `inner` and writes it to `path`, which appears when it is closed.

    JSON lines, packed by gzip. The first holds design, shell and driver, the last one the SHA-256
    of the others; between them each is an entry. Reads of one register that give the same value,
    one after the other, are one entry. Raises `InputError` where the file cannot be written.
    """

    def __init__(self, inner: Any, path: Any) -> None:
        self._inner, self._path = inner, Path(path)
        self._part = self._path.with_name(self._path.name + ".part")
        self._sum, self._size, self._lines = hashlib.sha256(), 0, 0
        self._buffers, self._failed = 0, False
        self._run: list[Any] = []  # an entry of reads that may yet grow
        version, digest = Shell(inner).identity()
        head = {
            "kind": KIND, "format": FORMAT, "digest": digest, "shell": version,
            "driver": driver_digest(), "clock_mhz": getattr(inner, "clock_mhz", None),
        }  # fmt: skip
        try:
            # Without a time: equal traffic gives an equal file.
            self._file = gzip.GzipFile(str(self._part), "wb", mtime=0)
        except OSError as error:
            raise self._refused(error) from None
        self._line(head)

    def __getattr__(self, name: str) -> Any:
        if name in ("clock_mhz", "remote"):  # what a transport may have
            return getattr(self._inner, name)
        raise AttributeError(name)

    def read(self, offset: int) -> int:
        """One register."""
        value = int(self._inner.read(offset))
        if self._run[1:3] == [offset, value]:
            self._run[3] += 1
        else:
            self._end_run()
            self._run = [READ, offset, value, 1]
        return value

    def write(self, offset: int, value: int) -> None:
        """One register."""
        self._entry(WRITE, offset, value)
        self._inner.write(offset, value)

    def allocate(self, size: int) -> buffers.Buffer:
        """Memory of `inner`, zeroed, so that a replay's can be the same."""
        inner = self._inner.allocate(size)
        content = np.asarray(inner).view(np.ndarray)
        content[:] = 0
        number, self._buffers = self._buffers, self._buffers + 1
        address = int(inner.device_address)
        self._entry(ALLOCATE, size, address)

        def flush() -> None:
            self._entry(FLUSH, number, content_digest(content))
            inner.flush()

        def invalidate() -> None:
            inner.invalidate()
            self._entry(INVALIDATE, number, base64.b64encode(content.tobytes()).decode())

        def free() -> None:
            if hasattr(inner, "freebuffer"):
                inner.freebuffer()

        return buffers.make(content, address, flush, invalidate, free)

    def reload(self) -> None:
        """As `inner`."""
        self._entry(RELOAD)
        self._inner.reload()

    def close(self) -> None:
        """Completes the file, then closes `inner`; may be called twice.

        Where the file cannot be completed, there is none.
        """
        try:
            if not self._file.closed and not self._failed:
                self._finish()
        finally:
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(FileNotFoundError):
                self._part.unlink()
            self._inner.close()

    def _finish(self) -> None:
        self._end_run()
        end = {"entries": self._lines - 1, "sha256": self._sum.hexdigest()}
        try:
            self._file.write(json.dumps(end).encode() + b"\n")
            self._file.close()
            self._part.replace(self._path)
        except OSError as error:
            raise self._refused(error) from None

    def _entry(self, *entry: Any) -> None:
        self._end_run()
        self._line(entry)

    def _end_run(self) -> None:
        run, self._run = self._run, []
        if run:
            self._line(run)

    def _line(self, value: Any) -> None:
        if self._failed:
            return  # it was said once; the board stays usable
        line = json.dumps(value, separators=(",", ":")).encode() + b"\n"
        self._size += len(line)
        if self._size > MOST or self._lines >= MOST_LINES:
            self._failed = True
            raise InputError(
                f"the recording {self._path} would hold more than {MOST:,} bytes"
                f" or {MOST_LINES:,} lines",
                "fewer transfers",
                "record a self-test with fewer vectors",
            )
        self._sum.update(line)
        self._lines += 1
        try:
            self._file.write(line)
        except OSError as error:
            raise self._refused(error) from None

    def _refused(self, error: OSError) -> InputError:
        self._failed = True
        return InputError(
            f"the recording {self._path} cannot be written ({error.strerror})",
            "a folder that you may write to, with free space",
            "pass another path",
        )


def words(entry: Sequence[Any]) -> str:
    """An entry, or the beginning of one, for a message; long contents are left out."""
    kind, *rest = entry
    if kind in (READ, WRITE):
        value = f" = 0x{rest[1]:X}" if len(rest) > 1 else ""
        return f"{kind} 0x{rest[0]:05X}{value}"
    if kind == FLUSH and len(rest) > 1:
        return f"flush of buffer {rest[0]} with the SHA-256 {rest[1][:12]}…"
    if kind == ALLOCATE:
        return f"allocate {rest[0]:,} bytes"
    return f"{kind} of buffer {rest[0]}" if rest else str(kind)
