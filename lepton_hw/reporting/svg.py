"""Makes inline SVG out of Matplotlib figures: theme colours as CSS variables, text as text.

The same figure gives the same bytes. Knows nothing of what is plotted.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Name of a CSS variable of ``style.css`` → the colour that stands for it while drawing.
INK, MUTED, GRID, PAPER = "#010203", "#040506", "#070809", "#0a0b0c"
BLUE, ORANGE, GREEN, RED = "#0d0e0f", "#101112", "#131415", "#161718"
VARIABLES = {
    INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper",
    BLUE: "blue", ORANGE: "orange", GREEN: "green", RED: "red",
}  # fmt: skip
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and takes the page's font
    "svg.hashsalt": "lepton",
    "text.parse_math": False,  # names from outside may hold a dollar sign
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
}
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


@contextmanager
def styled() -> Iterator[None]:
    """Our settings for everything that is drawn in the block."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # a user's own settings must not change the report
        mpl.rcParams.update(_STYLE)
        # The browser has fonts for the names that Matplotlib's lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def to_svg(figure: "Figure", name: str, title: str) -> str:
    """The figure as one ``<svg>`` element whose ids start with `name`."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    FigureCanvasSVG(figure).print_svg(buffer, metadata=nothing)  # type: ignore[no-untyped-call]
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"\bid=\"([^\"]+)\"", rf'id="{name}-\1"', text)
    text = re.sub(r"(url\(|href=\")#", rf"\1#{name}-", text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", _FONT, text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    text = re.sub(r"(?<=<svg )", f'role="img" aria-label="{title}" class="plot" ', text, count=1)
    return re.sub(r"\s*\n\s*", "\n", text).strip()
