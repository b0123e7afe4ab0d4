"""Published figures of other designs, read from ``docs/measurements/anchors.toml``.

Each says what was measured, where and how, with its source. Nothing here was measured by this
project, and nothing is computed but units.
"""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lepton_hw.errors import InputError
from lepton_hw.toml_values import ROOT, Frequency, Values, read_toml

FILE = ROOT / "docs" / "measurements" / "anchors.toml"
What = Literal["latency", "energy", "throughput", "power", "accuracy"]
#: By what a figure is of: its units, each with the factor to seconds, joules, frames a second,
#: watts, and percent.
UNITS: dict[str, dict[str, float]] = {
    "latency": {"s": 1.0, "ms": 1e-3, "us": 1e-6},
    "energy": {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6},
    "throughput": {"frames/s": 1.0},
    "power": {"W": 1.0, "mW": 1e-3},
    "accuracy": {"%": 1.0},
}


class Figure(Values):
    """One figure; `kind` "derived" is computed from measured ones, as `how` says."""

    what: What
    value: float = Field(gt=0)
    unit: str
    kind: Literal["measured", "derived"]
    how: str = Field(min_length=1)

    @model_validator(mode="after")
    def _unit_fits(self) -> Self:
        known = UNITS[self.what]
        if self.unit not in known:
            raise ValueError(f"{self.what} in {' or '.join(known)}, not in '{self.unit}'")
        return self

    @property
    def base(self) -> float:
        """In seconds, joules, frames a second, watts, or percent."""
        return self.value * UNITS[self.what][self.unit]

    @property
    def text(self) -> str:
        """Value and unit, such as ``17.5 us``."""
        return f"{self.value:,.10g} {self.unit}"


class Anchor(Values):
    """One published design; `networks` are our names of those that it is compared with.

    `same` says how alike they are: "network" (layers and bits), "topology" (layers, other bits),
    "task" (another network for the same data). `board` is our name of it where we have one. `host`
    says whether the host's work lies within the times; `clock` is in MHz, None where the source
    names none.
    """

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    title: str = Field(min_length=1)
    networks: tuple[str, ...] = Field(min_length=1)
    same: Literal["network", "topology", "task"]
    weight_bits: Annotated[int, Field(ge=1, le=32)]
    act_bits: Annotated[int, Field(ge=1, le=32)]
    board: str = Field(min_length=1)
    clock: Frequency | None = None
    year: int = Field(ge=2010, le=2100)
    source: str = Field(min_length=1)
    url: str = Field(pattern=r"^https://\S+$")
    host: Literal["included", "excluded", "not said"]
    conditions: str = Field(min_length=1)
    figure: tuple[Figure, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _once(self) -> Self:
        twice = _twice([figure.what for figure in self.figure])
        if twice:
            raise ValueError(f"one figure of each kind, not two of {twice}")
        return self

    @property
    def text(self) -> str:
        """All figures, and the conditions, as one sentence after the other."""
        figures = ", ".join(f"{figure.what} {figure.text}" for figure in self.figure)
        bits = f"{self.weight_bits}-bit weights, {self.act_bits}-bit activations"
        clock = f", {self.clock:g} MHz" if self.clock else ""
        return (
            f"{figures}. {bits}, {self.board}{clock}; the host's work {self.host}. "
            f"{self.conditions} {self.source} ({self.url})."
        )

    def get(self, what: What) -> Figure:
        """The figure of this kind; raises `InputError` where the source has none."""
        found = next((figure for figure in self.figure if figure.what == what), None)
        if found is None:
            raise InputError(
                f"the anchor {self.name} has no {what}",
                f"one of {', '.join(figure.what for figure in self.figure)}",
                "compare another figure",
            )
        return found


class _File(Values):
    anchor: tuple[Anchor, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _once(self) -> Self:
        twice = _twice([anchor.name for anchor in self.anchor])
        if twice:
            raise ValueError(f"each name once, not two of {twice}")
        return self


def anchors(path: Path = FILE) -> tuple[Anchor, ...]:
    """All of the file, in its order; raises `InputError` for anything that is not exactly that."""
    return read_toml(path, _File).anchor


def matching(
    network: str, board: str | None = None, among: tuple[Anchor, ...] | None = None
) -> tuple[Anchor, ...]:
    """Those that belong to a network of ours, such as ``cnv``; with `board` those of this board.

    Nearest first: same network, then same topology, then same task. Empty where there is none.
    """
    nearness = ("network", "topology", "task")
    found = [
        anchor
        for anchor in (anchors() if among is None else among)
        if network in anchor.networks and board in (None, anchor.board)
    ]
    return tuple(sorted(found, key=lambda anchor: nearness.index(anchor.same)))


def _twice(names: list[str]) -> str:
    """The first that stands twice, or nothing."""
    return next((name for name, number in Counter(names).items() if number > 1), "")
