"""A board through pynq: registers by offset, buffers that the hardware can read.

A transport is any object with ``read(offset)``, ``write(offset, value)``, ``allocate(bytes)``
(an uint8 buffer with ``device_address``, ``flush()`` and ``invalidate()``), ``reload()`` and
``close()``. pynq is imported only when a board is opened.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import IO, Any, Mapping, Sequence

import numpy as np

from .errors import DesignError, HardwareError, reason
from .manifest import AGAIN, Manifest

#: The variable that names the serial device of a board that has one.
SERIAL = "LEPTON_SERIAL"
SEGMENTS = ("idma0", "odma0", "lepton0")
#: From here on offsets are of weights, one segment a layer.
WEIGHTS = 0x4_0000


class PynqTransport:
    """Loads `bitfile` by ``pynq.Overlay``, sets the clock, and finds the shell's segments by name.

    The addresses are those of the overlay's own description, so that a block design may place the
    segments anywhere. `windows` are further segments, of weights: name → (offset, size).
    """

    def __init__(
        self,
        bitfile: Path,
        clock_mhz: float,
        device: Any = None,
        download: bool = True,
        windows: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        try:
            import pynq
        except ImportError:
            raise DesignError(
                "the package pynq is not installed", "a PYNQ image", "run this on the board"
            ) from None
        self._pynq, self._device = pynq, device
        active = device or _active_device(pynq)
        if type(active).__name__ == "EmbeddedDevice":  # the board under our feet: there is one
            claim(Path(tempfile.gettempdir()) / "lepton_hw.lock")
        try:
            remote = active.has_capability("REMOTE")
            self._overlay = _overlay(pynq, bitfile, device, download, remote)
        except PermissionError as error:
            raise DesignError(
                f"no permission to load a bitstream ({error.strerror})",
                "the rights of root",
                "run it with sudo -E, or from the board's Jupyter",
            ) from None
        except Exception as error:  # pynq, its metadata's parser and gRPC raise all kinds
            raise DesignError(
                f"pynq could not load {bitfile} ({reason(error)})",
                "a bitstream with its description (.hwh) beside it, and a board",
                "deploy the design again, all files together",
            ) from error
        blocks, windows = self._overlay.ip_dict, windows or {}
        missing = [name for name in (*SEGMENTS, *windows) if name not in blocks]
        if missing:
            raise DesignError(
                "the overlay has the blocks {}".format(", ".join(sorted(blocks)) or "(none)"),
                "also {}".format(", ".join(missing)),
                "load a bitstream that was built with this shell",
            )
        self.clock_mhz = self._set_clock(clock_mhz)
        self._segments = [getattr(self._overlay, name) for name in (*SEGMENTS, *windows)]
        self._windows = [*windows.values()]
        self._reads = [segment.read for segment in self._segments]
        self._writes = [segment.write for segment in self._segments]

    def read(self, offset: int) -> int:
        """One register; the segment is in the bits from 16 on. One word of weights above."""
        if offset >= WEIGHTS:
            index, offset = self._window(offset)
            found = self._reads[index](offset)
        else:
            found = self._reads[offset >> 16](offset & 0xFFFF)
        # Over the network pynq 3.1 gives the upper half of all values as negative numbers.
        return int(found) & 0xFFFFFFFF

    def write(self, offset: int, value: int) -> None:
        """One register, or one word of weights."""
        if offset >= WEIGHTS:
            index, offset = self._window(offset)
            self._writes[index](offset, value)
        else:
            self._writes[offset >> 16](offset & 0xFFFF, value)

    def allocate(self, size: int) -> Any:
        """`size` bytes of memory that the hardware reaches, page-aligned.

        Cached: packing in uncached memory is an order of magnitude slower, and needs no flush.
        """
        try:
            return self._pynq.allocate((size,), dtype=np.uint8, target=self._device, cacheable=True)
        except Exception as error:
            raise HardwareError(
                f"{size:,} bytes of DMA memory cannot be had ({reason(error)})",
                "contiguous memory",
                "pass a smaller batch, or end other programs that use the board",
            ) from None

    def reload(self) -> None:
        """Loads the bitstream again: every register and state of the design is as at first."""
        self._overlay.download()

    def close(self) -> None:
        """Lets go of the overlay; the bitstream stays loaded, and the device open for others."""
        self._reads, self._writes, self._segments = [], [], []

    def _window(self, offset: int) -> tuple[int, int]:
        """Which segment an offset above the shell's is in, and where in it."""
        for index, (start, size) in enumerate(self._windows):
            if start <= offset < start + size:
                return len(SEGMENTS) + index, offset - start
        raise ValueError(f"no segment holds the offset {offset:#x}")

    def _set_clock(self, clock_mhz: float) -> float:
        """Sets the fabric's clock where this is the board's own processor; what it is now, MHz."""
        if self._device not in (None, self._pynq.Device.active_device):
            return clock_mhz  # pynq sets the clocks of the active device only
        try:
            self._pynq.Clocks.fclk0_mhz = clock_mhz
            found = float(self._pynq.Clocks.fclk0_mhz)
        except AttributeError:
            return clock_mhz  # pynq 2.7 to 3.0 on a processor that is no Zynq: nothing to set
        if found > clock_mhz * 1.01:
            raise DesignError(
                f"the fabric's clock is {found:g} MHz",
                f"at most {clock_mhz:g} MHz, which the design was built for",
                "start the board again, or build the design for a faster clock",
            )
        return found


def _active_device(pynq: Any) -> Any:
    try:
        return pynq.Device.active_device
    except Exception as error:
        raise DesignError(
            f"pynq finds no board ({reason(error)})",
            "a board, here or at PYNQ_REMOTE_DEVICES",
            "run this on the board, or see whether the board at that address runs",
        ) from None


def _overlay(pynq: Any, bitfile: Path, device: Any, download: bool, remote: bool) -> Any:
    overlay = pynq.Overlay(str(bitfile), download=download and not remote, device=device)
    if remote and download:
        # Over the network pynq keeps a file of the same name that is there already, though it may
        # be another design; so the name says which one it is.
        content = hashlib.sha256(bitfile.read_bytes()).hexdigest()
        overlay.binfile_name = f"lepton_{content[:16]}.bin"
        overlay.download()
    return overlay


def open_board(manifest: Manifest, bitfile: Path, device: Any = None, download: bool = True) -> Any:
    """The board here, or pynq's `device`, with the manifest's bitstream loaded; a board behind a
    serial device, which the variable LEPTON_SERIAL names, has it loaded already.

    Raises `DesignError` on another board than the manifest's.
    """
    if manifest.baud:
        return open_serial(manifest, os.environ.get(SERIAL, ""))
    if device is None:
        check_board(manifest.board_names, manifest.board)
    windows = {layer.name: (layer.offset, layer.size) for layer in manifest.weights}
    return PynqTransport(bitfile, manifest.clock_mhz, device, download, windows)


def open_serial(manifest: Manifest, path: str) -> Any:
    """The board behind the serial device at `path`."""
    from .serial_link import SerialTransport

    if not manifest.baud:
        raise DesignError(
            f"the {manifest.board} has no serial link", "a design for a board that has", AGAIN
        )
    if not path:
        raise DesignError(
            f"the serial device of the {manifest.board} is not known",
            "its name",
            f"pass --serial DEVICE, or set {SERIAL}; 'ls /dev/serial/by-id' shows them",
        )
    return SerialTransport(path, manifest.baud)


#: What this process holds; the kernel lets go of it when the process ends, however that is.
_claims: dict[Path, IO[str]] = {}


def claim(path: Path) -> None:
    """Takes the board for this process; raises `DesignError` where another one has it.

    Once taken it is kept, so that a notebook may make its Accelerator again.
    """
    if path in _claims:
        return
    file = _open_lock(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = file.read().strip() or "?"
        file.close()
        raise DesignError(
            f"process {holder} uses the board", "the board for this one alone", "end that one first"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    _claims[path] = file


def _open_lock(path: Path) -> IO[str]:
    """The lock file; never what a link or a pipe of its name leads to: all may write beside it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(str(path), flags, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise _no_lock(path) from None
        raise DesignError(
            f"{path} cannot be opened ({error.strerror})",
            "the lock that keeps two programs apart",
            "run it as the user who ran the one before, or with sudo -E",
        ) from None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise _no_lock(path)
    return os.fdopen(file, "r+", errors="replace")


def _no_lock(path: Path) -> DesignError:
    return DesignError(
        f"{path} is a link, a folder or a device",
        "the lock that keeps two programs apart, a plain file",
        "remove it",
    )


def board_here() -> str | None:
    """The board's name where a PYNQ image says it (variable BOARD), else None."""
    return os.environ.get("BOARD") or None


def check_board(names: Sequence[str], title: str) -> None:
    """Raises `DesignError` on another board than `names`; PYNQ leaves out a name's revision."""
    here = board_here()
    if here is None:
        return
    found = _plain(here)
    known = [_plain(name) for name in names]
    if not any(name.startswith(found) or found.startswith(name) for name in known):
        raise DesignError(
            f"this board is a {here}",
            f"{title}, which the bitstream was built for",
            "deploy a design for this board",
        )


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
