"""What runs inside cocotb: the bridge from a processor's AXI3 port, between two of its AXI models.

Only `test_axi3_lite.py` starts it.
"""

import os
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, with_timeout
from cocotbext.axi import (
    AxiBurstType,
    AxiBus,
    AxiLiteBus,
    AxiLiteRam,
    AxiMaster,
    AxiResp,
)

from tests.rtl.shell_cocotb import pauses

SPACE = 1 << 12


@cocotb.test()
async def random_transfers(dut: Any) -> None:
    """Reads and writes of every size, at once and in any number, against a model of the bytes."""
    rng = np.random.default_rng(3)
    dut.rst.value = 1
    Clock(dut.clk, 10, "ns").start()
    ram = AxiLiteRam(AxiLiteBus.from_prefix(dut, "m"), dut.clk, dut.rst, size=SPACE)
    master = AxiMaster(AxiBus.from_prefix(dut, "s"), dut.clk, dut.rst, max_burst_len=16)
    await ClockCycles(dut.clk, 10)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 5)
    model = bytearray(SPACE)
    for _ in range(int(os.environ["LEPTON_BATCHES"])):
        for channel in (
            ram.write_if.aw_channel, ram.write_if.w_channel, ram.write_if.b_channel,
            ram.read_if.ar_channel, ram.read_if.r_channel,
            master.write_if.aw_channel, master.write_if.w_channel, master.write_if.b_channel,
            master.read_if.ar_channel, master.read_if.r_channel,
        ):  # fmt: skip
            channel.set_pause_generator(pauses(rng))
        await with_timeout(batch(master, ram, model, rng), 1, "ms")


async def batch(master: Any, ram: Any, model: bytearray, rng: np.random.Generator) -> None:
    half = SPACE // 2
    operations = []
    for number in range(6):
        size = int(rng.integers(0, 3))  # bytes of a word: 1, 2, 4
        length = int(rng.integers(1, 90))
        at = int(rng.integers(0, half - length))
        identifier = int(rng.integers(0, 8))
        if number % 2:
            data = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
            # Writes to the upper half, in order; reads of the lower one, which rests.
            model[half + at : half + at + length] = data
            operations.append((
                cocotb.start_soon(master.write(half + at, data, awid=identifier, size=size)), None,
            ))  # fmt: skip
            await operations[-1][0]
        else:
            expected = bytes(model[at : at + length])
            reading = master.read(at, length, arid=identifier, size=size)
            operations.append((cocotb.start_soon(reading), expected))
    for task, expected in operations:
        answer = await task
        assert answer.resp == AxiResp.OKAY
        if expected is not None:
            assert bytes(answer.data) == expected
    assert ram.read(half, half) == bytes(model[half:])
    # The halves change places, so that what was written is read by the bridge as well.
    model[:half], model[half:] = model[half:], model[:half]
    ram.write(0, bytes(model))
    answer = await master.read(0, 64, burst=AxiBurstType.WRAP)
    assert answer.resp == AxiResp.SLVERR
    assert (await master.write(0, bytes(64), burst=AxiBurstType.WRAP)).resp == AxiResp.SLVERR
    assert ram.read(0, SPACE) == bytes(model)
