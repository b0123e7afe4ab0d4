"""Times of a call that is repeated until its median is known well enough.

The clock is the wall's: what a user waits. Nothing is left out but the calls that warm up.
"""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Half the width of the interval of confidence, as a share of the median, that ends the repeats.
PRECISION = 0.01
#: From here on between the 10th and the 90th percentile, as a share of the median, it is noisy.
NOISY = 0.2
WARM_UP, LEAST, MOST = 3, 20, 100_000
#: 97.5 % quantile of the normal distribution, for an interval of 95 %.
_Z = 1.959964

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Latency:
    """Seconds of one call. The median lies between `low` and `high` with 95 % confidence.

    `spread` is the distance of the 10th and 90th percentile as a share of the median.
    """

    repeats: int
    p50: float
    p90: float
    p99: float
    worst: float
    low: float
    high: float
    spread: float

    @property
    def noisy(self) -> bool:
        """Whether the machine did something else, or the call is not one thing."""
        return self.spread > NOISY

    @property
    def precise(self) -> bool:
        """Whether the interval is as narrow as `PRECISION` asks."""
        return self.high - self.low <= 2 * PRECISION * self.p50


def warm_up(
    *phases: Callable[[Any], Any],
    start: Any = None,
    seconds: float = 2.0,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """A few calls as for `repeat`, one where that takes `seconds`; what the last one took."""
    begin = clock()
    for _ in range(WARM_UP):
        took = sum(_once(phases, start, clock))
        if clock() - begin > seconds:
            break
    return took


def repeat(
    *phases: Callable[[Any], Any],
    start: Any = None,
    seconds: float = 2.0,
    least: int = LEAST,
    least_seconds: float = 0.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Floats:
    """Seconds (calls, phases) of calls of phases, each of which takes what the one before gave.

    Until the median of the whole is precise, or for `seconds`; `least` calls and `least_seconds` in
    any case. The first phase takes `start`. It does not warm up by itself.
    """
    times: list[list[float]] = []
    check = least
    begin = clock()
    while True:
        times.append(_once(phases, start, clock))
        passed = clock() - begin
        if len(times) < least or passed < least_seconds:
            continue
        if passed >= seconds or len(times) >= MOST:
            break
        if len(times) >= check:  # sorting at every call would be part of what is waited for
            if passed >= seconds / 4 and summary(np.sum(times, 1)).precise:
                break
            check = math.ceil(1.5 * check)
    return np.asarray(times, np.float64)


def _once(
    phases: Sequence[Callable[[Any], Any]], value: Any, clock: Callable[[], float]
) -> list[float]:
    marks = [clock()]
    for phase in phases:
        value = phase(value)
        marks.append(clock())
    return [after - before for before, after in itertools.pairwise(marks)]


def apart(values: Sequence[float]) -> float:
    """Largest distance of a value from the mean of all, as a share of it; at least one value."""
    mean = sum(values) / len(values)
    return max(abs(value - mean) for value in values) / mean


def summary(times: Sequence[float] | Floats) -> Latency:
    """Of at least one time. The interval is that of order statistics, whatever the distribution.

    Ranks are n/2 ± 1.96 √n/2 (the normal approximation of the binomial; Conover, Practical
    Nonparametric Statistics, confidence interval for a quantile).
    """
    ordered = np.sort(np.asarray(times, np.float64))
    count = len(ordered)
    half = _Z * math.sqrt(count) / 2
    low = max(0, math.floor(count / 2 - half) - 1)
    high = min(count - 1, math.ceil(count / 2 + half))
    p10, p50, p90, p99 = (float(each) for each in np.percentile(ordered, (10, 50, 90, 99)))
    return Latency(
        repeats=count, p50=p50, p90=p90, p99=p99, worst=float(ordered[-1]),
        low=float(ordered[low]), high=float(ordered[high]),
        spread=(p90 - p10) / p50 if p50 else 0.0,
    )  # fmt: skip
