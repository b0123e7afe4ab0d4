"""Watts of a modelled board: the vendor's report where there is one, else the model of our own.

Both are models, and every figure says which.
"""

from typing import Any

from lepton_hw.design import read_design
from lepton_hw.errors import LeptonError
from lepton_hw.measure import fpga_power
from lepton_hw.measure.comparison import Quantity
from lepton_hw.progress import Progress
from lepton_hw.sim.activity import activity
from lepton_hw.stages.bench_fpga import Made, Power
from lepton_hw.stages.bitstream import Bitstream

#: Frames that are tried, one number after the other, until the design is full of them.
FRAMES = (20, 100)


def power_of(made: Made, codes: Any, progress: Progress) -> Power:
    """Of a design at work on `codes`; or why there is none."""
    if made.built is not None and made.built.power:
        return Power(_vendors(made.built))
    try:
        with progress.task("activity", 1) as task:
            found = _ours(made, codes)
            task.advance()
    except LeptonError as error:
        return Power(None, str(error))
    return Power(found)


def _vendors(built: Bitstream) -> Quantity:
    total = built.power["total"]
    return Quantity(
        value=total, low=total, high=total, how="modelled",
        source=f"{built.toolchain}'s power report ({built.power_corner}), the chip alone",
    )  # fmt: skip


def _ours(made: Made, codes: Any) -> Quantity:
    design, folder = read_design(made.stitched.folder), made.stitched.folder
    clock = made.built.clock if made.built else made.board.clock
    for count in FRAMES:
        try:
            switched = activity(design, folder, codes[:count])
            break
        except LeptonError:
            if count == FRAMES[-1] or count >= len(codes):
                raise
    estimate = fpga_power.estimate(switched, _used(made), clock, made.board.part)
    return Quantity(
        value=estimate.middle, low=estimate.low, high=estimate.high, how="modelled",
        source=f"{estimate.model}; of {estimate.covers}",
    )  # fmt: skip


def _used(made: Made) -> fpga_power.Used:
    """Placed cells where there is a bitstream, else FINN's estimate, which has no flip-flops."""
    if made.built is not None and made.built.used:
        used = made.built.used
        return fpga_power.Used(
            used["lut"], used.get("ff"), used.get("bram36", 0.0), used.get("dsp", 0.0),
            f"placed by {made.built.toolchain}", used.get("uram", 0.0),
        )  # fmt: skip
    compiled = made.compiled
    return fpga_power.Used(
        compiled.lut, None, compiled.bram36, compiled.dsp, "estimate before synthesis",
        compiled.uram,
    )  # fmt: skip
