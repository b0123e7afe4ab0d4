"""How a stage tells what it is doing, without knowing whether anyone watches.

The command line shows bars; tests and library callers pass `SILENT`.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class Task:
    """One piece of long work."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """`steps` more of the total are done; `note` is shown beside the bar (loss, accuracy)."""


class Progress:
    """Says nothing; the base of everything that does."""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Task]:
        """Opens a bar of `total` steps for the length of the block."""
        yield Task()

    def say(self, line: str) -> None:
        """One line of text for the person watching."""


SILENT = Progress()
