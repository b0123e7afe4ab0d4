"""What every sensor of power is: something that watches a block of work and then knows its energy.

A sensor that is not there says so when it is looked for, in one sentence, and is nobody's zero.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from lepton_hw.errors import StageError
from lepton_hw.measure.power import Energy, energy, trace

INTERVAL = 0.02


class Watch:
    """`energy` is there behind the block."""

    def __init__(self) -> None:
        self.energy: Energy | None = None


class Sensor(Protocol):
    """`accuracy` is the error of a figure as a share of it, as its maker or others state it, where
    the block takes at least `least` seconds.
    """

    source: str
    accuracy: float
    least: float

    def watch(self) -> AbstractContextManager[Watch]:
        """The energy of a ``with`` block."""


@contextmanager
def sampled(
    read: Callable[[], float],
    source: str,
    interval: float = INTERVAL,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Watch]:
    """Samples watts in the background of the block and integrates them over exactly its time.

    Raises `StageError` where a sample fails.
    """
    watch, samples, ending = Watch(), [(clock(), read())], threading.Event()
    failures: list[Exception] = []

    def sample() -> None:
        while not ending.wait(interval):
            try:
                samples.append((clock(), read()))
            except Exception as error:  # told to the caller below: a thread's error is nobody's
                failures.append(error)
                return

    thread = threading.Thread(target=sample, daemon=True)
    begin = samples[0][0]
    thread.start()
    try:
        yield watch
        end = clock()
    finally:
        ending.set()
        thread.join()
    if failures:
        raise StageError(
            f"{source} stopped ({failures[0]})", "a value for each sample", "measure again"
        )
    samples.append((clock(), read()))
    if end > begin:
        watch.energy = energy(trace(samples, source), begin, end)
