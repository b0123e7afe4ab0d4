"""What the open ways share: the clock watch, seeds in the background, whether a design fits."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import TracebackType
from typing import Generic, Self, TypeVar

from lepton_hw.bitstreams.request import Request
from lepton_hw.errors import StageError
from lepton_hw.progress import Progress
from lepton_hw.tools import programs
from lepton_hw.tools.families import Cells

R = TypeVar("R")
#: Runs of place and route at once; each takes a core and about 2 GB.
PARALLEL = 2


class Watch:
    """Seconds of each step, said as it ends."""

    def __init__(self, progress: Progress) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def step(self, name: str, start: float | None = None) -> Iterator[None]:
        """Measures and announces a step; `start` is when it began in the background."""
        start = time.monotonic() if start is None else start
        with self._progress.task(name, 1) as task:
            yield
            task.advance()
        self.seconds[name] = round(time.monotonic() - start, 1)
        self._progress.say(f"  {name:<16}{self.seconds[name]:.1f} s")


class Seeds(Generic[R]):
    """Runs of place and route, one a seed, in the background of what the block does.

    The first seed, by its place in `seeds`, whose result is `enough` ends the others, so that
    equal calls give equal results. Leaving the block early ends all of them.
    """

    def __init__(
        self, run: Callable[[int], R], seeds: Sequence[int], enough: Callable[[R], bool]
    ) -> None:
        self.start = time.monotonic()
        self._run, self._seeds, self._enough = run, seeds, enough
        self._pool = ThreadPoolExecutor(PARALLEL)
        self._futures: list[Future[R]] = []

    def __enter__(self) -> Self:
        self._futures = [self._pool.submit(self._run, seed) for seed in self._seeds]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        running = [future for future in self._futures if not future.cancel()]
        while wait(running, timeout=0.1).not_done:
            programs.end_all()
        self._pool.shutdown()

    def results(self) -> list[R]:
        """What the seeds gave that gave anything, in their order, up to the first that is enough.

        Raises the first error where every seed failed.
        """
        results: list[R] = []
        errors: list[StageError] = []
        for future in self._futures:
            try:
                results.append(future.result())
            except StageError as error:
                errors.append(error)
                continue
            if self._enough(results[-1]):
                break
        if not results:
            raise errors[0]
        return results


def require_room(request: Request, cells: Cells) -> None:
    """Raises `StageError` where a resource is short, before place and route tries for an hour.

    The rate that it names would need what there is, less a tenth, if a design grew with its rate.
    """
    have = request.board.resources
    needed = {"lut": float(cells.lut), "ff": float(cells.ff), "bram36": cells.bram18 / 2}
    over = [(count / max(1, getattr(have, name)), name) for name, count in needed.items()]
    share, name = max(over)
    if share <= 1:
        return
    rate = request.board.clock * 1e6 / max(1, request.cycles_per_frame)
    raise StageError(
        f"the synthesised design needs {needed[name]:,.0f} {name}",
        f"at most {getattr(have, name):,}, which {request.board.title} has",
        f"lower compile.target_fps to about {0.9 * rate / share:,.0f}, or choose a larger board",
    )
