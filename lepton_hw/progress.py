"""How a stage tells what it is doing, without knowing whether anyone watches.

The command line shows bars; tests and library callers pass `SILENT`.
"""

import time
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


class TimeUp(Exception):
    """The time that some work may take is over; its caller knows what to do without it."""


class TimeLimit(Progress):
    """Shows work through another `Progress`, and ends it with `TimeUp` when its time is over.

    Work is ended where it reports progress: before a task, or at a step of one.
    """

    def __init__(self, inner: Progress, seconds: float | None) -> None:
        """`seconds` from now on; None is without limit."""
        self._inner = inner
        self._end = None if seconds is None else time.monotonic() + seconds

    def check(self) -> None:
        """Raises `TimeUp` when the time is over."""
        if self._end is not None and time.monotonic() > self._end:
            raise TimeUp

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Task]:
        """A bar of the other `Progress`."""
        self.check()
        with self._inner.task(title, total) as task:
            yield _Limited(task, self)

    def say(self, line: str) -> None:
        """One line of text."""
        self._inner.say(line)


class _Limited(Task):
    def __init__(self, inner: Task, limit: TimeLimit) -> None:
        self._inner, self._limit = inner, limit

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Moves the bar, or ends the work."""
        self._inner.advance(steps, note)
        self._limit.check()
