"""Progress bars and tables on a terminal; nothing but JSON on standard output with ``--json``."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from lepton_hw.progress import Progress, Task


class Screen(Progress):
    """Shows bars and lines on stderr, so that stdout stays clean for results."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Task]:
        """A bar that disappears when the work is done."""
        columns = (
            TextColumn("{task.description:<9}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Bars(*columns, console=self.console, transient=True) as bars:
            yield _Bar(bars, title, total)

    def say(self, line: str) -> None:
        """One line of text."""
        self.console.print(line, markup=False)


class _Bar(Task):
    def __init__(self, bars: Bars, title: str, total: int) -> None:
        self._bars = bars
        self._id = bars.add_task(title, total=total, note="")

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Moves the bar."""
        if note:
            self._bars.update(self._id, note=note)
        self._bars.advance(self._id, steps)


def table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Prints a table on standard output."""
    shown = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        shown.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        shown.add_row(*row)
    Console(highlight=False).print(shown)
