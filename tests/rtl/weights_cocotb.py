"""What runs inside cocotb: memories of weights, read while others are written, beside registers.

Only `test_shell_cocotb.py` starts it.
"""

import ast
import os
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import Combine, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from lepton_hw.sim.shell import LEPTON
from tests.rtl.shell_cocotb import pauses

#: Accesses of each kind that a batch has under way.
DEEP = 12


class Lines:
    """All lines of all memories as they must be; half are written, half only read."""

    def __init__(self, master: AxiLiteMaster, rng: np.random.Generator) -> None:
        self.master, self.rng, self.known = master, rng, {}
        memories = ast.literal_eval(os.environ["LEPTON_SHAPE"])
        self.lines = [
            (offset + size * line, size, bits)
            for offset, size, depth, bits in memories
            for line in range(depth)
        ]

    async def write(self, index: int) -> None:
        """A line with random words, in rising order."""
        at, size, bits = self.lines[index]
        data = self.rng.bytes(size)
        response = await self.master.write(at, data)
        assert response.resp == AxiResp.OKAY
        stored = (1 << -(-bits // 8) * 8) - 1
        self.known[index] = int.from_bytes(data, "little") & stored

    async def check(self, index: int) -> None:
        """A line reads as it was written."""
        at, size, _ = self.lines[index]
        found = await self.master.read(at, size)
        assert found.resp == AxiResp.OKAY
        assert int.from_bytes(found.data, "little") == self.known[index], hex(at)


@cocotb.test()
async def random_lines(dut: Any) -> None:
    """Reads and writes of disjoint lines at the same time, then the other way round."""
    dut.aresetn.value = 0
    Clock(dut.aclk, 10, "ns").start()
    rng = np.random.default_rng(1)
    master = AxiLiteMaster(
        AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, dut.aresetn, reset_active_level=False
    )
    for _ in range(20):
        await cocotb.triggers.RisingEdge(dut.aclk)
    dut.aresetn.value = 1
    lines = Lines(master, rng)
    for index in range(len(lines.lines)):
        await lines.write(index)
    for _ in range(int(os.environ["LEPTON_BATCHES"])):
        for channel in (
            master.write_if.aw_channel, master.write_if.w_channel, master.write_if.b_channel,
            master.read_if.ar_channel, master.read_if.r_channel,
        ):  # fmt: skip
            channel.set_pause_generator(pauses(rng))
        await with_timeout(batch(lines), 1, "ms")


async def batch(lines: Lines) -> None:
    """Writes and reads that overlap, registers of the shell among them, and a refused address."""
    order = lines.rng.permutation(len(lines.lines)).tolist()
    half = len(order) // 2
    tasks = [cocotb.start_soon(many(lines.write, order[:half], lines.rng))]
    tasks.append(cocotb.start_soon(many(lines.check, order[half:], lines.rng)))
    tasks.append(cocotb.start_soon(registers(lines.master)))
    await Combine(*tasks)
    for index in order:
        await lines.check(index)


async def many(act: Any, indices: list[int], rng: np.random.Generator) -> None:
    """`DEEP` lines of these, any of them."""
    for index in rng.choice(indices, DEEP).tolist():
        await act(index)


async def registers(master: AxiLiteMaster) -> None:
    """What the shell answers meanwhile."""
    for _ in range(DEEP):
        assert await master.read_dword(LEPTON) == 0x4C50_5430
        refused = await master.read(0x3_0000, 4)
        assert refused.resp == AxiResp.SLVERR
