"""What the open ways share: the clock watch, parallel seeds, the check that a design fits."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from lepton_hw.errors import StageError
from lepton_hw.progress import Progress

R = TypeVar("R")
#: Runs of place and route at once; each takes a core and about 2 GB.
PARALLEL = 2


class Watch:
    """Seconds of each step, said as it ends."""

    def __init__(self, progress: Progress) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measures and announces a step."""
        start = time.monotonic()
        with self._progress.task(name, 1) as task:
            yield
            task.advance()
        self.seconds[name] = round(time.monotonic() - start, 1)
        self._progress.say(f"  {name:<16}{self.seconds[name]:.1f} s")


def with_seeds(run: Callable[[int], R], seeds: Sequence[int]) -> list[R]:
    """What each seed gave that gave anything; several run at once.

    Raises the first error where every seed failed.
    """
    results: list[R] = []
    errors: list[StageError] = []
    with ThreadPoolExecutor(PARALLEL) as pool:
        for future in [pool.submit(run, seed) for seed in seeds]:
            try:
                results.append(future.result())
            except StageError as error:
                errors.append(error)
    if not results:
        raise errors[0]
    return results


def require_room(needed: Mapping[str, float], have: Mapping[str, float], what: str) -> None:
    """Raises `StageError` where a resource is short, before hours of place and route."""
    for name, count in needed.items():
        if count > have.get(name, 0):
            raise StageError(
                f"{what} needs {count:,.0f} {name}",
                f"at most {have.get(name, 0):,.0f}, which the board has",
                "fold it more (a lower --target-fps), or choose a larger board",
            )
