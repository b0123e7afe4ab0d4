"""Runs of place and route, one a seed, in the background of what else there is to do."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Generic, Self, TypeVar

from lepton_hw.errors import StageError
from lepton_hw.tools import programs

R = TypeVar("R")
#: Runs at once; each takes a core and about 2 GB.
PARALLEL = 2


class Seeds(Generic[R]):
    """One run a seed while the block does something else.

    The first seed, by its place in `seeds`, whose result is `enough` ends the others, so that
    equal calls give equal results. Leaving the block early ends all of them.
    """

    def __init__(
        self, run: Callable[[int], R], seeds: Sequence[int], enough: Callable[[R], bool]
    ) -> None:
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

    def results(self) -> dict[int, R]:
        """What the seeds gave that gave anything, in their order, up to the first that is enough.

        Raises the first error where every seed failed.
        """
        results: dict[int, R] = {}
        errors: list[StageError] = []
        for seed, future in zip(self._seeds, self._futures, strict=True):
            try:
                results[seed] = future.result()
            except StageError as error:
                errors.append(error)
                continue
            if self._enough(results[seed]):
                break
        if not results:
            raise errors[0]
        return results
