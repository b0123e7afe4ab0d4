"""What a sweep found, as the plain value behind ``sweep.json``; builds and decides nothing.

A change of a field's name or meaning raises `SCHEMA_VERSION`; a new optional field does not.
"""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

FILE, PAGE = "sweep.json", "sweep.html"
SCHEMA_VERSION: Final = 1
Value = bool | int | float | str
#: Of a point. `done` has figures; `failed` and `mismatch` have a reason; `killed` lost the process
#: that built it, and is built again by the next command, as are `waiting` ones; `running` is being
#: built by another command, perhaps elsewhere.
State = Literal["done", "failed", "mismatch", "killed", "running", "waiting"]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figures(_Frozen):
    """Figures of one certified design.

    `accuracy` is the part of the held-out images that is classified correctly, None for a finished
    model. `cycles_per_frame` and `latency_cycles` are measured in RTL; `frames_per_second` and
    `latency_us` are the same at the board's clock. `lut`, `bram36`, `uram` and `dsp` are estimates;
    `fullest` is the resource of which the largest `share` is used, 1 for all of it. `vectors` went
    through every executor. `energy_per_image`, in joules, is our model's, between `energy_low` and
    `energy_high`; None where it was not asked for, or the part has no figures.
    `seconds` is what all stages took, training too, also where other points share it.
    """

    accuracy: float | None
    frames_per_second: float
    latency_us: float
    cycles_per_frame: int
    latency_cycles: int
    lut: int
    bram36: int
    uram: int
    dsp: int
    fullest: str
    share: float
    vectors: int
    energy_per_image: float | None = None
    energy_low: float | None = None
    energy_high: float | None = None
    seconds: float


class Row(_Frozen):
    """One point: its name, the grid's values, what came of it.

    `exact` is None where no certificate was reached; `fronts` are the names of the Pareto fronts
    that it is on; `host` is the machine that built it.
    """

    name: str
    values: dict[str, Value]
    state: State
    exact: bool | None = None
    reason: str = ""
    figures: Figures | None = None
    fronts: tuple[str, ...] = ()
    host: str = ""


class SweepResults(_Frozen):
    """All points, in the order of the grid. `clock` is the board's, in MHz; `study` is the name of
    the study in its database, `version` that of lepton_hw.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    flow: str
    title: str
    board: str
    board_title: str
    clock: float
    grid: dict[str, tuple[Value, ...]]
    study: str
    version: str
    points: tuple[Row, ...]

    def count(self, *states: State) -> int:
        """How many points are in one of these states."""
        return sum(row.state in states for row in self.points)
