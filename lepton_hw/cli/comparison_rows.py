"""A comparison as rows of text; measures nothing itself.

A figure with ~ before it is modelled, one with ! behind it is of a noisy machine.
"""

from lepton_hw.measure import words
from lepton_hw.measure.comparison import Comparison, Row, Target, Timing
from lepton_hw.measure.words import MODELLED

Rows = list[tuple[str, ...]]
COLUMNS = ("target", "batch", "p50", "95 %", "p99", "images/s", "energy/image")
NOISY = "!"


def table(found: Comparison) -> tuple[tuple[str, ...], Rows]:
    """One row a target and batch."""
    rows: Rows = []
    for target in found.targets:
        for index, row in enumerate(target.rows):
            rows.append(("" if index else target.name, *_row(row)))
    return COLUMNS, rows


def _row(row: Row) -> tuple[str, ...]:
    timing = row.latency
    mark = MODELLED if timing.how == "modelled" else ""
    return (
        f"{row.batch}",
        mark + words.seconds(timing.p50) + (NOISY if timing.noisy else ""),
        _interval(timing),
        "-" if mark else words.seconds(timing.p99),
        f"{mark}{row.images_per_second:,.0f}",
        words.interval(row.energy),
    )


def _interval(timing: Timing) -> str:
    """By how much of the median it may be lower and higher."""
    low, high = (100 * (each / timing.p50 - 1) for each in (timing.low, timing.high))
    return f"{low:+.0f} {high:+.0f} %".replace("-", "−") if max(-low, high) >= 0.5 else "±0 %"


def above(found: Comparison) -> list[str]:
    """Who computed, and whether the same."""
    lines = []
    for target in found.targets:
        right = "" if target.accuracy is None else f", accuracy {target.accuracy:.2%}"
        lines.append(
            f"{target.name} ({target.device}): {target.identical} of {target.images} identical, "
            f"{target.same_decision} same class{right}"
        )
    return [*lines, ""]


def below(found: Comparison) -> list[str]:
    """What the marks mean; what is absent and why; where one overtakes the other."""
    lines = []
    if any(target.modelled for target in found.targets):
        lines.append(f"{MODELLED} modelled: RTL cycles × clock, and the constants in bench.json")
    lines += _fabric(found.targets)
    if found.noisy:
        lines.append(
            f"{NOISY} noisy, {len(found.noisy)} of the rows: calls spread by over 20 %, or rounds "
            "differ by over 3 %; measure on a quiet machine"
        )
    lines += [f"not measured: {name}: {reason}" for name, reason in found.absent.items()]
    lines += [
        f"left out: {target.name}, batch {batch}: {reason}"
        for target in found.targets
        for batch, reason in target.left_out.items()
    ]
    lines += [
        f"no energy of {', '.join(names)}: {why}"
        for why, names in words.no_energy(found.targets).items()
    ]
    lines += words.overtaking(found.break_even)
    if found.model_error:
        errors = [f"{error:+.1%} at {name}" for name, error in found.model_error.items()]
        lines.append(f"cycles, model against the shell's counters: {'; '.join(errors)}")
    return lines


def _fabric(targets: tuple[Target, ...]) -> list[str]:
    """What the first batch takes in an FPGA alone, without the driver on its processor."""
    lines = []
    for target in targets:
        row = next(iter(target.rows), None)
        if row is not None and row.fabric is not None:
            lines.append(
                f"in the fabric alone, {target.name} takes {words.seconds(row.fabric)} for batch "
                f"{row.batch} ({row.cycles:,} cycles); the rest is the driver on its processor"
            )
    return lines
