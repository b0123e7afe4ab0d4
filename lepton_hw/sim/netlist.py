"""A synthesised netlist in Verilator, at the doors of the design that it was made from.

The cells are Yosys's simulation models, block RAM is ours (``cells/``). There is no timing: every
gate is at once. What Yosys left undefined is simulated as zeros and, apart from that, as ones; a
netlist is proven only if both give the integers expected.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lepton_hw.design import Design
from lepton_hw.errors import Mismatch
from lepton_hw.netlist import Netlist, verilog
from lepton_hw.progress import SILENT, Progress
from lepton_hw.sim.batches import Batch
from lepton_hw.sim.simulator import Simulator
from lepton_hw.tools import yosys

CELLS = Path(__file__).parent / "cells"
#: Family → cells whose models are ours → files of ours that they need.
OURS: dict[str, dict[str, tuple[str, ...]]] = {
    "xc7": {
        **{f"LUT{n}": ("xc7_logic.sv",) for n in range(1, 7)},
        "CARRY4": ("xc7_logic.sv",),
        "RAMB18E1": ("lepton_ramb.sv", "RAMB18E1.sv"),
        "RAMB36E1": ("lepton_ramb.sv", "RAMB36E1.sv"),
    },
    "ecp5": {
        "LUT2": ("ecp5_logic.sv",),
        "LUT4": ("ecp5_logic.sv",),
        "DP16KD": ("DP16KD.sv",),
    },
}
#: Cycles from which on an optimised model is worth the minutes that its compilation takes.
SHORT = 200_000
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Proof:
    """What one simulation of a netlist gave against the integers expected.

    `unknown` is what stood for undefined bits. `first` is the index of the first element that
    differs, frame first, with the value expected and the one found. `same_cycles`: whether every
    frame left in the cycle expected, None where none was given. `seconds` simulating,
    `build_seconds` building the model, nearly 0 where it was there.
    """

    unknown: str
    frames: int
    mismatches: int
    first: tuple[tuple[int, ...], int, int] | None
    same_cycles: bool | None
    cycles: int
    seconds: float
    build_seconds: float

    @property
    def exact(self) -> bool:
        """No integer differs, and no cycle where cycles were compared."""
        return self.mismatches == 0 and self.same_cycles is not False


def netlist_simulation(  # noqa: PLR0913 – one keyword for each option
    netlist: Netlist,
    family: str,
    design: Design,
    batch: Batch,
    expected: Ints,
    *,
    frame_out: Ints | None = None,
    unknown: tuple[str, ...] = ("0", "1"),
    cycles: int = SHORT,
    gap: float = 0.0,
    stall: float = 0.0,
    cache: Path | None = None,
    progress: Progress = SILENT,
) -> list[Proof]:
    """Runs a batch through the netlist of `design`'s top, once for each meaning of `unknown`.

    Args:
        batch: shape (frames, *shape of the input without the leading 1).
        expected: int64, shape (frames, *shape of the output without the leading 1).
        frame_out: cycle of each frame's last output beat in RTL at the same pace, shape (frames,).
        cycles: about how many the batch takes; below `SHORT` the model is built faster and slower.
        gap, stall: as for `Simulator.run`.

    Raises `StageError` where the netlist stops, complains or delivers too much, and where a cell
    has no model; a wrong integer is no error but in the result.
    """
    proofs = []
    for value in unknown:
        with netlist_sources(netlist, family, value) as folder:
            simulator = Simulator(doors(design, folder), folder, cache=cache, quick=cycles < SHORT)
            start = time.monotonic()
            simulator.build()
            built = time.monotonic() - start
            result = simulator.run(batch, gap=gap, stall=stall, progress=progress)
        assert isinstance(result.outputs, np.ndarray)  # the designs that have one output
        same = None if frame_out is None else bool(np.array_equal(frame_out, result.frame_out))
        proofs.append(
            Proof(
                unknown=value,
                frames=len(expected),
                mismatches=wrong_frames(expected, result.outputs),
                first=first_wrong(expected, result.outputs),
                same_cycles=same,
                cycles=result.cycles,
                seconds=result.seconds,
                build_seconds=built,
            )
        )
    return proofs


def require_exact(proofs: list[Proof], family: str) -> None:
    """Raises `Mismatch` for the first proof that is none."""
    for proof in proofs:
        if proof.exact:
            continue
        found = f"the {family} netlist, undefined bits as {proof.unknown}, differs from the RTL"
        if proof.first is None:
            raise Mismatch(f"{found} in its cycles", "equal cycles", "report this, with the design")
        index, want, got = proof.first
        raise Mismatch(
            f"{found} on {proof.mismatches} of {proof.frames} frames, first in frame {index[0]}"
            f" at {list(index[1:])}, where it is {got}",
            str(want),
            "report this, with the design",
        )


def doors(design: Design, folder: Path) -> Design:
    """`design` with its outer streams only, and the sources that `netlist_sources` wrote."""
    names = (*design.inputs, *design.outputs)
    return design.model_copy(
        update={
            "sources": tuple(sorted(path.name for path in folder.iterdir())),
            "data_files": (),
            "streams": tuple(stream for stream in design.streams if stream.name in names),
            "nodes": (),
        }
    )


@contextmanager
def netlist_sources(netlist: Netlist, family: str, unknown: str = "0") -> Iterator[Path]:
    """A temporary folder of the netlist and the models of its cells, as Verilog.

    Raises `StageError` for a cell without a model.
    """
    ours, types = OURS[family], set(netlist.count())
    models = yosys.cell_models(family, types, set(ours))
    with tempfile.TemporaryDirectory(prefix="lepton_netlist_") as scratch:
        folder = Path(scratch)
        for name in {file for files in ours.values() for file in files}:
            (folder / name).write_text((CELLS / name).read_text())
        (folder / "models.v").write_text(models)
        (folder / "netlist.v").write_text(verilog(define(netlist, unknown)))
        yield folder


def define(netlist: Netlist, unknown: str) -> Netlist:
    """The netlist with every undefined bit of a parameter or an input as `unknown`."""

    def value(text: str) -> str:
        return text.replace("x", unknown) if set(text) <= set("01xz") else text

    cells = tuple(
        replace(
            cell,
            parameters={name: value(text) for name, text in cell.parameters.items()},
            connections={
                pin: tuple(unknown if bit == "x" else bit for bit in bits)
                for pin, bits in cell.connections.items()
            },
        )
        for cell in netlist.cells
    )
    return replace(netlist, cells=cells)


def wrong_frames(expected: Ints, got: Ints) -> int:
    """Frames with a wrong integer; all of them where the shapes differ."""
    if got.shape != expected.shape:
        return len(expected)
    return int((got != expected).reshape(len(expected), -1).any(axis=1).sum())


def first_wrong(expected: Ints, got: Ints) -> tuple[tuple[int, ...], int, int] | None:
    """Index, value expected and value found of the first wrong integer."""
    if got.shape != expected.shape or np.array_equal(expected, got):
        return None
    index = tuple(int(n) for n in np.argwhere(expected != got)[0])
    return index, int(expected[index]), int(got[index])
