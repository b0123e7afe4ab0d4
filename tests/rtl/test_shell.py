"""The shell against random software and random memory: every byte, every register, no hang.

``LEPTON_EXAMPLES`` sets the number of scenarios of each kind (20 if unset); from 100 on, more beat
widths are built. A failure prints kind, seed and widths.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from lepton_hw.errors import InputError, StageError
from lepton_hw.sim.shell import IDMA, LEPTON, ODMA, ShellSim, Stalls
from tests.rtl.shell_cases import make
from tests.rtl.shell_scenarios import BASE, KINDS, MEMORY, Bench, Shape

EXAMPLES = int(os.environ.get("LEPTON_EXAMPLES", "20"))
WIDE = Shape(8, 8, 16, pauses=False)
SHAPES = [WIDE, Shape(3, 5, 7, axi3=False, max_burst=32), Shape(16, 1, 9)]
if EXAMPLES >= 100:
    widths = np.random.default_rng(5).integers(1, 33, (5, 2)).tolist()
    SHAPES += [Shape(a, b, 5, axi3=a % 2 == 0, max_burst=8) for a, b in widths]


class Shells:
    """Simulations by shape, opened when first asked for."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._open: dict[Shape, ShellSim] = {}

    def __getitem__(self, shape: Shape) -> ShellSim:
        if shape not in self._open:
            folder = self._folder / str(len(self._open))
            design = make(folder, shape.in_bytes, shape.out_bytes, shape.beats, pauses=shape.pauses)
            memory = np.zeros(MEMORY, np.uint8)
            sim = ShellSim(
                design, folder, memory, base=BASE, axi3=shape.axi3, max_burst=shape.max_burst
            )
            self._open[shape] = self._stack.enter_context(sim)
        return self._open[shape]


@pytest.fixture(scope="module")
def shells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shells]:
    with ExitStack() as stack:
        yield Shells(tmp_path_factory.mktemp("shell"), stack)


@pytest.mark.parametrize("kind", KINDS)
def test_random_scenarios(shells: Shells, kind: str) -> None:
    for seed in range(EXAMPLES):
        shape = SHAPES[seed % len(SHAPES)]
        print(f"{kind}, seed {seed}, {shape}")
        KINDS[kind](Bench(shells[shape], shape, seed))


def test_long_bursts_use_95_percent_of_the_ports_cycles(shells: Shells) -> None:
    bench = Bench(shells[WIDE], WIDE, 0)
    bench.sim.stall(Stalls(latency=40))
    batch = bench.batch(128)
    bench.good(batch)
    words = batch.inputs.size // 8
    bench.sim.stall(Stalls(latency=40))
    bench.sim.traffic()
    bench.start(batch)
    bench.wait(ODMA)
    traffic = bench.sim.traffic()
    assert (traffic.read_beats, traffic.write_beats) == (words, words)
    assert words >= 0.95 * (traffic.read_last - traffic.read_first + 1)
    assert words >= 0.95 * (traffic.write_last - traffic.write_first + 1)
    assert traffic.writes_open_max >= 2, "the next burst's address overlaps data"
    bench.wait(IDMA)


def test_identity(shells: Shells) -> None:
    shape = SHAPES[1]
    sim = shells[shape]
    sim.reset()
    said = [sim.read(LEPTON + offset) for offset in (0x00, 0x04, 0x40, 0x44, 0x48, 0x4C, 0x50)]
    assert said == [0x4C50_5430, 0x0001_0000, 21, 35, 3, 5, 8]
    words = [sim.read(LEPTON + 0x20 + 4 * i) for i in range(8)]
    assert b"".join(word.to_bytes(4, "big") for word in words) == sim.digest


def test_registers_obey_strobes_and_unknown_offsets_do_nothing(shells: Shells) -> None:
    sim = shells[WIDE]
    sim.reset()
    for engine in (IDMA, ODMA):
        sim.write(engine + 0x10, 0x1122_3344)
        sim.write(engine + 0x10, 0xAABB_CCDD, 0b0101)
        assert sim.read(engine + 0x10) == 0x11BB_33DD
        sim.write(engine, 0x1, 0b1110)  # the start bit is not among the bytes
        assert sim.read(engine) == 4
        for offset in (0x04, 0x08, 0x0C, 0x18, 0x100, 0x1010):
            sim.write(engine + offset, 0xFFFF_FFFF)
            assert sim.read(engine + offset) == 0
    for access in (lambda: sim.read(0x3_0000), lambda: sim.write(0x3_0004, 1)):
        with pytest.raises(InputError, match="is answered by SLVERR; expected an offset below"):
            access()


def test_counters(shells: Shells) -> None:
    sim, shape = shells[WIDE], WIDE
    bench = Bench(sim, shape, 1)
    sim.reset()
    sim.stall(Stalls(w=0.75, latency=10))
    batch = bench.batch(20)
    sim.write(LEPTON + 0x08, 2)
    cleared = sim.cycle
    bench.good(batch)
    sim.write(LEPTON + 0x08, 4)
    elapsed = sim.cycle - cleared
    cycles, busy, no_data, not_taken, latency, first, done, read, written, pressed = (
        sim.read(LEPTON + 0x80 + 8 * index) for index in range(10)
    )
    assert abs(cycles - elapsed) <= 4
    assert (first, done, read, written) == (20, 20, 320, 320)
    assert latency == 1, "this accelerator gives a beat one cycle after it took it"
    assert 0 < no_data < busy < cycles
    assert not_taken > 320, "memory takes one word in four cycles"
    assert pressed > 320, "and the input waits behind that"
    assert [sim.read(LEPTON + 0x84 + 8 * index) for index in range(10)] == [0] * 10
    sim.step(100)
    assert sim.read(LEPTON + 0x80) == cycles, "as latched"


def test_a_design_with_two_inputs_is_refused(tmp_path: Path) -> None:
    design = make(tmp_path, 1, 1, 1)
    two = design.model_copy(update={"inputs": ("s_axis_0", "s_axis_1")})
    with pytest.raises(StageError, match="the design has 2 inputs and 1 outputs; expected one of"):
        ShellSim(two, tmp_path, np.zeros(4096, np.uint8))


def test_memory_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    design = make(tmp_path, 1, 1, 1)
    with pytest.raises(InputError, match="from a multiple of 4096 to at most 4 GiB"):
        ShellSim(design, tmp_path, np.zeros(8192, np.uint8), base=(1 << 32) - 4096)


def test_status_says_what_a_batch_waits_for(shells: Shells) -> None:
    sim = shells[WIDE]
    bench = Bench(sim, WIDE, 2)
    sim.reset()
    sim.stall(Stalls())
    batch = bench.batch(20)
    bench.set(IDMA, BASE + batch.source, 20)
    sim.write(IDMA, 1)
    sim.step(1000)
    assert sim.read(LEPTON + 0x0C) == 0b0101_0001, "idma runs; in valid, out valid and not ready"
    sim.write(LEPTON + 0x08, 1)
    sim.step(200)
    assert sim.read(LEPTON + 0x0C) & 0b0101_0111 == 0
    assert sim.read(LEPTON + 0x10) == 8, "reset while busy"
