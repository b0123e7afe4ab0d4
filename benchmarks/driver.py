"""``make bench-driver``: packing and unpacking on one core, and Python's share of a call.

No hardware and no simulation: buffers are ordinary memory, registers answer at once, and the time
inside registers and buffers is not counted in the overhead of a call.
"""

import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import write
from lepton_hw.board import load_board
from lepton_hw.contract import InputContract, Port
from lepton_hw.datatypes import value_range
from lepton_hw.deployment import write_deployment
from lepton_hw.design import Design, Stream

#: What must be reached: bytes of codes a second, and of a call of one image without registers.
GOAL_MB_S, GOAL_US = 500.0, 20.0
RUNS, FRAMES, CALLS = 15, 512, 3000
#: (datatype, beats a frame, codes a beat): images and feature maps folded as FINN folds them.
DOORS = (
    ("BIPOLAR", 1024, 3), ("BIPOLAR", 96, 32), ("TERNARY", 96, 32), ("UINT2", 1024, 3),
    ("INT3", 96, 32), ("UINT4", 3072, 1), ("UINT4", 1024, 3), ("INT4", 96, 32),
    ("INT5", 1024, 3), ("UINT7", 96, 32), ("UINT8", 1024, 3), ("INT8", 3072, 1),
    ("INT10", 1024, 3), ("UINT12", 96, 32), ("INT15", 96, 32), ("INT16", 3072, 1),
    ("INT20", 3072, 1), ("INT20", 768, 4), ("INT19", 96, 32), ("INT24", 768, 4),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """`*_mb_s` counts the codes in their smallest NumPy type, `*_packed_mb_s` the buffer's bytes.

    For the calls, `us_per_call` is the whole of `infer` on one image less the time in registers
    and buffers.
    """

    what: str
    beats: int
    codes: int
    pack_mb_s: float
    unpack_mb_s: float
    pack_packed_mb_s: float
    unpack_packed_mb_s: float
    us_per_call: float


def packing_row(dtype: str, beats: int, elements: int) -> Row:
    """Best of `RUNS`, a batch of `FRAMES` frames: what the machine can do, undisturbed."""
    from lepton_hw.onboard.packing import Packing, bits_of

    size = -(-elements * bits_of(dtype) // 8)
    packing = Packing(dtype, (beats, elements), beats, elements, size)
    codes = _codes(dtype, (FRAMES, beats, elements)).astype(packing.container)
    out = np.zeros(FRAMES * packing.frame_bytes, np.uint8)
    pack = _best(lambda: packing.pack_into(codes, out))
    unpack = _best(lambda: packing.unpack(out, FRAMES))
    if not np.array_equal(packing.unpack(out, FRAMES), codes):
        sys.exit(f"{dtype}: other codes come back")
    return Row(
        what=dtype,
        beats=beats,
        codes=elements,
        pack_mb_s=round(codes.nbytes / pack / 1e6),
        unpack_mb_s=round(codes.nbytes / unpack / 1e6),
        pack_packed_mb_s=round(out.nbytes / pack / 1e6),
        unpack_packed_mb_s=round(out.nbytes / unpack / 1e6),
        us_per_call=0.0,
    )


def _codes(dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    low, high = value_range(dtype)
    codes = np.random.default_rng(0).integers(low, high, shape, endpoint=True)
    return np.where(codes > 0, 1, -1) if dtype == "BIPOLAR" else codes


def _best(work: Any) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


class _Memory(np.ndarray[Any, Any]):
    """uint8; one memory for host and hardware."""

    device_address = 0x1000

    def flush(self) -> None:
        """Nothing to do."""

    invalidate = freebuffer = flush


class _Registers:
    """Answers at once: identity from design.json, done, no error."""

    def __init__(self, folder: Path) -> None:
        values = json.loads((folder / "design.json").read_text())
        doors = (values["input"], values["output"])
        sizes = [door["beats"] * door["beat_bytes"] for door in doors]
        self._values: dict[int, int] = {0x20000: 0x4C505430, 0x20004: 0x10000, 0x20040: sizes[0]}
        self._values |= {0x20044: sizes[1], 0x10000: 2}
        self._values |= {0x20048 + 4 * i: door["beat_bytes"] for i, door in enumerate(doors)}
        words = [int(values["digest"][8 * i : 8 * i + 8], 16) for i in range(8)]
        self._values |= {0x20020 + 4 * i: word for i, word in enumerate(words)}

    def read(self, offset: int) -> int:
        """One register."""
        return self._values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Nothing to do."""

    def allocate(self, size: int) -> _Memory:
        """Zeros."""
        return np.zeros(size, np.uint8).view(_Memory)

    def close(self) -> None:
        """Nothing to do."""


def call_row(dtype: str, shape: tuple[int, ...], elements: int, folder: Path) -> Row:
    """``infer`` of one image with ten codes of INT16 out; median, registers taken off."""
    from lepton_hw.onboard import Accelerator

    registers = _Registers(deployment(dtype, shape, elements, folder))
    accelerator = Accelerator(folder / "deployed" / "design.bit", transport=registers)
    image = _codes(dtype, shape).astype(accelerator.manifest.input.packing.container)
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        accelerator.infer(image)
        times.append(time.perf_counter() - start)
    inside = _register_time(registers)
    count = int(np.prod(shape))
    return Row(f"infer, {dtype}", count // elements, elements, 0, 0, 0, 0,
               round((float(np.median(times)) - inside) * 1e6, 1))  # fmt: skip


def _register_time(registers: _Registers) -> float:
    """Seconds of one call's register accesses and buffer calls on this fake: two reads, eight
    writes, flush and invalidate."""
    buffer = registers.allocate(8)
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        for _ in range(8):
            registers.write(0x10, 1)
        registers.read(0x10000)
        registers.read(0x20010)
        buffer.flush()
        buffer.invalidate()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def deployment(dtype: str, shape: tuple[int, ...], elements: int, folder: Path) -> Path:
    """A folder as it is copied to a board, around a design that does not exist."""
    from lepton_hw.onboard.packing import bits_of

    def stream(name: str, kind: str, size: tuple[int, ...], per_beat: int) -> Stream:
        bits = bits_of(kind)
        folded = (1, int(np.prod(size)) // per_beat, per_beat)
        return Stream(tensor=name, producer="", consumer="", dtype=kind, bits=bits,
                      width=-(-bits * per_beat // 8) * 8, shape=(1, *size), folded_shape=folded,
                      name=name)  # fmt: skip

    design = Design(top="top", sources=(), data_files=(), inputs=("in",), outputs=("out",),
                    nodes=(), streams=(stream("in", dtype, shape, elements),
                                       stream("out", "INT16", (10,), 1)))  # fmt: skip
    contract = InputContract(
        input=Port(name="in", dtype=dtype, shape=shape, layout="NHWC"),
        output=Port(name="out", dtype="INT16", shape=(10,), layout="NC"),
    )
    bitstream = folder / "none.bit"
    bitstream.write_bytes(b"none")
    none = np.zeros((1, 1), np.int64)
    board = load_board("pynq_z2")
    return write_deployment(
        folder / "deployed", bitstream, design, contract, board, "00" * 32, (none, none)
    )


def main() -> None:
    """Measures on one core; fails where a goal is missed."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rows = [packing_row(*door) for door in DOORS]
    for dtype, shape, elements in (("UINT8", (32, 32, 3), 3), ("UINT4", (8, 8, 1), 1)):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(call_row(dtype, shape, elements, Path(folder)))
    write("driver", [asdict(row) for row in rows])
    missed = [
        f"{row.what} in {row.beats} x {row.codes}: {min(row.pack_mb_s, row.unpack_mb_s)} MB/s"
        for row in rows
        if not row.us_per_call and min(row.pack_mb_s, row.unpack_mb_s) < GOAL_MB_S
    ]
    missed += [
        f"{row.what}: {row.us_per_call} µs a call" for row in rows if row.us_per_call > GOAL_US
    ]
    if missed:
        sys.exit("missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()
