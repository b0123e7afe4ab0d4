"""An open simulation of the serial link and its accelerator: bytes in, bytes out, one clock.

Lock-step and without threads, so that equal calls give equal cycles. It needs the standard library
and NumPy only, builds nothing, and knows no frame.
"""

import ctypes
from pathlib import Path
from typing import Any, Self

from lepton_hw.errors import StageError

_U64, _U32, _HANDLE = ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "lepton_open": (_HANDLE, [ctypes.c_char_p]),
    "lepton_problem": (ctypes.c_char_p, [_HANDLE]),
    "lepton_cycle": (_U64, [_HANDLE]),
    "lepton_reset": (None, [_HANDLE]),
    "lepton_pace": (None, [_HANDLE, _U32, _U32]),
    "lepton_send": (None, [_HANDLE, ctypes.c_char_p, _U64]),
    "lepton_step": (None, [_HANDLE, _U64]),
    "lepton_settle": (None, [_HANDLE, _U64, _U64]),
    "lepton_take": (_U64, [_HANDLE, _HANDLE, _U64]),
    "lepton_close": (None, [_HANDLE]),
}
_MOST = 1 << 16


class SerialModel:
    """A library that was built with ``serial.cpp``, opened; a context manager.

    `folder` is where the memory contents (``.dat``) are that the design names.
    """

    def __init__(self, library: Path, folder: Path) -> None:
        self._handle: int | None = None
        self._library = ctypes.CDLL(str(library))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self._handle = self._library.lepton_open(str(folder.resolve()).encode())
        self._check()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the simulation; safe to call again."""
        if self._handle is not None:
            self._library.lepton_close(self._handle)
            self._handle = None

    @property
    def cycle(self) -> int:
        """Clock cycles since the simulation was opened."""
        return int(self._library.lepton_cycle(self._open()))

    def reset(self) -> None:
        """The reset of everything, as after a new bitstream."""
        self._library.lepton_reset(self._open())
        self._check()

    def pace(self, cycles_in: int, cycles_out: int) -> None:
        """Cycles to a byte, each way; a design with pins has its own."""
        self._library.lepton_pace(self._open(), cycles_in, cycles_out)

    def send(self, data: bytes) -> None:
        """Bytes to the design, one after the other."""
        self._library.lepton_send(self._open(), data, len(data))
        self._check()

    def step(self, cycles: int) -> None:
        """Lets the clock run."""
        self._library.lepton_step(self._open(), cycles)
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

    def _open(self) -> int:
        if self._handle is None:
            raise ValueError("the simulation is closed")
        return self._handle

    def _check(self) -> None:
        problem = self._library.lepton_problem(self._handle).decode(errors="replace")
        if problem:
            raise StageError(
                f"the simulated link complains in cycle {self.cycle}: {problem.rstrip('.')}",
                "no complaint",
                "report this, with the design",
            )
