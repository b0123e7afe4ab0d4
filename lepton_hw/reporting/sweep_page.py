"""The page of a sweep: one HTML file that needs no network, in the style of the report.

Everything from outside is escaped by the template engine; only our own SVG and CSS are not.
"""

from collections.abc import Sequence

from lepton_hw.reporting.page import HERE, STYLE, templates
from lepton_hw.reporting.sweep_plots import plots
from lepton_hw.sweep_results import Row, SweepResults, Value

TEMPLATE = "sweep.html.j2"
#: State → what a person reads.
STATES = {
    "failed": "failed",
    "mismatch": "NOT EXACT",
    "killed": "its process was ended",
    "running": "being built",
    "waiting": "not built yet",
}


def render_sweep(results: SweepResults) -> str:
    """The whole page; the same results give the same bytes."""
    from markupsafe import Markup

    rows = list(enumerate(results.points, 1))
    built = [(number, row) for number, row in rows if row.figures is not None]
    figures = [row.figures for _, row in built if row.figures is not None]
    return templates().get_template(TEMPLATE).render(
        r=results,
        css=Markup((HERE / STYLE).read_text()),
        built=built,
        rest=[(number, row) for number, row in rows if row.figures is None],
        states=STATES,
        value=value,
        plots=[(plot, Markup(svg)) for plot, svg in plots(built)],
        exact=results.count("done"),
        wrong=results.count("mismatch"),
        graded=any(found.accuracy is not None for found in figures),
        has_uram=any(found.uram for found in figures),
        has_energy=any(found.energy_per_image is not None for found in figures),
        best=_best(built),
    )  # fmt: skip


def value(given: Value) -> str:
    """One of the grid's values: whole numbers with separators, as all numbers of the page."""
    if isinstance(given, bool):
        return "yes" if given else "no"
    return f"{given:,}" if isinstance(given, int) else str(given)


def _best(built: Sequence[tuple[int, Row]]) -> list[tuple[str, str, int]]:
    """(what, figure, number of the point) for the tiles; the first of equals."""
    found = [(number, row.figures) for number, row in built if row.figures is not None]
    if not found:
        return []
    tiles = []
    if all(figures.accuracy is not None for _, figures in found):
        number, top = max(found, key=lambda each: each[1].accuracy or 0.0)
        tiles.append(("highest accuracy", f"{100 * (top.accuracy or 0.0):.2f}\u00a0%", number))
    number, quick = min(found, key=lambda each: each[1].latency_cycles)
    tiles.append(("shortest latency", f"{quick.latency_us:,.1f} µs", number))
    number, fast = min(found, key=lambda each: each[1].cycles_per_frame)
    tiles.append(("highest rate", f"{fast.frames_per_second:,.0f} frames/s", number))
    number, small = min(found, key=lambda each: each[1].lut)
    tiles.append(("fewest LUTs", f"{small.lut:,}", number))
    return tiles
