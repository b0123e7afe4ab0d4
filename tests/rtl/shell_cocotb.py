"""What runs inside cocotb: the shell against cocotbext-axi's memory and register master.

Only `test_shell_cocotb.py` starts it. The AXI models are others' work; ours (shell_memory.h) are
far faster and check more rules, but share our reading of the standard.
"""

import os
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

from lepton_hw.sim.shell import IDMA, LEPTON, ODMA
from tests.rtl.shell_cases import expected

SPACE = 1 << 16


def pauses(rng: np.random.Generator) -> Iterator[bool]:
    """A channel that hesitates, as seldom or as often as chance has it."""
    chance = float(rng.choice([0.0, 0.2, 0.7]))
    while True:
        yield bool(rng.random() < chance)


class Bench:
    """The two models around the shell."""

    def __init__(self, dut: Any, seed: int) -> None:
        self.dut, self.rng = dut, np.random.default_rng(seed)
        self.ram = AxiRam(
            AxiBus.from_prefix(dut, "m_axi"), dut.aclk, dut.aresetn,
            reset_active_level=False, size=SPACE,
        )  # fmt: skip
        self.registers = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, dut.aresetn, reset_active_level=False
        )

    def hesitate(self) -> None:
        """New random pauses on every channel of both buses."""
        write, read = self.ram.write_if, self.ram.read_if
        lite = self.registers
        for channel in (
            write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel,
            lite.write_if.aw_channel, lite.write_if.w_channel, lite.write_if.b_channel,
            lite.read_if.ar_channel, lite.read_if.r_channel,
        ):  # fmt: skip
            channel.set_pause_generator(pauses(self.rng))

    async def wait(self, register: int, mask: int, value: int) -> None:
        """Until the masked register has this value."""
        while await self.registers.read_dword(register) & mask != value:
            await ClockCycles(self.dut.aclk, 10)

    async def start(self, addresses: tuple[int, int], frames: int) -> None:
        """Starts both engines."""
        for engine, address in zip((IDMA, ODMA), addresses, strict=True):
            await self.registers.write_dword(engine + 0x10, address)
            await self.registers.write_dword(engine + 0x1C, frames)
        for engine in self.rng.permutation([IDMA, ODMA]).tolist():
            await self.registers.write_dword(engine, 1)


@cocotb.test()
async def random_batches(dut: Any) -> None:
    """Batches of random size and place; before some of them one is reset on its way."""
    shape = [int(part) for part in os.environ["LEPTON_SHAPE"].split()]
    dut.aresetn.value = 0
    Clock(dut.aclk, 10, "ns").start()
    bench = Bench(dut, 1)
    await ClockCycles(dut.aclk, 20)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 5)
    for number in range(int(os.environ["LEPTON_BATCHES"])):
        bench.hesitate()
        await with_timeout(scenario(bench, shape, reset=number % 3 == 2), 1, "ms")


async def scenario(bench: Bench, shape: list[int], *, reset: bool) -> None:
    """One batch; every byte of memory is compared."""
    in_bytes, out_bytes, beats = shape
    rng = bench.rng
    frames = int(rng.integers(1, 30))
    sizes = (frames * beats * in_bytes, frames * beats * out_bytes)
    half = SPACE // 2
    source, sink = (
        i * half + int(rng.integers(0, (half - size) // 8)) * 8 for i, size in enumerate(sizes)
    )
    memory = rng.integers(0, 256, SPACE, dtype=np.uint8)
    memory[sink : sink + sizes[1]] = 0
    bench.ram.write(0, memory.tobytes())
    if reset:
        await bench.start((source, sink), frames)
        await ClockCycles(bench.dut.aclk, int(rng.integers(1, 300)))
        await bench.registers.write_dword(LEPTON + 0x08, 1)
        await bench.wait(LEPTON + 0x08, 1, 0)
    await bench.start((source, sink), frames)
    await bench.wait(ODMA, 2, 2)
    inputs = memory[source : source + sizes[0]]
    memory[sink : sink + sizes[1]] = expected(inputs, in_bytes, out_bytes, beats)
    assert np.array_equal(np.frombuffer(bench.ram.read(0, SPACE), np.uint8), memory)
    await bench.wait(IDMA, 4, 4)
    assert await bench.registers.read_dword(LEPTON + 0x10) & 7 == 0
    await bench.registers.write_dword(LEPTON + 0x10, 0xF)
