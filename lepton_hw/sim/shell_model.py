"""An open simulation of the shell: registers, memory behind the DMA port, one clock.

Lock-step and without threads: every access is a real AXI-Lite transfer that advances the clock
until its answer is there, so that equal calls give equal cycles. It needs the standard library and
NumPy only, since it also runs where pynq does; it builds nothing and knows no driver.
"""

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lepton_hw.errors import InputError
from lepton_hw.sim.opened import HANDLE, U32, U64, Opened, Signatures

IDMA, ODMA, LEPTON = 0x0_0000, 0x1_0000, 0x2_0000
_OKAY, _SLVERR, _DECERR = 0, 2, 3
_WINDOWS = 0x4_0000  # windows of weights, where there are any, begin here
_TEXT = ctypes.c_char_p


@dataclass(frozen=True)
class Stalls:
    """How memory and the register master hesitate: probabilities per cycle, below 1.

    `ar`, `aw`, `w`: a request or word is not taken; `r`, `b`: an answer is withheld; `registers`:
    the AXI-Lite master waits. `latency`: cycles from a request to its answer. `order`: 0 takes
    write addresses and data as they come, 1 an address only when its data show, 2 data only after
    their address.
    """

    ar: float = 0.0
    r: float = 0.0
    aw: float = 0.0
    w: float = 0.0
    b: float = 0.0
    registers: float = 0.0
    latency: int = 0
    order: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Traffic:
    """What moved on the DMA port: words, first and last cycle of each, most open, bursts."""

    read_beats: int
    write_beats: int
    read_first: int
    read_last: int
    write_first: int
    write_last: int
    reads_open_max: int
    writes_open_max: int
    bursts: int
    reads_open: int
    writes_open: int


class ShellModel(Opened):
    """A library that was built with ``shell.cpp``, opened; a context manager.

    Args:
        library: path of the shared library.
        folder: where the memory contents (``.dat``) are that the design names.
        memory: shape (bytes,), uint8; the DDR that the DMA port sees, written in place. Nothing
            in it answers before `allow`.
        base: address of its first byte, a multiple of 4096; all below 4 GiB.
        max_burst: words, a power of two, as in the design.
        limit: bytes of registers, windows of weights among them; a power of two.
        trace: path of an FST waveform, for a library that was built for it.
    """

    what = "the simulated shell"
    signatures: ClassVar[Signatures] = {
        "lepton_open": (HANDLE, [_TEXT, HANDLE, U64, U64, ctypes.c_uint, _TEXT]),
        "lepton_read": (ctypes.c_int, [HANDLE, U32, HANDLE]),
        "lepton_write": (ctypes.c_int, [HANDLE, U32, U32, ctypes.c_uint]),
        "lepton_stalls": (None, [HANDLE, HANDLE, U32, U64]),
        "lepton_range": (None, [HANDLE, U64, U64, ctypes.c_uint]),
        "lepton_no_ranges": (None, [HANDLE]),
        "lepton_traffic": (None, [HANDLE, HANDLE, HANDLE]),
    }

    def __init__(
        self,
        library: Path,
        folder: Path,
        memory: NDArray[np.uint8],
        *,
        base: int = 0x1000_0000,
        max_burst: int = 16,
        trace: Path | None = None,
        limit: int = 0x4_0000,
    ) -> None:
        _check_memory(memory, base)
        self.memory, self.base, self._limit = memory, base, limit
        super().__init__(
            library, folder, memory.ctypes.data, base, memory.size, max_burst,
            str(trace or "").encode(),
        )  # fmt: skip

    def read(self, offset: int) -> int:
        """The register at a byte offset, 0 to 0x3FFFC; raises `InputError` where it refuses."""
        value = ctypes.c_uint32()
        said = self._library.lepton_read(self._open(), self._at(offset), ctypes.byref(value))
        self._check_answer(said, "read", offset)
        return value.value

    def write(self, offset: int, value: int, strobes: int = 0xF) -> None:
        """Writes a register, 32 bits; `strobes` names the bytes that count."""
        said = self._library.lepton_write(
            self._open(), self._at(offset), value & 0xFFFF_FFFF, strobes
        )
        self._check_answer(said, "write", offset)

    def allow(self, address: int, size: int) -> None:
        """From now on memory from `address` on answers; what is never allowed answers DECERR."""
        self._library.lepton_range(self._open(), address, size, _OKAY)

    def forbid(self, address: int, size: int, *, slave_error: bool = False) -> None:
        """From now on these addresses answer DECERR, or SLVERR."""
        response = _SLVERR if slave_error else _DECERR
        self._library.lepton_range(self._open(), address, size, response)

    def forbid_all(self) -> None:
        """As at the beginning: no address answers."""
        self._library.lepton_no_ranges(self._open())

    def stall(self, stalls: Stalls) -> None:
        """How memory and register master behave from now on."""
        units = [round(getattr(stalls, name) * (1 << 32)) for name in ("ar", "r", "aw", "w", "b")]
        raw = (ctypes.c_uint32 * 8)(*units, stalls.latency, stalls.order, 0)
        registers = round(stalls.registers * (1 << 32))
        self._library.lepton_stalls(self._open(), raw, registers, stalls.seed % (1 << 64))

    def traffic(self) -> Traffic:
        """What moved on the DMA port since the last call."""
        raw, still_open = (U64 * 9)(), (U32 * 2)()
        self._library.lepton_traffic(self._open(), raw, still_open)
        return Traffic(*raw, *still_open)

    def _at(self, offset: int) -> int:
        if not 0 <= offset < self._limit or offset % 4:
            limit = f"a multiple of 4 below {self._limit:#x}"
            raise InputError(f"the register offset is {offset:#x}", limit, "change it")
        return offset

    def _check_answer(self, said: int, way: str, offset: int) -> None:
        self._check()
        if said == _OKAY:
            return
        found = "SLVERR" if said == _SLVERR else "nothing"
        raise InputError(
            f"a {way} of register 0x{offset:05X} is answered by {found}",
            "an offset below 0x30000" + " or a word of weights" * (self._limit > _WINDOWS),
            "see docs/shell.md",
        )


def _check_memory(memory: NDArray[np.uint8], base: int) -> None:
    fits = base >= 0 and base % 4096 == 0 and base + memory.size <= 1 << 32
    whole = memory.size % 8 == 0 and memory.ndim == 1 and memory.flags.c_contiguous
    if not (fits and whole and memory.dtype == np.uint8):
        raise InputError(
            f"the memory is {memory.dtype} of shape {memory.shape} at {base:#x}",
            "contiguous bytes, a multiple of 8, from a multiple of 4096 to at most 4 GiB",
            "pass another array or base",
        )
