"""Which points no other one beats. Compares numbers as they are: no tolerance, no weights."""

from collections.abc import Sequence

from lepton_hw.sweep_results import Figures, Row

#: Name of a front → the two figures that are weighed against each other.
FRONTS = {
    "accuracy_latency": ("accuracy", "latency_cycles"),
    "accuracy_lut": ("accuracy", "lut"),
    "latency_lut": ("latency_cycles", "lut"),
    "accuracy_energy": ("accuracy", "energy_per_image"),
}
#: Figures of which more is better.
_LARGER = frozenset({"accuracy"})


def pareto(points: Sequence[tuple[float, ...]]) -> list[int]:
    """Indices of the points that no other one dominates; smaller is better in every place.

    A point dominates another that is nowhere smaller and somewhere larger. Equal points are all
    kept. Points are tuples of one length, without NaN.
    """
    return [
        index
        for index, point in enumerate(points)
        if not any(_dominates(other, point) for other in points)
    ]


def with_fronts(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows, each with the fronts that it is on; only exact designs are on one.

    Latency against LUTs is a front only where no accuracy is known.
    """
    found: dict[int, list[str]] = {index: [] for index in range(len(rows))}
    graded = any(row.figures is not None and row.figures.accuracy is not None for row in rows)
    for name, pair in FRONTS.items():
        if name == "latency_lut" and graded:
            continue
        known = [
            (index, costs)
            for index, row in enumerate(rows)
            if row.state == "done" and (costs := _costs(row.figures, pair)) is not None
        ]
        for place in pareto([costs for _, costs in known]):
            found[known[place][0]].append(name)
    return tuple(
        row.model_copy(update={"fronts": tuple(found[index])}) for index, row in enumerate(rows)
    )


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def _costs(figures: Figures | None, names: tuple[str, str]) -> tuple[float, ...] | None:
    """The figures, signs such that less is better; None where one is not known."""
    costs = []
    for name in names:
        value: float | None = getattr(figures, name, None)
        if value is None:
            return None
        costs.append(-value if name in _LARGER else value)
    return tuple(costs)
