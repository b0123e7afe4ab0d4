"""Power of an FPGA design by a model: toggles counted in RTL × energies of resources, as intervals.

For boards without a sensor. Every figure comes with its sources, ``boards/parts/energies.toml``;
nothing here is measured, and a part without figures is refused rather than guessed.
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import Field, model_validator

from lepton_hw.board import ROOT
from lepton_hw.errors import InputError
from lepton_hw.sim.activity import Activity
from lepton_hw.toml_values import Values, read_toml

FILE = ROOT / "boards" / "parts" / "energies.toml"
#: Flip-flops for a LUT where nobody counted them; assumed, from designs of ours and of others.
FF_PER_LUT = (0.3, 1.5)
UNITS = {
    "static": "W", "board": "W", "clock": "pJ per cycle",
    "clock_ff": "pJ per flip-flop and cycle", "logic": "pJ per LUT and toggle",
    "bram": "pJ per BRAM36 and cycle", "uram": "pJ per URAM and cycle",
    "dsp": "pJ per DSP and toggle",
}  # fmt: skip
_PICO = 1e-12


class Figure(Values):
    """The ends of an interval, their unit, where they are from, and the publications in that."""

    low: float = Field(ge=0)
    high: float = Field(ge=0)
    unit: str
    source: str = Field(min_length=1)
    cites: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _honest(self) -> "Figure":
        if self.low > self.high:
            raise ValueError("low at most high")
        if not self.cites and "assumed" not in self.source:
            raise ValueError("a publication in 'cites', or the word 'assumed' in 'source'")
        if any(name not in self.source for name in self.cites):
            raise ValueError("every publication of 'cites' in 'source', too")
        return self


class Family(Values):
    """One technology. `static` is by the beginning of the part's name; `covers` says of what the
    sum is the power. `board` is the processor with its memory, and more where `covers` says so.
    """

    name: str
    covers: str
    static: dict[str, Figure]
    board: Figure | None = None
    clock: Figure
    clock_ff: Figure
    logic: Figure
    bram: Figure
    uram: Figure | None = None
    dsp: Figure

    @model_validator(mode="after")
    def _units(self) -> "Family":
        for name, figure in self.figures():
            if figure.unit != UNITS[name]:
                raise ValueError(f"{name} in '{UNITS[name]}'")
        return self

    def figures(self) -> list[tuple[str, Figure]]:
        """All of them, by what they are of."""
        others = [(name, getattr(self, name)) for name in UNITS if name != "static"]
        found = [(name, figure) for name, figure in others if figure is not None]
        return [*(("static", figure) for figure in self.static.values()), *found]


class Energies(Values):
    """The whole file; `cited` are the publications, by the names that figures cite them by."""

    cited: dict[str, str]
    family: tuple[Family, ...]

    @model_validator(mode="after")
    def _known(self) -> "Energies":
        used = {
            name for each in self.family for _, figure in each.figures() for name in figure.cites
        }
        if used - set(self.cited):
            raise ValueError(f"[cited] with {', '.join(sorted(used - set(self.cited)))}")
        return self


@dataclass(frozen=True)
class Used:
    """Resources of a design in the units of board files; `source` says who counted them.

    `ff` is None where only an estimate without flip-flops is there.
    """

    lut: float
    ff: float | None
    bram36: float
    dsp: float
    source: str
    uram: float = 0.0


class Watts(NamedTuple):
    """The ends of an interval."""

    low: float
    high: float


@dataclass(frozen=True)
class PowerEstimate:
    """Watts while the design works at full speed, part by part; `covers` says of what.

    The ends of the sum are the sums of the ends: as if every error went the same way. `model` is
    one line that names the method; `sources` are lines: of the activity, of the resources, of each
    energy, of each publication.
    """

    parts: dict[str, Watts]
    covers: str
    model: str
    sources: tuple[str, ...]

    @property
    def low(self) -> float:
        """Watts, at least."""
        return sum(part.low for part in self.parts.values())

    @property
    def high(self) -> float:
        """Watts, at most."""
        return sum(part.high for part in self.parts.values())

    @property
    def middle(self) -> float:
        """Watts half-way, for a column of a table; the interval belongs beside it."""
        return (self.low + self.high) / 2


@functools.cache
def energies() -> Energies:
    """The file, read once."""
    return read_toml(FILE, Energies)


def estimate(activity: Activity, used: Used, clock: float, part: str) -> PowerEstimate:
    """The model's answer for a design with this activity and size, at `clock` MHz, in `part`.

    A LUT's output and its wires toggle as often as the bits of the RTL do on average: at least
    `activity.rate`, at most `activity.rate_moving`. Memories may be enabled in every cycle.

    Raises `InputError` for a part without figures, and for a clock or resources below zero.
    """
    if clock <= 0 or min(used.lut, used.ff or 0, used.bram36, used.dsp, used.uram) < 0:
        raise InputError(
            f"a design of {used.lut:g} LUTs at {clock:g} MHz", "figures above zero", "correct them"
        )
    family, static = _family(part)
    cycles = clock * 1e6
    rate = Watts(activity.rate, activity.rate_moving)
    flops = Watts(*((used.ff,) * 2 if used.ff is not None else _times(used.lut, FF_PER_LUT)))

    def watts(figure: Figure, low: float, high: float) -> Watts:
        """Of a figure in picojoules and how often it is spent in a cycle."""
        return Watts(figure.low * low * cycles * _PICO, figure.high * high * cycles * _PICO)

    parts = {
        "static": Watts(static.low, static.high),
        "board": Watts(family.board.low, family.board.high) if family.board else Watts(0.0, 0.0),
        "clock": _sum(watts(family.clock, 1, 1), watts(family.clock_ff, *flops)),
        "logic": watts(family.logic, *_times(used.lut, rate)),
        "bram": watts(family.bram, used.bram36, used.bram36),
        "dsp": watts(family.dsp, *_times(used.dsp, rate)),
    }
    if family.uram is not None and used.uram:
        parts["uram"] = watts(family.uram, used.uram, used.uram)
    return PowerEstimate(
        parts=parts,
        covers=family.covers,
        model=f"toggles of the RTL in simulation × energies of {family.name}",
        sources=(_counted(activity), f"resources: {used.source}", *_cited(family, static, parts)),
    )


def known_parts() -> list[str]:
    """Beginnings of the names of parts that have figures."""
    return [prefix for family in energies().family for prefix in family.static]


def _family(part: str) -> tuple[Family, Figure]:
    for family in energies().family:
        for prefix, static in family.static.items():
            if part.lower().startswith(prefix.lower()):
                return family, static
    raise InputError(
        f"the power model has no energies for the part {part}",
        f"one of {', '.join(known_parts())}",
        f"measure at the plug, or add published figures to boards/parts/{FILE.name}",
    )


def _counted(activity: Activity) -> str:
    return (
        f"activity: {activity.nets.toggles:,} toggles of {activity.nets.bits:,} bits, of which"
        f" {activity.nets.moved:,} moved, in {activity.cycles:,} cycles of RTL simulation"
        f" ({activity.frames} frames): {activity.rate:.3f} to {activity.rate_moving:.3f} per bit"
        " and cycle"
    )


def _cited(family: Family, static: Figure, parts: dict[str, Watts]) -> list[str]:
    """A line for each figure that was used, then one for each publication in them."""
    used = [("static", static)]
    used += [
        (name, figure)
        for name, figure in family.figures()
        if name != "static" and (name in parts or name == "clock_ff")
    ]
    names = dict.fromkeys(name for _, figure in used for name in figure.cites)
    return [
        *(
            f"{name}: {figure.low:g} to {figure.high:g} {figure.unit} ({figure.source})"
            for name, figure in used
        ),
        *(f"{name}: {energies().cited[name]}" for name in names),
    ]


def _sum(*parts: Watts) -> Watts:
    return Watts(sum(part.low for part in parts), sum(part.high for part in parts))


def _times(count: float, pair: tuple[float, float]) -> tuple[float, float]:
    return count * pair[0], count * pair[1]
