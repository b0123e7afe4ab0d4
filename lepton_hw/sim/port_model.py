"""A simulated module as a set of ports that Python reads and writes, cycle by cycle.

For FINN's node-level simulation and for register interfaces; it knows no protocol, and is far
too slow for batches of images (`lepton_hw.sim.simulator`).
"""

import ctypes
import re
from collections.abc import Mapping
from pathlib import Path

from lepton_hw.errors import StageError

_PORT = re.compile(r"^\s*VL_(IN|OUT|INOUT)(8|16|64|W)?\((?:&|\()?(\w+)\)?,(\d+),(\d+)", re.M)


def port_table(header: str) -> str:
    """C++ table of the ports that Verilator declared in ``Vdut.h``, for ``ports.cpp``."""
    cases = []
    for index, match in enumerate(_PORT.finditer(header)):
        way, _, name, high, low = match.groups()
        width = int(high) - int(low) + 1
        cases.append(
            f'  case {index}: return {{"{_plain(name)}", {int(way == "IN")}, {width}, '
            f"sizeof(Model::{name}), &m.{name}}};"
        )
    return "\n".join(
        [
            f"constexpr unsigned PORTS = {len(cases)};",
            "static inline PortInfo port_of(Model& m, unsigned index) {",
            "  switch (index) {",
            *cases,
            "  }",
            '  return {"", 0, 0, 0, nullptr};',
            "}",
            "",
        ]
    )


def _plain(name: str) -> str:
    # Verilator writes characters that C++ does not take, and doubled underscores, as __0XX.
    return re.sub(r"__0([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), name)


class Port:
    """One port; its value is an unsigned integer of `width` bits."""

    def __init__(self, name: str, is_input: bool, width: int, memory: ctypes.Array[ctypes.c_ubyte]):
        self.name, self.is_input, self.width = name, is_input, width
        self._memory, self._mask = memory, (1 << width) - 1

    @property
    def value(self) -> int:
        """What the port carries since the last evaluation, or what was last written to it."""
        return int.from_bytes(self._memory, "little") & self._mask

    @value.setter
    def value(self, value: int) -> None:
        if not 0 <= value <= self._mask:
            raise ValueError(f"{value} does not fit port {self.name} of {self.width} bits")
        ctypes.memmove(self._memory, value.to_bytes(len(self._memory), "little"), len(self._memory))


class PortModel:
    """An open simulation of a library that was built with ``ports.cpp``."""

    def __init__(self, library: Path, trace: Path | None = None) -> None:
        self._library = _load(library)
        self._handle = self._library.lepton_open(str(trace).encode() if trace else b"")
        self._time = 0
        self.ports: Mapping[str, Port] = dict(self._read_ports())
        self.evaluate()

    def evaluate(self, nanoseconds: int = 1) -> None:
        """Settles the design after changes of its inputs; raises `StageError` if it complains."""
        if self._handle is None:
            raise ValueError("the simulation is closed")
        self._time += nanoseconds
        if not self._library.lepton_eval(self._handle, self._time):
            problem = self._library.lepton_problem(self._handle).decode(errors="replace")
            raise StageError(
                f"the simulated module complains: {problem.rstrip('.')}",
                "no complaint",
                "check the module's parameters and data files",
            )

    @property
    def is_open(self) -> bool:
        """Whether the simulation can still be evaluated."""
        return self._handle is not None

    def close(self) -> None:
        """Ends the simulation and writes the rest of its waveform; safe to call again."""
        if self._handle is not None:
            self._library.lepton_close(self._handle)
            self._handle = None

    def _read_ports(self) -> list[tuple[str, Port]]:
        found = []
        for index in range(self._library.lepton_ports()):
            info = _Info()
            self._library.lepton_port(self._handle, index, ctypes.byref(info))
            memory = (ctypes.c_ubyte * info.bytes).from_address(info.address)
            name = info.name.decode()
            found.append((name, Port(name, bool(info.is_input), info.width, memory)))
        return found


class _Info(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("is_input", ctypes.c_int),
        ("width", ctypes.c_uint),
        ("bytes", ctypes.c_size_t),
        ("address", ctypes.c_void_p),
    )


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    handle = ctypes.c_void_p
    library.lepton_open.restype, library.lepton_open.argtypes = handle, [ctypes.c_char_p]
    library.lepton_port.argtypes = [handle, ctypes.c_uint, ctypes.c_void_p]
    library.lepton_eval.argtypes = [handle, ctypes.c_uint64]
    library.lepton_problem.restype = ctypes.c_char_p
    library.lepton_problem.argtypes = [handle]
    library.lepton_close.argtypes = [handle]
    library.lepton_close.restype = None
    return library
