"""The plots of the report: figures in, SVG text out, each axis with its unit.

Bars are blue for what was measured in RTL and orange for FINN's estimates, in every plot.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lepton_hw.reporting.facts import Facts, FifoFacts, Use
from lepton_hw.reporting.svg import (
    BLUE,
    GRID,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    RED,
    styled,
    to_svg,
)
from lepton_hw.reporting.words import brief
from lepton_hw.training.metrics import Metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 6.2  # inches of 72 px: narrow enough to be read on a phone without scrolling
MOST_CLASSES = 64  # a larger confusion matrix cannot be read
MOST_FIFOS = 60
_NAMED_CLASSES = 32
_COUNTED_CLASSES = 20


def confusion(metrics: Metrics) -> str:
    """The confusion matrix, darkness by share of the true class; empty for many classes."""
    from matplotlib.patches import Rectangle

    count = len(metrics.classes)
    if count > MOST_CLASSES:
        return ""
    with styled():
        figure, axes = blank(5.4, 5.2)
        axes.grid(visible=False)
        for true, row in enumerate(metrics.confusion):
            for taken, images in enumerate(row):
                if not images:
                    continue
                share = images / max(sum(row), 1)
                colour = BLUE if true == taken else RED
                alpha = 0.15 + 0.85 * share
                axes.add_patch(
                    Rectangle((taken - 0.5, true - 0.5), 1, 1, color=colour, alpha=alpha, lw=0)
                )
                if count <= _COUNTED_CLASSES:
                    axes.text(
                        taken, true, str(images), ha="center", va="center", fontsize=9.5,
                        color=PAPER if alpha > 0.55 else INK,
                    )  # fmt: skip
        axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), aspect="equal")
        axes.set(xlabel="taken for (class)", ylabel="true class")
        _class_ticks(axes, [row.name for row in metrics.classes])
        for spine in axes.spines.values():
            spine.set(visible=True, color=GRID)
        return to_svg(figure, "confusion", "Confusion matrix")


def _class_ticks(axes: "Axes", names: Sequence[str]) -> None:
    if len(names) > _NAMED_CLASSES:
        return
    shown = [cut(name, 12) for name in names]
    turned = max(map(len, shown)) > 3
    axes.set_xticks(range(len(names)), shown, rotation=90 if turned else 0)
    axes.set_yticks(range(len(names)), shown)
    axes.tick_params(length=0, labelsize=min(10.0, 10.0 * _COUNTED_CLASSES / len(names)))


def training(history: Sequence[dict[str, float]]) -> str:
    """Loss above, accuracy on training and held-out images below, by epoch."""
    from matplotlib.ticker import MaxNLocator, NullFormatter

    epochs = range(1, len(history) + 1)
    mark = "o" if len(history) < 3 else ""
    with styled():
        figure, top, bottom = _two_panels(5.4, 5.2)
        losses = [row["loss"] for row in history]
        top.plot(epochs, losses, color=INK, marker=mark)
        top.set_ylabel("training loss")
        if min(losses) > 0 and max(losses) > 10 * min(losses):
            top.set_yscale("log")
            # The formatters of logarithmic axes write TeX, which is off.
            top.yaxis.set_major_formatter("{x:g}")
            top.yaxis.set_minor_formatter(NullFormatter())
        for key, label, colour in (
            ("train_accuracy", "training images", MUTED),
            ("accuracy", "held-out images", BLUE),
        ):
            values = [100 * row[key] for row in history]
            bottom.plot(epochs, values, color=colour, label=label, marker=mark)
        bottom.set(ylabel="accuracy (%)", xlabel="epoch")
        bottom.legend(loc="lower right")
        bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
        return to_svg(figure, "training", "Training loss and accuracy by epoch")


def cycles(facts: Facts) -> str:
    """Cycles per frame of each layer, measured beside estimated, against the whole design's."""
    from matplotlib.ticker import MaxNLocator

    layers = facts.layers
    places = range(len(layers))
    with styled():
        figure, axes = blank(WIDTH, 1.3 + 0.36 * len(layers))
        axes.barh([n - 0.19 for n in places], [row.cycles_rtl for row in layers], 0.36,
                  color=BLUE, label="at work in RTL")  # fmt: skip
        axes.barh([n + 0.19 for n in places], [row.cycles for row in layers], 0.36,
                  color=ORANGE, label="FINN's estimate")  # fmt: skip
        axes.axvline(facts.cycles_rtl, color=INK, lw=1.2, ls="--",
                     label="whole design in RTL")  # fmt: skip
        bars(axes, [cut(brief(row.name), 24) for row in layers])
        axes.set_xlabel("cycles per frame")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlim(0, 1.06 * max(facts.cycles_rtl, *(r.cycles for r in layers)))
        _legend_above(figure)
        return to_svg(figure, "cycles", "Cycles per frame of each layer")


def resources(uses: Sequence[Use], kind: str = "estimate") -> str:
    """Share of the part's resources, with the limit; `kind` says where the figures are from."""
    shares = [100 * min(use.share, 1e3) for use in uses]
    with styled():
        figure, axes = blank(WIDTH, 0.9 + 0.42 * len(uses))
        colours = [ORANGE if share <= 100 else RED for share in shares]
        axes.barh(range(len(uses)), shares, 0.6, color=colours)
        axes.axvline(100, color=INK, lw=1.2, ls="--")
        wide = max(100.0, *shares)
        for place, (use, share) in enumerate(zip(uses, shares, strict=True)):
            text = f"{use.used:,.10g} of {use.available:,} ({share:.0f} %)"
            inside = share > 0.55 * wide
            axes.text(
                share + (-0.015 if inside else 0.015) * wide, place, text,
                ha="right" if inside else "left", va="center", color=PAPER if inside else INK,
            )  # fmt: skip
        bars(axes, [use.name for use in uses])
        axes.set(xlim=(0, 1.06 * wide), xlabel=f"% of the part, {kind} (dashed: limit)")
        return to_svg(figure, f"resources-{kind}", "Resource use against the limits of the part")


def fifos(rows: Sequence[FifoFacts]) -> str:
    """Largest and mean fill of each FIFO in percent of its depth, measured in RTL.

    A FIFO's registers can hold a beat or two beyond its nominal depth; bars end at 100 %.
    Of very many, the fullest are shown, in the order of the network.
    """
    fullest = sorted(rows, key=lambda row: -row.max_fill / row.depth)[:MOST_FIFOS]
    shown = [row for row in rows if row in fullest]
    places = range(len(shown))
    with styled():
        figure, axes = blank(WIDTH, 1.3 + 0.27 * len(shown))
        axes.barh(places, [100] * len(shown), 0.66, color=GRID, alpha=0.6)
        most = [100 * min(row.max_fill / row.depth, 1) for row in shown]
        axes.barh(places, most, 0.66, color=BLUE, alpha=0.75, label="largest fill")
        mean = [100 * min(row.mean_fill / row.depth, 1) for row in shown]
        axes.plot(mean, places, "|", color=ORANGE, ms=9, mew=2.6, label="mean fill")
        for place, row in enumerate(shown):
            axes.text(102, place, f"{row.max_fill:,} / {row.depth:,}", va="center", fontsize=9,
                      color=INK)  # fmt: skip
        bars(axes, [_fifo_label(row) for row in shown])
        axes.set(xlim=(0, 120), xlabel="fill in % of the depth (right: largest / depth, in beats)")
        axes.set_xticks(range(0, 101, 20))
        _legend_above(figure)
        return to_svg(figure, "fifos", "Occupancy of the FIFOs")


def _fifo_label(row: FifoFacts) -> str:
    number = row.name.rsplit("_", 1)[-1]
    target = brief(row.feeds) if row.feeds and row.feeds != row.name else "output"
    return cut(f"{number} → {target}", 26)


def cut(text: str, most: int) -> str:
    """The text, its middle replaced by an ellipsis where it is longer than `most`."""
    if len(text) <= most:
        return text
    head = most * 2 // 3
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def blank(width: float, height: float) -> tuple["Figure", "Axes"]:
    """A figure of so many inches, and its one pair of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
    return figure, figure.add_subplot()


def _two_panels(width: float, height: float) -> tuple["Figure", "Axes", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
    top = figure.add_subplot(2, 1, 1)
    return figure, top, figure.add_subplot(2, 1, 2, sharex=top)


def bars(axes: "Axes", labels: Sequence[str]) -> None:
    """Names the rows of horizontal bars, the first on top."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _legend_above(figure: "Figure") -> None:
    figure.legend(loc="outside upper left", ncols=3, handlelength=1, columnspacing=1)
