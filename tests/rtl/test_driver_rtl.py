"""The board's driver on the RTL of the shell: results, counters, refusals, stalls, recovery."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from lepton_hw.board import load_board
from lepton_hw.contract import InputContract, Port
from lepton_hw.deployment import write_deployment
from lepton_hw.onboard import Accelerator, HardwareError, Stalled
from lepton_hw.sim.shell import ShellSim, Stalls
from tests.rtl.shell_cases import expected, make

SHAPE = (3, 5, 7)  # bytes of a beat in and out, beats a frame
NEARLY_NEVER = 1 - 1e-9


class Buffer(np.ndarray):
    """The host's view of DMA memory: apart from it until flushed or invalidated."""

    def flush(self) -> None:
        self.memory[:] = self

    def invalidate(self) -> None:
        self[:] = self.memory


class SimTransport:
    """What pynq is on a board."""

    def __init__(self, sim: ShellSim) -> None:
        self.sim, self.used = sim, 0
        self.read, self.write = sim.read, sim.write

    def allocate(self, size: int) -> Buffer:
        buffer = np.full(size, 0xEE, np.uint8).view(Buffer)
        buffer.device_address = self.sim.base + self.used
        buffer.memory = self.sim.memory[self.used : self.used + size]
        self.sim.allow(buffer.device_address, size)
        self.used += -(-size // 4096) * 4096
        return buffer

    def reload(self) -> None:
        self.sim.stall(Stalls())  # whatever kept memory from answering has passed
        self.sim.reset()

    def close(self) -> None:
        """The simulation is the test's."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Accelerator, ShellSim]]:
    folder = tmp_path_factory.mktemp("driver")
    design = make(folder / "design", *SHAPE)
    ports = [Port(name=way, dtype="UINT8", shape=(7, width), layout="NWC")
             for way, width in zip(("in", "out"), SHAPE[:2], strict=True)]  # fmt: skip
    with ShellSim(design, folder / "design", np.zeros(1 << 16, np.uint8)) as sim:
        (folder / "none.bit").write_bytes(b"none")
        deployed = write_deployment(
            folder / "deployed", folder / "none.bit", design,
            InputContract(input=ports[0], output=ports[1]), load_board("pynq_z2"),
            sim.digest.hex(), (codes(9), network(codes(9))),
        )  # fmt: skip
        transport = SimTransport(sim)
        file = deployed / "design.bit"
        with Accelerator(file, batch=16, timeout=0.2, transport=transport) as accelerator:
            yield accelerator, sim


def codes(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 7, 3)).astype(np.uint8)


def network(inputs: np.ndarray) -> np.ndarray:
    return expected(inputs.reshape(-1), *SHAPE).reshape(-1, 7, 5)


def works(accelerator: Accelerator) -> bool:
    return all(
        np.array_equal(accelerator.infer(codes(count)), network(codes(count)))
        for count in (1, 2, 7, 16, 61)
    )


@pytest.mark.parametrize("latency", [0, 30])
def test_every_byte_under_stalls(bench: Any, latency: int) -> None:
    accelerator, sim = bench
    sim.stall(Stalls(ar=0.3, r=0.3, aw=0.3, w=0.3, b=0.3, latency=latency, seed=3))
    assert works(accelerator)
    assert np.array_equal(list(accelerator.stream(codes(40))), network(codes(40)))
    sim.stall(Stalls())


def test_counters(bench: Any) -> None:
    accelerator, _ = bench
    seen = accelerator.profile(codes(40))
    counters = seen.counters
    assert seen.frames == counters.frames_in == counters.frames_done == 40
    assert counters.read_beats == 2 * (16 * 21 // 8) + 8 * 21 // 8
    assert counters.write_beats == 2 * (16 * 35 // 8) + 8 * 35 // 8
    assert 0 < counters.latency < counters.busy <= counters.cycles
    assert seen.busy >= seen.accelerator > 0


def test_memory_that_refuses(bench: Any) -> None:
    accelerator, sim = bench
    sim.forbid(sim.base, 1 << 16)
    with pytest.raises(HardwareError, match=r"refused the read at 0x1000\w+; memory refused the w"):
        accelerator.infer(codes(3))
    sim.allow(sim.base, 1 << 16)
    assert works(accelerator)


@pytest.mark.parametrize(
    ("stalls", "message"),
    [
        (Stalls(r=NEARLY_NEVER), "input side: idma0 runs and memory gives no data"),
        (Stalls(w=NEARLY_NEVER), "output side: the accelerator offers data that odma0 or memory"),
    ],
)
def test_stalls(bench: Any, stalls: Stalls, message: str) -> None:
    accelerator, sim = bench
    sim.stall(stalls)
    with pytest.raises(Stalled, match=message):
        accelerator.infer(codes(30))
    assert works(accelerator)
