"""The C interface of a built simulator, as typed Python; see ``harness.cpp`` for the other side."""

import ctypes
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.sim import opened
from lepton_hw.sim.bench import Plan
from lepton_hw.sim.opened import HANDLE, U64

_ATTACH = [HANDLE, ctypes.c_uint, HANDLE, U64, U64, ctypes.c_size_t, HANDLE]
_SIGNATURES: opened.Signatures = {
    "lepton_open": (
        HANDLE,
        [ctypes.c_char_p, U64, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_double],
    ),
    "lepton_problem": (ctypes.c_char_p, [HANDLE]),
    "lepton_run": (ctypes.c_int, [HANDLE, U64, U64]),
    "lepton_trace": (None, [HANDLE, ctypes.c_char_p, U64, U64]),
    "lepton_counters": (HANDLE, [HANDLE]),
    "lepton_state": (None, [HANDLE] * 7),
    "lepton_close": (None, [HANDLE]),
    "lepton_input": (None, _ATTACH),
    "lepton_output": (None, _ATTACH),
    "lepton_tap": (None, _ATTACH),
}


class Status(IntEnum):
    """Why `Run.run` came back."""

    MORE = 0
    FINISHED = 1
    IDLE = 2
    EXTRA = 3
    STOPPED = 4


def load(path: Path) -> ctypes.CDLL:
    """Opens a library and declares its functions."""
    return opened.load(path, _SIGNATURES)


def counters_type(plan: Plan) -> type[ctypes.Structure]:
    """The C struct ``Counters`` of a design."""
    entries, fifos, nodes = (max(1, len(part)) for part in (plan.entries, plan.fifos, plan.nodes))
    fields = [
        ("beats", U64 * entries), ("blocked", U64 * entries), ("starved", U64 * entries),
        ("fill_sum", U64 * fifos),
        ("fill", ctypes.c_int32 * fifos), ("fill_max", ctypes.c_int32 * fifos),
        ("busy", ctypes.c_uint32 * nodes), ("moving", ctypes.c_uint32 * nodes),
    ]  # fmt: skip
    return type("Counters", (ctypes.Structure,), {"_fields_": fields})


@dataclass(frozen=True)
class Pace:
    """Probability per cycle that an input is withheld, that an output is not taken; the seed.

    `interval`: cycles per frame at which every input's beats are offered, evenly spread; 0 is as
    fast as the design takes them.
    """

    gap: float = 0.0
    stall: float = 0.0
    seed: int = 0
    interval: float = 0.0


class Run:
    """One simulation from reset on; a context manager. It keeps its buffers alive."""

    def __init__(self, library: ctypes.CDLL, plan: Plan, data: Path, pace: Pace) -> None:
        self._library, self._plan = library, plan
        self._kept: list[NDArray[Any]] = []
        self.expected_outputs = 0  # beats, all outputs together
        unit = (1 << 32) - 1
        self._handle = library.lepton_open(
            str(data).encode(),
            pace.seed % (1 << 64),
            int(pace.gap * unit),
            int(pace.stall * unit),
            pace.interval,
        )

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self._library.lepton_close(self._handle)

    @property
    def problem(self) -> str:
        """What the design or Verilator's run time complained about; empty if nothing."""
        return str(self._library.lepton_problem(self._handle).decode(errors="replace"))

    def attach(
        self, kind: str, index: int, words: NDArray[np.uint32], per_frame: int
    ) -> NDArray[np.uint64]:
        """Hands over the beats of door or tap `index` (`kind`: input, output, tap).

        `words` has shape (beats, words per beat). Returns the array that will hold one cycle
        stamp per frame.
        """
        stamps = np.zeros(-(-len(words) // per_frame), np.uint64)
        self._kept += [words, stamps]
        if kind == "output":
            self.expected_outputs += len(words)
        getattr(self._library, f"lepton_{kind}")(
            self._handle, index, words.ctypes.data, len(words), per_frame, words.shape[1],
            stamps.ctypes.data,
        )  # fmt: skip
        return stamps

    def trace(self, path: Path, start: int, stop: int) -> None:
        """Writes cycles `start` to `stop` as FST; only a library built for it can."""
        self._library.lepton_trace(self._handle, str(path).encode(), start, stop)

    def run(self, cycles: int, idle_limit: int) -> Status:
        """Advances by at most `cycles`."""
        return Status(self._library.lepton_run(self._handle, cycles, idle_limit))

    def counters(self) -> dict[str, NDArray[np.int64]]:
        """Field name → one value per entry, FIFO or node of the plan."""
        kind = counters_type(self._plan)
        raw = kind.from_address(self._library.lepton_counters(self._handle))
        return {
            field[0]: np.array(getattr(raw, field[0]), dtype=np.int64) for field in kind._fields_
        }

    def state(self) -> dict[str, NDArray[np.int64]]:
        """scalars (cycle, last output, longest pause), in, out, tap (beats), valid, ready."""
        plan = self._plan
        arrays: dict[str, NDArray[Any]] = {
            "scalars": np.zeros(3, np.uint64),
            "in": np.zeros(max(1, len(plan.inputs)), np.uint64),
            "out": np.zeros(max(1, len(plan.outputs)), np.uint64),
            "tap": np.zeros(max(1, len(plan.taps)), np.uint64),
            "valid": np.zeros(max(1, len(plan.entries)), np.uint8),
            "ready": np.zeros(max(1, len(plan.entries)), np.uint8),
        }
        self._library.lepton_state(self._handle, *(a.ctypes.data for a in arrays.values()))
        return {name: array.astype(np.int64) for name, array in arrays.items()}
