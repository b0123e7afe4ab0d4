"""What `lepton bench` found, as one plain value: this is the schema of ``bench.json``.

Times are in seconds, power in watts, energy in joules. Every figure says whether it was measured or
modelled, and by what; what could not be had is absent, with the reason.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lepton_hw.measure.latency import apart

SCHEMA_VERSION: Literal[1] = 1
How = Literal["measured", "modelled"]
#: Rounds whose medians differ by more than this share of their mean do not agree.
AGREEMENT = 0.03
#: The name of a target whose cycles are counted in simulation.
VIRTUAL = "fpga virtual"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Quantity(_Frozen):
    """A figure with its interval; `source` names the sensor, the file, the tool or the model."""

    value: float
    low: float
    high: float
    how: How
    source: str


class Timing(_Frozen):
    """Seconds of one batch, end to end. The median lies in `low` to `high`: with 95 % confidence
    where it was measured, by the error bars of the constants where it is modelled.

    `rounds` are the medians of rounds between which everything else was measured; `noisy` where
    they differ by more than 3 %, or the calls by more than 20 % between the 10th and the 90th
    percentile.
    """

    how: How
    repeats: int
    p50: float
    p90: float
    p99: float
    worst: float
    low: float
    high: float
    rounds: tuple[float, ...] = ()
    noisy: bool = False

    @property
    def deviation(self) -> float:
        """Largest distance of a round's median from their mean, as a share of it."""
        return apart(self.rounds) if self.rounds else 0.0


class Split(_Frozen):
    """Median seconds of a batch's phases: pixels to what the device takes, to the device and back,
    computing, outputs to labels. `transfer` is None where it cannot be told from computing.
    """

    before: float
    transfer: float | None
    compute: float
    after: float


class Row(_Frozen):
    """One target at one batch size. Of an FPGA, `cycles` are those from its start to its last
    word in memory, which take `fabric` seconds. `energy` is that of one image, `above_idle` the
    part of it that the work took; `why_no_energy` says why there is none.
    """

    batch: int
    latency: Timing
    split: Split
    images_per_second: float
    cycles: int | None = None
    fabric: float | None = None
    energy: Quantity | None = None
    above_idle: Quantity | None = None
    why_no_energy: str = ""


class Target(_Frozen):
    """Something that computes the network. Of `images` it gave `identical` ones with the
    reference's integers, `same_decision` with its class; `accuracy` is against labels, where there
    are any.

    `conditions` are clock, threads, versions, constants; `left_out` the batches not tried, and why.
    """

    name: str
    kind: Literal["cpu", "gpu", "fpga"]
    device: str
    images: int
    identical: int
    same_decision: int
    accuracy: float | None = None
    conditions: dict[str, str] = Field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    idle: Quantity | None = None
    left_out: dict[str, str] = Field(default_factory=dict)

    @property
    def modelled(self) -> bool:
        """Whether some of its times are."""
        return any(row.latency.how == "modelled" for row in self.rows)

    def row(self, batch: int) -> Row | None:
        """The row of that batch size."""
        return next((row for row in self.rows if row.batch == batch), None)


class BreakEven(_Frozen):
    """From `batch` on `other` takes less time an image than `fpga`; None where it never does."""

    fpga: str
    other: str
    batch: int | None


class Comparison(_Frozen):
    """One run. `machine` is what computed and measured; `absent` maps what was asked for and could
    not be had to the reason; `model_error` is by how much the modelled cycles are over the counted
    ones, by board and batch.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    flow: str
    title: str
    board: str
    design_digest: str = ""
    began: str
    seconds: float
    machine: dict[str, str]
    targets: tuple[Target, ...]
    absent: dict[str, str] = Field(default_factory=dict)
    break_even: tuple[BreakEven, ...] = ()
    model_error: dict[str, float] = Field(default_factory=dict)

    @property
    def noisy(self) -> tuple[str, ...]:
        """What the machine did not let be measured steadily, "target, batch n" each."""
        return tuple(
            f"{target.name}, batch {row.batch}"
            for target in self.targets
            for row in target.rows
            if row.latency.noisy
        )


def break_even(targets: tuple[Target, ...]) -> tuple[BreakEven, ...]:
    """For each FPGA and each other target, over the batches that both have.

    The virtual board counts only where no other FPGA is there: it is one of them, simulated.
    """
    found = []
    fpgas = [each for each in targets if each.kind == "fpga"]
    for fpga in [each for each in fpgas if each.name != VIRTUAL] or fpgas:
        for other in (each for each in targets if each.kind != "fpga"):
            batches = sorted({r.batch for r in fpga.rows} & {r.batch for r in other.rows})
            if batches:
                found.append(
                    BreakEven(fpga=fpga.name, other=other.name, batch=_first(fpga, other, batches))
                )
    return tuple(found)


def _first(fpga: Target, other: Target, batches: list[int]) -> int | None:
    """The smallest batch from which on `other` is faster at every one."""
    first = None
    for batch in reversed(batches):
        theirs, ours = other.row(batch), fpga.row(batch)
        assert theirs is not None
        assert ours is not None
        if theirs.images_per_second <= ours.images_per_second:
            break
        first = batch
    return first
