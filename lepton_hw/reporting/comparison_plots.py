"""The plots of a comparison: CPUs, GPUs and FPGAs by batch size, and a design's roofline.

Blue is a CPU, green a GPU, orange an FPGA; dashed or open is what was modelled.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lepton_hw.measure.comparison import Comparison, Row, Target
from lepton_hw.measure.words import joules, seconds
from lepton_hw.reporting.plots import WIDTH, bars, blank
from lepton_hw.reporting.roofline import Roofline
from lepton_hw.reporting.svg import BLUE, GREEN, INK, MUTED, ORANGE, PAPER, styled, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

COLOURS = {"cpu": BLUE, "gpu": GREEN, "fpga": ORANGE}
#: Lines of one kind differ by their marks.
MARKS = "osD^vPX*"
PHASES = (("before", MUTED), ("transfer", ORANGE), ("compute", BLUE), ("after", GREEN))
PHASE_NAMES = {"before": "pre-processing", "transfer": "transfer", "compute": "compute",
               "after": "post-processing"}  # fmt: skip


def latency(found: Comparison) -> str:
    """Median time of a batch against its size, with the interval of each median."""
    with styled():
        figure, axes = blank(WIDTH, 4.9)
        _lines(axes, found, lambda row: 1e3 * row.latency.p50)
        for target in found.targets:
            _band(axes, target, lambda row: (1e3 * row.latency.low, 1e3 * row.latency.high))
        _by_batch(axes, found, "ms for a batch, end to end")
        _legend(figure, axes)
        return to_svg(figure, "latency", "Latency against batch size")


def throughput(found: Comparison) -> str:
    """Images per second against batch size."""
    with styled():
        figure, axes = blank(WIDTH, 4.9)
        _lines(axes, found, lambda row: row.images_per_second)
        for target in found.targets:
            _band(
                axes, target,
                lambda row: (row.batch / row.latency.high, row.batch / row.latency.low),
            )  # fmt: skip
        _by_batch(axes, found, "images per second")
        _legend(figure, axes)
        return to_svg(figure, "throughput", "Throughput against batch size")


def energy(found: Comparison) -> str:
    """Energy of an image at the batch that needs least, with its interval; empty where none has."""
    from matplotlib.ticker import LogLocator

    rows = [(target, best) for target in found.targets if (best := _thriftiest(target))]
    if not rows:
        return ""
    with styled():
        figure, axes = blank(WIDTH, 1.5 + 0.5 * len(rows))
        for place, (target, row) in enumerate(rows):
            assert row.energy is not None
            value, low, high = (
                1e3 * each for each in (row.energy.value, row.energy.low, row.energy.high)
            )
            colour = COLOURS[target.kind]
            axes.errorbar(
                value, place, xerr=[[value - max(low, 0)], [high - value]], color=colour,
                marker="o", ms=9, capsize=4, lw=1.4,
                mfc=PAPER if row.energy.how == "modelled" else colour,
            )  # fmt: skip
            text = f"{joules(row.energy.value)}, batch {row.batch:,}"
            axes.annotate(text, (value, place), (0, 9), textcoords="offset points", ha="center",
                          fontsize=9)  # fmt: skip
        bars(axes, [target.name for target, _ in rows])
        axes.set(xscale="log", xlabel="mJ an image, and its interval (open: modelled)")
        axes.set_ylim(len(rows) - 0.5, -0.7)
        axes.margins(x=0.25)
        _plain(axes.xaxis)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        return to_svg(figure, "energy", "Energy of an image")


def _thriftiest(target: Target) -> Row | None:
    rows = [row for row in target.rows if row.energy is not None and row.energy.value > 0]
    return min(rows, key=lambda row: row.energy.value if row.energy else 0.0, default=None)


def breakdown(found: Comparison) -> str:
    """Shares of a batch's time by phase, at the smallest batch of each target."""
    rows = [(target, target.rows[0]) for target in found.targets if target.rows]
    with styled():
        figure, axes = blank(WIDTH, 1.4 + 0.42 * len(rows))
        for place, (_, row) in enumerate(rows):
            parts = {name: getattr(row.split, name) or 0.0 for name, _ in PHASES}
            whole, left = sum(parts.values()) or 1.0, 0.0
            for name, colour in PHASES:
                share = 100 * parts[name] / whole
                axes.barh(
                    place, share, 0.62, left=left, color=colour,
                    label=PHASE_NAMES[name] if not place else None,
                )  # fmt: skip
                left += share
        bars(axes, [f"{target.name}\n{seconds(row.latency.p50)}" for target, row in rows])
        axes.set(xlim=(0, 100), xlabel=f"% of the time of batch {rows[0][1].batch}")
        figure.legend(loc="outside upper left", ncols=4, handlelength=1, columnspacing=1)
        return to_svg(figure, "breakdown", "Where the time of a batch goes")


def roofline(roof: Roofline) -> str:
    """Operations a second against operations a byte through the DMA port."""
    import numpy as np
    from matplotlib.ticker import LogLocator

    with styled():
        figure, axes = blank(WIDTH, 4.2)
        ridge = roof.peak / roof.bandwidth  # where the two roofs meet
        x = np.geomspace(min(ridge, roof.intensity) / 10, 10 * max(ridge, roof.intensity), 200)
        roofs = np.minimum(x * roof.bandwidth, roof.peak) / 1e9
        axes.plot(x, roofs, color=INK,
                  label=f"DMA port, {roof.bandwidth / 1e9:.2g} GB/s")  # fmt: skip
        axes.axhline(roof.peak / 1e9, color=BLUE, ls="--",
                     label=f"its multipliers, {roof.peak / 1e9:,.3g} GOP/s")  # fmt: skip
        axes.plot([roof.intensity], [roof.achieved / 1e9], "D", color=ORANGE, ms=9,
                  label=f"the design, {roof.achieved / 1e9:,.3g} GOP/s")  # fmt: skip
        axes.set(xscale="log", yscale="log", ylabel="10⁹ operations a second",
                 xlabel="operations a byte through the door")  # fmt: skip
        _plain(axes.xaxis, axes.yaxis)
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        _legend(figure, axes)
        return to_svg(figure, "roofline", "Roofline of the design")


def _lines(axes: "Axes", found: Comparison, value: Callable[[Row], float]) -> None:
    seen: dict[str, int] = {}
    for target in found.targets:
        number = seen[target.kind] = seen.get(target.kind, -1) + 1
        modelled = target.modelled
        axes.plot(
            [row.batch for row in target.rows], [value(row) for row in target.rows],
            color=COLOURS[target.kind], marker=MARKS[number % len(MARKS)], ms=6,
            ls="--" if modelled else "-", mfc="none" if modelled else COLOURS[target.kind],
            label=target.name + (" (modelled)" if modelled else ""),
        )  # fmt: skip


def _band(axes: "Axes", target: Target, bounds: Callable[[Row], tuple[float, float]]) -> None:
    pairs = [bounds(row) for row in target.rows]
    axes.fill_between(
        [row.batch for row in target.rows], [low for low, _ in pairs], [high for _, high in pairs],
        color=COLOURS[target.kind], alpha=0.12, lw=0,
    )  # fmt: skip


def _by_batch(axes: "Axes", found: Comparison, label: str) -> None:
    batches = sorted({row.batch for target in found.targets for row in target.rows})
    axes.set(xscale="log", yscale="log", xlabel="batch size (images)", ylabel=label)
    _plain(axes.xaxis, axes.yaxis)
    axes.set_xticks(batches, [f"{batch:,}" for batch in batches])
    axes.minorticks_off()


def _plain(*axes: "Axis") -> None:
    """Numbers as people write them: the formatters of logarithmic axes write TeX, which is off."""
    from matplotlib.ticker import NullFormatter

    for axis in axes:
        axis.set_major_formatter(_number)
        axis.set_minor_formatter(NullFormatter())


def _number(value: float, _: Any) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _legend(figure: "Figure", axes: "Axes") -> None:
    handles: Sequence[Any] = axes.get_legend_handles_labels()[0]
    figure.legend(
        handles=handles, loc="outside upper left", ncols=2, handlelength=2.6, columnspacing=1.2
    )
