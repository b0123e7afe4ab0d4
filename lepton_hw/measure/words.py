"""A comparison's figures in words: values in, text out, for the terminal and for the report."""

from collections.abc import Iterable

from lepton_hw.measure.comparison import BreakEven, Quantity, Target

#: Before a figure that is modelled.
MODELLED = "~"
Units = tuple[tuple[str, float], ...]
_SECONDS: Units = (("s", 1.0), ("ms", 1e3), ("µs", 1e6), ("ns", 1e9))
_JOULES: Units = (("J", 1.0), ("mJ", 1e3), ("µJ", 1e6), ("nJ", 1e9))


def seconds(value: float) -> str:
    """With the unit that leaves one to three digits before the point."""
    return _scaled(value, _SECONDS)


def joules(value: float) -> str:
    """The same of an energy."""
    return _scaled(value, _JOULES)


def interval(value: Quantity | None) -> str:
    """An energy with its interval, marked where it is a model's."""
    if value is None:
        return "-"
    mark = MODELLED if value.how == "modelled" else ""
    return f"{mark}{joules(value.value)} ({joules(value.low)} – {joules(value.high)})"


def overtaking(found: Iterable[BreakEven]) -> list[str]:
    """A line for each FPGA and batch, with the targets that overtake it there."""
    groups: dict[tuple[str, int | None], list[str]] = {}
    for each in found:
        groups.setdefault((each.fpga, each.batch), []).append(each.other)
    lines = []
    for (fpga, batch), others in groups.items():
        when = f"from batch {batch:,} on" if batch else "at none of these batches"
        takes = "takes" if len(others) == 1 else "take"
        lines.append(f"{', '.join(others)} {takes} less time an image than {fpga} {when}")
    return lines


def no_energy(targets: Iterable[Target]) -> dict[str, list[str]]:
    """Each reason for an empty column, with the targets that it holds for."""
    reasons: dict[str, list[str]] = {}
    for target in targets:
        for why in {row.why_no_energy for row in target.rows if row.why_no_energy}:
            reasons.setdefault(why.rstrip("."), []).append(target.name)
    return reasons


def _scaled(value: float, units: Units) -> str:
    for unit, factor in units:
        if abs(value) * factor >= 1 or unit == units[-1][0]:
            scaled = value * factor
            return f"{scaled:.0f} {unit}" if abs(scaled) >= 100 else f"{scaled:.3g} {unit}"
    return ""
