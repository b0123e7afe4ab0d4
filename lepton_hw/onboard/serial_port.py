"""A serial device of this machine, by the kernel's own interface: raw bytes, no more.

A pseudo-terminal serves as well, so that a simulation can take the device's place.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import stat
import termios
from pathlib import Path

from .errors import DesignError, HardwareError, InputError

#: Bytes taken from the kernel at once.
_PORTION = 1 << 16


class SerialPort:
    """The device at `path`, for this process alone; `baud` must be one that the kernel names.

    Raises `DesignError` where it cannot be opened or another process has it.
    """

    def __init__(self, path: str, baud: int) -> None:
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            raise InputError(f"{baud} baud", "a rate that this system knows", "choose another rate")
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise DesignError(
                f"{path} cannot be opened ({error.strerror})",
                "the board's serial device",
                _remedy(error.errno),
            ) from None
        try:
            self._set_up(speed)
        except BaseException:
            os.close(self._file)
            raise

    def _set_up(self, speed: int) -> None:
        if not stat.S_ISCHR(os.fstat(self._file).st_mode) or not os.isatty(self._file):
            raise DesignError(f"{self.path} is no serial device", "one", "see 'ls /dev/tty*'")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DesignError(
                f"another process uses {self.path}", "the board for this one alone", "end that one"
            ) from None
        settings = termios.tcgetattr(self._file)
        settings[0] = settings[1] = settings[3] = 0  # no translation, echo or signals either way
        settings[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
        settings[4] = settings[5] = speed
        settings[6][termios.VMIN], settings[6][termios.VTIME] = 0, 0
        termios.tcsetattr(self._file, termios.TCSANOW, settings)
        termios.tcflush(self._file, termios.TCIOFLUSH)
        self._hurry()

    def _hurry(self) -> None:
        """FTDI's bridges hold short answers back for 16 ms; Linux lets one say 1 ms."""
        name = Path(os.path.realpath(self.path)).name
        timer = Path("/sys/bus/usb-serial/devices") / name / "latency_timer"
        with contextlib.suppress(OSError):  # another bridge, or no right to: only slower
            timer.write_text("1\n")

    def wait(self, seconds: float, to_write: bool) -> tuple[bool, bool]:
        """Whether bytes have come, and whether some can be written; waits for either."""
        ready = select.select([self._file], [self._file] if to_write else [], [], seconds)
        return bool(ready[0]), bool(ready[1])

    def read(self) -> bytes:
        """What has come; raises `HardwareError` where the device went away."""
        try:
            data = os.read(self._file, _PORTION)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._gone(error.strerror) from None
        if not data:
            raise self._gone("end of file")
        return data

    def write(self, data: bytes) -> int:
        """Writes what the kernel takes at once; how many bytes that were."""
        try:
            return os.write(self._file, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._gone(error.strerror) from None

    def close(self) -> None:
        """Gives the device back; may be called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _gone(self, why: str | None) -> HardwareError:
        return HardwareError(
            f"the board does not answer ({self.path}: {why})",
            "the serial device to stay",
            "connect it again, then make a new Accelerator",
        )


def _remedy(code: int | None) -> str:
    if code == errno.EACCES:
        return "add yourself to the group that owns it (dialout), or run it with sudo"
    return "connect the board, and see 'ls /dev/serial/by-id' for its name"
