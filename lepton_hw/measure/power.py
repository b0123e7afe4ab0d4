"""Energy from samples of power, or from a counter of energy; each with what it covers.

A trace is integrated only over time for which there are samples. What lies in a gap is not guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lepton_hw.errors import InputError

#: A gap that is longer than so many usual distances of samples is not bridged.
GAP = 5.0
#: Share of the time that samples must cover.
COVERED = 0.99

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trace:
    """Watts at times in seconds, rising; `source` names the sensor or the file."""

    times: Floats
    watts: Floats
    source: str


@dataclass(frozen=True)
class Energy:
    """`joules` over `seconds`; `covered` is the share of them for which there were samples."""

    joules: float
    seconds: float
    covered: float
    samples: int
    source: str

    @property
    def watts(self) -> float:
        """The mean."""
        return self.joules / self.seconds


def trace(samples: Sequence[tuple[float, float]], source: str) -> Trace:
    """Of samples (seconds, watts) in any order: late ones go to their place, doubles count once.

    Raises `InputError` for fewer than two, or one that is no number or below zero.
    """
    table = np.asarray(sorted(set(samples)), np.float64).reshape(-1, 2)
    times, watts = table[:, 0], table[:, 1]
    if not np.isfinite(table).all() or (watts < 0).any():
        raise InputError(
            f"{source} has a sample that is no power",
            "seconds and watts, not below zero",
            "see what wrote it",
        )
    times, first = np.unique(times, return_index=True)
    if len(times) < 2:
        raise InputError(
            f"{source} has {len(times)} samples", "at least two", "sample more often, or longer"
        )
    return Trace(times, watts[first], source)


def energy(power: Trace, begin: float, end: float) -> Energy:
    """Trapezoids between the samples, from `begin` to `end`, in the trace's own time.

    Raises `InputError` where gaps leave more than 1 % of the time without samples.
    """
    if end <= begin:
        raise InputError(f"a time from {begin:g} to {end:g} s", "an end behind it", "correct it")
    times, watts = power.times, power.watts
    usual = float(np.median(np.diff(times)))
    inside = (times > begin) & (times < end)
    edges = [each for each in (begin, end) if times[0] <= each <= times[-1]]
    points = np.unique(np.concatenate([edges, times[inside]]))
    values = np.interp(points, times, watts)
    steps = np.diff(points)
    # The distance of the samples around each piece, which may be longer than the piece itself.
    right = np.searchsorted(times, points[:-1], side="right").clip(1, len(times) - 1)
    sampled = times[right] - times[right - 1] <= GAP * usual
    means = (values[1:] + values[:-1]) / 2
    known = float(steps[sampled].sum())
    covered = known / (end - begin)
    if covered < COVERED:
        raise InputError(
            f"{power.source} has samples for {covered:.1%} of the {end - begin:.3g} s",
            f"at least {COVERED:.1%}",
            "sample again, without gaps",
        )
    joules = float((means * steps)[sampled].sum()) / covered
    return Energy(joules, end - begin, covered, int(inside.sum()), power.source)


def above_idle(busy: Energy, idle: Energy) -> Energy:
    """The energy that the work took: `busy` less the idle power over the same time."""
    return Energy(
        joules=busy.joules - idle.watts * busy.seconds,
        seconds=busy.seconds,
        covered=min(busy.covered, idle.covered),
        samples=busy.samples,
        source=f"{busy.source}, idle {idle.watts:.3g} W subtracted",
    )


def counted(first: int, last: int, wrap: int, unit: float) -> float:
    """Joules between two readings of a counter that starts again at 0 behind `wrap`, at most once.

    `unit` is a step in joules: 1e-6 for Linux's powercap (RAPL), whose ``max_energy_range_uj`` is
    `wrap`.
    """
    steps = last - first if last >= first else last + wrap + 1 - first
    return steps * unit
