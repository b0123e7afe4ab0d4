"""The plots of a sweep's page: points as numbered marks, the best ones joined, axes with units.

Draws the fronts that it is given and decides nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lepton_hw.reporting.plots import WIDTH, blank
from lepton_hw.reporting.svg import BLUE, INK, MUTED, PAPER, styled, to_svg
from lepton_hw.sweep_results import Figures, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbered = tuple[int, Row]
Place = tuple[float, float]
_NEAR = (22, 11)  # points of 1/72 inch, across and up: a label of two digits


@dataclass(frozen=True)
class Plot:
    """Two figures against each other; `front` marks the best points. `better` is where they are."""

    front: str
    title: str
    across: str
    up: str
    better: str
    place: Callable[[Figures], Place]

    @property
    def clear(self) -> int:
        """Height, in points, of a label on the better side of its mark."""
        return 6 if self.better.startswith("top") else -12


def _graded(across: Callable[[Figures], float]) -> Callable[[Figures], Place]:
    return lambda found: (across(found), 100 * (found.accuracy or 0.0))


PLOTS = (
    Plot("accuracy_latency", "Accuracy against latency", "latency of the first frame (µs)",
         "accuracy (%)", "top left", _graded(lambda found: found.latency_us)),
    Plot("accuracy_lut", "Accuracy against LUTs", "LUTs, estimate",
         "accuracy (%)", "top left", _graded(lambda found: float(found.lut))),
    Plot("accuracy_energy", "Accuracy against energy", "energy of an image, modelled (mJ)",
         "accuracy (%)", "top left", _graded(lambda found: 1e3 * (found.energy_per_image or 0.0))),
    Plot("latency_lut", "Latency against LUTs", "LUTs, estimate",
         "latency of the first frame (µs)", "bottom left",
         lambda found: (float(found.lut), found.latency_us)),
)  # fmt: skip


def plots(rows: Sequence[Numbered]) -> list[tuple[Plot, str]]:
    """Each plot that has a front, with its SVG; rows come with their numbers in the table."""
    shown = [plot for plot in PLOTS if any(plot.front in row.fronts for _, row in rows)]
    return [(plot, _draw(plot, rows)) for plot in shown]


def _draw(plot: Plot, rows: Sequence[Numbered]) -> str:
    marks = _marks(plot, rows)
    best = sorted(place for place, (_, is_best) in marks.items() if is_best)
    rest = [place for place, (_, is_best) in marks.items() if not is_best]
    with styled():
        figure, axes = blank(WIDTH, 4.6)
        # Between two of the best nothing better is known than a step.
        axes.step(*zip(*best, strict=True), where="post", color=BLUE, lw=1.2, ls="--", zorder=1)
        axes.plot(*zip(*best, strict=True), "D", ms=8.5, color=BLUE,
                  label="none beats it (Pareto front)")  # fmt: skip
        if rest:
            axes.plot(*zip(*rest, strict=True), "o", ms=8, mfc=PAPER, mec=MUTED, mew=1.6,
                      label="another point beats it")  # fmt: skip
        axes.set(xlabel=plot.across, ylabel=plot.up)
        _scale(axes, list(marks))
        figure.legend(loc="outside upper left", ncols=1, handlelength=1)
        figure.draw_without_rendering()  # only now it is known where on the paper a point is
        for places in _groups(axes, list(marks)):
            numbers = sorted(number for place in places for number in marks[place][0])
            is_best = any(marks[place][1] for place in places)
            # Where better points would be nothing is drawn, so there the front's labels stand.
            shift, side = ((-7, plot.clear), "right") if is_best else ((7, 6), "left")
            axes.annotate(", ".join(map(str, numbers)), min(places) if is_best else max(places),
                          shift, ha=side, fontsize=10, textcoords="offset points",
                          color=INK if is_best else MUTED,
                          fontweight="bold" if is_best else "normal")  # fmt: skip
        return to_svg(figure, plot.front.replace("_", "-"), plot.title)


def _groups(axes: "Axes", places: Sequence[Place]) -> list[list[Place]]:
    """Places so near each other that their labels would overlap, together."""
    scale = 72 / axes.figure.dpi
    groups: list[list[Place]] = []
    where = {place: axes.transData.transform(place) * scale for place in places}
    for place in sorted(places):
        x, y = where[place]
        for group in groups:
            last_x, last_y = where[group[-1]]
            if abs(x - last_x) < _NEAR[0] and abs(y - last_y) < _NEAR[1]:
                group.append(place)
                break
        else:
            groups.append([place])
    return groups


def _marks(plot: Plot, rows: Sequence[Numbered]) -> dict[Place, tuple[list[int], bool]]:
    """Place → numbers of the rows there, and whether they are on the front."""
    numbers: dict[Place, list[int]] = defaultdict(list)
    best: set[Place] = set()
    for number, row in rows:
        if row.figures is None:
            continue
        place = plot.place(row.figures)
        numbers[place].append(number)
        if plot.front in row.fronts:
            best.add(place)
    return {place: (found, place in best) for place, found in numbers.items()}


def _scale(axes: "Axes", places: Sequence[Place]) -> None:
    """Room for the labels; a logarithmic axis where values lie far apart."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    across = [x for x, _ in places]
    axes.margins(0.12, 0.14)
    if min(across) > 0 and max(across) > 20 * min(across):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter("{x:g}")
