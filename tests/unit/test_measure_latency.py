"""Statistics of repeated calls, on a clock that the test winds."""

import itertools

import numpy as np
import pytest

from lepton_hw.measure import latency
from lepton_hw.measure.fabric import Fabric


class Clock:
    """Time passes in calls alone."""

    def __init__(self, times) -> None:
        self.now, self.times, self.calls = 0.0, itertools.cycle(times), 0

    def __call__(self) -> float:
        return self.now

    def call(self, _) -> None:
        self.calls += 1
        self.now += next(self.times)


def test_a_steady_call_ends_early() -> None:
    clock = Clock([0.01])
    times = latency.repeat(clock.call, seconds=4.0, clock=clock)
    assert times.shape[1:] == (1,)
    assert 1.0 <= times.sum() < 2.0
    found = latency.summary(times.sum(1))
    assert (found.p50, found.worst) == pytest.approx((0.01, 0.01))
    assert found.precise
    assert not found.noisy
    assert clock.calls == len(times)


def test_an_unsteady_call_takes_all_its_time() -> None:
    clock = Clock([0.01, 0.03])
    times = latency.repeat(clock.call, seconds=4.0, clock=clock)
    assert times.sum() == pytest.approx(4.0, abs=0.05)
    assert latency.summary(times.sum(1)).noisy


def test_a_slow_call_is_made_often_enough() -> None:
    clock = Clock([3.0])
    assert len(latency.repeat(clock.call, seconds=1.0, least=5, clock=clock)) == 5


def test_warming_up_ends_where_it_takes_too_long() -> None:
    quick, slow = Clock([0.01]), Clock([3.0])
    assert latency.warm_up(quick.call, clock=quick) == pytest.approx(0.01)
    assert quick.calls == latency.WARM_UP
    assert latency.warm_up(slow.call, seconds=2.0, clock=slow) == pytest.approx(3.0)
    assert slow.calls == 1


def test_percentiles() -> None:
    found = latency.summary([float(n) for n in range(1, 1001)])
    assert (found.p50, found.p90, found.worst) == pytest.approx((500.5, 900.1, 1000.0))
    assert found.low < found.p50 < found.high
    assert found.high - found.low == pytest.approx(62, abs=4)  # 1.96 √1000


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    """Of a skewed distribution, 95 times in 100; 1,000 trials leave 2 points either way."""
    random = np.random.default_rng(5)
    median = np.exp(0.0)
    held = 0
    for _ in range(1000):
        found = latency.summary(random.lognormal(0.0, 1.0, 80).tolist())
        held += found.low <= median <= found.high
    assert 0.93 <= held / 1000 <= 0.98


def test_the_fabrics_time() -> None:
    fabric = Fabric(2577, 1024, 64, 64, 20, 100.0, "board", memory_cycles=10)
    assert fabric.cycles(1) == 30 + 20 + 3 + 2577
    assert fabric.cycles(256) == 30 + 20 + 16 + 2577 + 255 * 1024
    assert fabric.seconds(1) == pytest.approx(26.30e-6)
    assert fabric.images_per_second == pytest.approx(97656.25)
    wide = Fabric(2577, 1024, 64, 64 * 160, 20, 100.0, "board")
    assert wide.images_per_second == pytest.approx(100e6 / 1280)  # 20 words a beat


def test_phases_take_what_the_one_before_gave_and_are_timed_apart() -> None:
    clock = Clock([0.01, 0.03, 0.06])
    seen = []

    def phase(value: int) -> int:
        seen.append(value)
        clock.call(value)
        return value + 1

    times = latency.repeat(phase, phase, phase, start=5, seconds=1.0, clock=clock)
    assert times[0] == pytest.approx([0.01, 0.03, 0.06])
    assert seen[:3] == [5, 6, 7]
    assert latency.summary(times.sum(1)).p50 == pytest.approx(0.1)
