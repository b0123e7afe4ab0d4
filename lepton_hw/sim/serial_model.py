"""An open simulation of the serial link and its accelerator: bytes in, bytes out, one clock.

Lock-step and without threads, so that equal calls give equal cycles. It needs the standard library
and NumPy only, builds nothing, and knows no frame.
"""

import ctypes
from typing import ClassVar

from lepton_hw.sim.opened import HANDLE, U32, U64, Opened, Signatures

_MOST = 1 << 16


class SerialModel(Opened):
    """A library that was built with ``serial.cpp``, opened; a context manager."""

    what = "the simulated link"
    signatures: ClassVar[Signatures] = {
        "lepton_open": (HANDLE, [ctypes.c_char_p]),
        "lepton_pace": (None, [HANDLE, U32, U32]),
        "lepton_send": (None, [HANDLE, ctypes.c_char_p, U64]),
        "lepton_settle": (None, [HANDLE, U64, U64]),
        "lepton_take": (U64, [HANDLE, HANDLE, U64]),
    }

    def pace(self, cycles_in: int, cycles_out: int) -> None:
        """Cycles to a byte, each way; a design with pins has its own."""
        self._library.lepton_pace(self._open(), cycles_in, cycles_out)

    def send(self, data: bytes) -> None:
        """Bytes to the design, one after the other."""
        self._library.lepton_send(self._open(), data, len(data))
        self._check()

    def settle(self, quiet: int, most: int = 1 << 19) -> None:
        """Lets the clock run until no byte came for `quiet` cycles and the design waits for its
        host; without the latter no byte came for `most` cycles.
        """
        self._library.lepton_settle(self._open(), quiet, most)
        self._check()

    def take(self) -> bytes:
        """All bytes that the design sent since the last call."""
        found = b""
        buffer = (ctypes.c_uint8 * _MOST)()
        while count := self._library.lepton_take(self._open(), buffer, _MOST):
            found += bytes(buffer[:count])
        return found
