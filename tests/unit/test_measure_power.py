"""Energy of synthetic traces whose energy is known within 1 %: steps, ramps, gaps, late samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_hw.errors import InputError
from lepton_hw.measure import power


def sampled(
    watts, begin=0.0, end=10.0, rate=100.0, jitter=0.0, seed=0
) -> list[tuple[float, float]]:
    random = np.random.default_rng(seed)
    times = np.arange(begin, end, 1 / rate)
    times = times + jitter / rate * random.random(len(times))
    return [(float(t), float(watts(t))) for t in times]


def test_a_ramp() -> None:
    trace = power.trace(sampled(lambda t: 2 * t), "ramp")
    found = power.energy(trace, 1.0, 9.0)
    assert found.joules == pytest.approx(80.0, rel=1e-3)  # t² from 1 to 9
    assert found.watts == pytest.approx(10.0, rel=1e-3)
    assert found.covered == 1.0


def test_steps() -> None:
    trace = power.trace(sampled(lambda t: 5.0 if 3 <= t < 7 else 1.0, jitter=0.5), "steps")
    assert power.energy(trace, 1.0, 9.0).joules == pytest.approx(24.0, rel=0.01)
    assert power.energy(trace, 3.5, 6.5).joules == pytest.approx(15.0, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    levels=st.lists(st.floats(0.5, 200.0), min_size=1, max_size=6),
    jitter=st.floats(0.0, 0.9),
    seed=st.integers(0, 1000),
)
def test_steps_with_late_samples(levels: list[float], jitter: float, seed: int) -> None:
    """Whatever the order in which samples arrive, and how regular they are."""
    length = 10.0 / len(levels)

    def watts(t: float) -> float:
        return levels[min(int(t / length), len(levels) - 1)]

    samples = sampled(watts, rate=1000.0, jitter=jitter, seed=seed)
    np.random.default_rng(seed).shuffle(samples)
    samples += samples[:10]  # some arrive twice
    found = power.energy(power.trace(samples, "steps"), 0.01, 9.98)
    expected = sum(levels) * length - levels[0] * 0.01 - levels[-1] * 0.02
    assert found.joules == pytest.approx(expected, rel=0.01)


def test_a_short_gap_is_within_one_percent_and_a_long_one_refused() -> None:
    whole = sampled(lambda t: 3.0 + t)
    short = [sample for sample in whole if not 4.0 <= sample[0] < 4.06]
    found = power.energy(power.trace(short, "meter.csv"), 0.5, 9.5)
    assert found.joules == pytest.approx(9 * 8.0, rel=0.01)
    assert 0.98 < found.covered < 1.0
    long = [sample for sample in whole if not 4.0 <= sample[0] < 5.0]
    with pytest.raises(InputError, match=r"meter.csv has samples for 88.8% of the 9 s; expected"):
        power.energy(power.trace(long, "meter.csv"), 0.5, 9.5)
    # A run that does not touch the gap is measured all the same.
    assert power.energy(power.trace(long, "m"), 6.0, 9.0).joules == pytest.approx(31.5, rel=0.01)


def test_nothing_is_guessed_before_the_first_and_behind_the_last_sample() -> None:
    trace = power.trace(sampled(lambda _: 1.0, 2.0, 8.0), "rail")
    for begin, end in ((0.0, 4.0), (6.0, 10.0), (9.0, 10.0), (0.0, 1.0)):
        with pytest.raises(InputError, match="rail has samples for"):
            power.energy(trace, begin, end)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "x has 0 samples; expected at least two"),
        ([(1.0, 2.0), (1.0, 2.0)], "x has 1 samples"),
        ([(0.0, 1.0), (1.0, float("nan"))], "x has a sample that is no power"),
        ([(0.0, 1.0), (1.0, -1.0)], "x has a sample that is no power"),
    ],
)
def test_samples_that_are_none(samples: list[tuple[float, float]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        power.trace(samples, "x")
    with pytest.raises(InputError, match="an end behind it"):
        power.energy(power.trace([(0, 1), (1, 1)], "x"), 1.0, 1.0)


def test_idle_is_subtracted_over_the_same_time() -> None:
    trace = power.trace(sampled(lambda t: 12.0 if t >= 5 else 10.0), "gpu")
    idle, busy = power.energy(trace, 0.5, 4.5), power.energy(trace, 5.5, 7.5)
    work = power.above_idle(busy, idle)
    assert work.joules == pytest.approx(4.0)
    assert work.source == "gpu, idle 10 W subtracted"


def test_a_counter_that_wraps() -> None:
    assert power.counted(100, 1_000_100, 10**9, 1e-6) == pytest.approx(1.0)
    assert power.counted(999_999_990, 9, 999_999_999, 1e-6) == pytest.approx(19e-6)
