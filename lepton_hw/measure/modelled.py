"""Rows of an FPGA that is not on the desk: cycles of the RTL × clock, and a model of the driver.

Nothing here was measured on hardware, and every row says `modelled`.
"""

from lepton_hw.measure import driver_model
from lepton_hw.measure.comparison import Quantity, Row, Split, Timing
from lepton_hw.measure.fabric import Fabric


def row(fabric: Fabric, batch: int, power: Quantity | None, why_no_energy: str,
        counted: int | None = None) -> Row:  # fmt: skip
    """One batch. `counted` cycles of the shell's own counters replace the modelled ones. Energy is
    `power` (watts) over the time of the batch.
    """
    cycles = fabric.cycles(batch) if counted is None else counted
    inside = fabric.inside(batch)
    seconds = 1 / (fabric.clock * 1e6)
    before = driver_model.copied(batch * fabric.in_bytes)
    after = driver_model.copied(batch * fabric.out_bytes)
    call = driver_model.call()
    host = before.plus(after).plus(call)
    total = cycles * seconds + host.value
    low, high = cycles * seconds + host.low, cycles * seconds + host.high
    return Row(
        batch=batch,
        latency=Timing(
            how="modelled", repeats=0, p50=total, p90=total, p99=total, worst=total,
            low=low, high=high,
        ),
        split=Split(
            before=before.value, transfer=call.value + max(0, cycles - inside) * seconds,
            compute=min(cycles, inside) * seconds, after=after.value,
        ),
        images_per_second=batch / total,
        cycles=cycles, fabric=cycles * seconds,
        energy=_energy(power, batch, low, total, high),
        why_no_energy="" if power else why_no_energy,
    )  # fmt: skip


def _energy(
    power: Quantity | None, batch: int, low: float, seconds: float, high: float
) -> Quantity | None:
    """Joules an image: bounds of the power times bounds of the time."""
    if power is None:
        return None
    return Quantity(
        value=power.value * seconds / batch, low=power.low * low / batch,
        high=power.high * high / batch, how="modelled", source=power.source,
    )  # fmt: skip
