"""Progress bars and tables on a terminal; plain lines where there is none."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from lepton_hw.errors import one_line
from lepton_hw.progress import Progress, Task

#: Columns of a table that no terminal shows.
PIPE_WIDTH = 120
#: Characters of a line that is no cell of a table; a path has up to 4,096.
MOST = 8_192


class Screen(Progress):
    """Shows bars and lines on stderr, so that stdout stays clean for results."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self._bars: Bars | None = None

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Task]:
        """A bar that disappears when the work is done; nothing where no terminal shows it."""
        if not self.console.is_terminal:
            yield Task()
        elif self._bars is not None:  # work within work: one more bar below
            bar = _Bar(self._bars, title, total)
            yield bar
            bar.remove()
        else:
            with self._open() as bars:
                yield _Bar(bars, title, total)

    @contextmanager
    def _open(self) -> Iterator[Bars]:
        columns = (
            TextColumn("{task.description:<9}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Bars(*columns, console=self.console, transient=True) as bars:
            self._bars = bars
            try:
                yield bars
            finally:
                self._bars = None

    def say(self, line: str) -> None:
        """One line of text."""
        with suppress(OSError):  # work goes on though nobody can be told of it
            self.console.print(Text(one_line(line, MOST)), soft_wrap=True)


class _Bar(Task):
    def __init__(self, bars: Bars, title: str, total: int) -> None:
        self._bars = bars
        self._id = bars.add_task(one_line(title), total=total, note="")

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Moves the bar."""
        if note:
            self._bars.update(self._id, note=one_line(note))
        self._bars.advance(self._id, steps)

    def remove(self) -> None:
        """Takes the bar away."""
        self._bars.remove_task(self._id)


def tell(*lines: str) -> None:
    """Prints lines on standard output; whatever they hold, each is one line."""
    for line in lines:
        print(one_line(line, MOST))


def figures(title: str, rows: list[tuple[str, ...]]) -> None:
    """Prints names and figures on standard output, figures to the right."""
    shown = _table(title, show_header=False)
    shown.add_column(no_wrap=True)
    shown.add_column(justify="right")
    for row in rows:
        shown.add_row(*_cells(row))
    Console(highlight=False).print(shown)


def _cells(row: tuple[str, ...]) -> list[Text]:
    """The row as plain text: to rich a bare string is markup, so that [b] would be a style."""
    return [Text(one_line(cell)) for cell in row]


def listing(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Prints a table of words on standard output; only the last column may wrap."""
    shown = _table(title, show_header=True)
    for index, column in enumerate(columns):
        shown.add_column(column, no_wrap=index < len(columns) - 1)
    for row in rows:
        shown.add_row(*_cells(row))
    console = Console(highlight=False)
    if not console.is_terminal:  # a file or a pipe has no width
        console = Console(highlight=False, width=PIPE_WIDTH)
    console.print(shown)


def _table(title: str, show_header: bool) -> Table:
    return Table(
        title=Text(one_line(title), style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD if show_header else box.SIMPLE,
        pad_edge=False,
        show_header=show_header,
        show_edge=False,
    )
