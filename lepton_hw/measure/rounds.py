"""Measures many pieces of work in turns, round by round, so that what else the machine does meets
all of them alike, and so that rounds can be held against each other.

Calls what it is given; it does not know whether a CPU, a GPU or a board computes.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lepton_hw.measure import latency
from lepton_hw.measure.comparison import AGREEMENT, Quantity, Row, Split, Timing
from lepton_hw.measure.power import Energy, above_idle
from lepton_hw.measure.sensors import Sensor, Watch
from lepton_hw.progress import SILENT, Progress

#: Calls of a round at least, however long they take.
LEAST = 3
#: Seconds: no batch is tried that would take longer, by the one before.
LONGEST = 10.0
_BEFORE, _SEND, _COMPUTE, _RECEIVE, _AFTER = range(5)


@dataclass(frozen=True)
class Work:
    """One target at one batch size: five phases (`executors.phases`), and what the first takes.

    `one_device` says that sending and receiving are nothing.
    """

    target: str
    batch: int
    phases: tuple[Callable[[Any], Any], ...]
    start: Any
    one_device: bool = True
    sensor: Sensor | None = None


@dataclass
class Found:
    """Seconds (calls, phases) of each round; its energy, where there is a sensor; when it was, in
    seconds since 1970. `left_out` is the reason where it was not measured.
    """

    rounds: list[latency.Floats] = field(default_factory=list)
    energies: list[Energy] = field(default_factory=list)
    windows: list[tuple[float, float]] = field(default_factory=list)
    left_out: str = ""


def measure(
    work: Sequence[Work], rounds: int, seconds: float, progress: Progress = SILENT
) -> list[Found]:
    """`seconds` for each piece of work, over all rounds. Batches of a target must rise."""
    found = [Found() for _ in work]
    with progress.task("bench", rounds * len(work)) as task:
        for number in range(rounds):
            last: dict[str, tuple[int, float]] = {}  # batch and seconds of the target's last
            for each, result in zip(work, found, strict=True):
                task.advance(1, f"round {number + 1}, {each.target}, batch {each.batch}")
                if not number:
                    result.left_out = _too_long(each, last.get(each.target))
                if not result.left_out:
                    _one(each, result, seconds / rounds)
                    last[each.target] = each.batch, float(np.median(result.rounds[-1].sum(1)))
    return found


def _too_long(work: Work, last: tuple[int, float] | None) -> str:
    expected = last[1] * work.batch / last[0] if last else 0.0
    if expected <= LONGEST:
        return ""
    return f"it would take {expected:.0f} s a call, and {LONGEST:g} s is the longest"


def _one(work: Work, found: Found, seconds: float) -> None:
    latency.warm_up(*work.phases, start=work.start, seconds=seconds)
    watching = work.sensor.watch() if work.sensor else nullcontext(Watch())
    begin = time.time()
    with watching as watch:
        times = latency.repeat(
            *work.phases, start=work.start, seconds=seconds, least=LEAST,
            least_seconds=work.sensor.least if work.sensor else 0.0,
        )  # fmt: skip
    found.windows.append((begin, time.time()))
    found.rounds.append(times)
    if watch.energy is not None:
        found.energies.append(watch.energy)


def row(
    work: Work,
    found: Found,
    idle: Energy | None,
    why_no_energy: str,
    metered: Sequence[Energy] | None = None,
) -> Row:
    """The row of a table; energy is `metered`, a round each, where it was, else of the sensor."""
    medians = np.median(np.concatenate(found.rounds), axis=0)
    measured = timing(found.rounds)
    energies = found.energies if metered is None else metered
    images = [len(each) * work.batch for each in found.rounds]
    accuracy = work.sensor.accuracy if work.sensor and metered is None else 0.0
    above = [above_idle(each, idle) for each in energies] if idle else []
    return Row(
        batch=work.batch,
        latency=measured,
        split=Split(
            before=float(medians[_BEFORE]),
            transfer=0.0 if work.one_device else float(medians[_SEND] + medians[_RECEIVE]),
            compute=float(medians[_COMPUTE]), after=float(medians[_AFTER]),
        ),
        images_per_second=work.batch / measured.p50,
        energy=per_image(energies, images, accuracy),
        above_idle=per_image(above, images, accuracy),
        why_no_energy="" if energies else why_no_energy,
    )  # fmt: skip


def timing(rounds: Sequence[latency.Floats]) -> Timing:
    """Statistics of all calls of all rounds (seconds, one row a call, one column a phase)."""
    known = latency.summary(np.concatenate([each.sum(1) for each in rounds]))
    medians = tuple(float(np.median(each.sum(1))) for each in rounds)
    found = Timing(
        how="measured", repeats=known.repeats, p50=known.p50, p90=known.p90, p99=known.p99,
        worst=known.worst, low=known.low, high=known.high, rounds=medians,
    )  # fmt: skip
    noisy = known.noisy or found.deviation > AGREEMENT
    return found.model_copy(update={"noisy": noisy})


def per_image(
    energies: Sequence[Energy], images: Sequence[int], accuracy: float
) -> Quantity | None:
    """Joules an image over all rounds; from the smallest to the largest round's, and the sensor's
    accuracy on top.
    """
    if not energies:
        return None
    each = [energy.joules / count for energy, count in zip(energies, images, strict=True)]
    mean = sum(energy.joules for energy in energies) / sum(images)
    bar = accuracy * abs(mean)
    return Quantity(
        value=mean, low=min(each) - bar, high=max(each) + bar, how="measured",
        source=energies[0].source,
    )  # fmt: skip
