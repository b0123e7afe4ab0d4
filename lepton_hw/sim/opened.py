"""An open simulation in a library of ours: its clock, its reset, and what it complains about.

Lock-step and without threads, so that equal calls give equal cycles. It needs the standard library
only, since it also runs where pynq does; it builds nothing and knows no design.
"""

import ctypes
from pathlib import Path
from typing import Any, ClassVar, Self

from lepton_hw.errors import StageError

U64, U32, HANDLE = ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p
#: Name of a function in a library → its result and its arguments.
Signatures = dict[str, tuple[Any, list[Any]]]
_COMMON: Signatures = {
    "lepton_problem": (ctypes.c_char_p, [HANDLE]),
    "lepton_cycle": (U64, [HANDLE]),
    "lepton_reset": (None, [HANDLE]),
    "lepton_step": (None, [HANDLE, U64]),
    "lepton_close": (None, [HANDLE]),
}


def load(path: Path, signatures: Signatures) -> ctypes.CDLL:
    """Opens a library and declares its functions."""
    library = ctypes.CDLL(str(path))
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Opened:
    """A library of ours, opened; a context manager. Raises `StageError` where `what` complains.

    `folder` is where the memory contents (``.dat``) are that the design names; `arguments` go to
    ``lepton_open``, too. `signatures` are of the functions that not every such library has.
    """

    what: ClassVar[str]
    signatures: ClassVar[Signatures]

    def __init__(self, library: Path, folder: Path, *arguments: Any) -> None:
        self._library = load(library, _COMMON | self.signatures)
        self._handle: int | None = self._library.lepton_open(
            str(folder.resolve()).encode(), *arguments
        )
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
        """The reset of the whole programmable logic, as after a new bitstream; memory stays."""
        self._library.lepton_reset(self._open())
        self._check()

    def step(self, cycles: int) -> None:
        """Lets the clock run, and nothing else happen."""
        self._library.lepton_step(self._open(), cycles)
        self._check()

    def _open(self) -> int:
        if self._handle is None:
            raise ValueError("the simulation is closed")
        return self._handle

    def _check(self) -> None:
        problem = self._library.lepton_problem(self._handle).decode(errors="replace")
        if problem:
            raise StageError(
                f"{self.what} complains in cycle {self.cycle}: {problem.rstrip('.')}",
                "no complaint",
                "report this, with the design",
            )
