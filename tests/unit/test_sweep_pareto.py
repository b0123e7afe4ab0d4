"""Pareto fronts against their definition, and which rows of a sweep may stand on one."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lepton_hw.sweep.pareto import pareto, with_fronts
from lepton_hw.sweep_results import Figures, Row

#: Few values, so that ties are frequent.
COSTS = st.lists(st.tuples(*[st.integers(0, 5).map(float)] * 2), max_size=12)
SPACE = st.lists(st.tuples(*[st.integers(0, 3).map(float)] * 3), max_size=12)


def worse(point: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether `other` makes `point` pointless."""
    pairs = list(zip(point, other, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


@given(st.one_of(COSTS, SPACE))
def test_the_front_is_what_nothing_beats(points: list[tuple[float, ...]]) -> None:
    front = pareto(points)
    for index, point in enumerate(points):
        assert (index in front) == (not any(worse(point, other) for other in points))


@given(COSTS)
def test_every_other_point_is_beaten_by_one_of_the_front(points: list[tuple[float, ...]]) -> None:
    front = pareto(points)
    for index, point in enumerate(points):
        assert index in front or any(worse(point, points[best]) for best in front)


@given(COSTS, st.randoms())
def test_the_order_does_not_matter(points: list[tuple[float, ...]], random: Any) -> None:
    mixed = list(points)
    random.shuffle(mixed)
    assert sorted(points[i] for i in pareto(points)) == sorted(mixed[i] for i in pareto(mixed))


def test_by_hand() -> None:
    assert pareto([]) == []
    assert pareto([(1, 4), (2, 2), (2, 3), (4, 1), (4, 2)]) == [0, 1, 3]
    assert pareto([(1, 1), (1, 1), (1, 2)]) == [0, 1]


def row(accuracy: float | None, latency: int, lut: int, **rest: Any) -> Row:
    figures = Figures(
        accuracy=accuracy, frames_per_second=1e3, latency_us=latency / 100, cycles_per_frame=10,
        latency_cycles=latency, lut=lut, bram36=0, uram=0, dsp=0, fullest="LUT", share=0.1,
        vectors=1, energy_per_image=rest.pop("energy", None), seconds=1.0,
    )  # fmt: skip
    return Row(**{"name": "n", "values": {}, "state": "done", "figures": figures, **rest})


def test_fronts_of_rows() -> None:
    rows = (
        row(0.90, 100, 500),
        row(0.95, 200, 400),
        row(0.80, 90, 600),
        row(0.80, 95, 450),
        Row(name="n", values={}, state="failed", reason="it does not fit"),
        row(0.99, 1, 1, state="mismatch"),  # better than all, and wrong
    )
    fronts = [each.fronts for each in with_fronts(rows)]
    assert fronts == [
        ("accuracy_latency",), ("accuracy_latency", "accuracy_lut"), ("accuracy_latency",),
        (), (), (),
    ]  # fmt: skip


def test_without_accuracy_latency_stands_against_luts() -> None:
    rows = (row(None, 100, 500), row(None, 200, 400), row(None, 200, 500))
    assert [each.fronts for each in with_fronts(rows)] == [("latency_lut",)] * 2 + [()]


def test_energy_counts_where_it_is_known() -> None:
    rows = (row(0.9, 1, 1, energy=2e-3), row(0.9, 1, 1, energy=1e-3), row(0.9, 1, 1))
    assert ["accuracy_energy" in each.fronts for each in with_fronts(rows)] == [False, True, False]
