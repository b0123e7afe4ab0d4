"""Requests of many threads as batches of one engine: whoever waits together travels together.

No timer: a batch is what has gathered while the one before was computed, so a lone request never
waits for company. It looks into no frame.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from .errors import DriverError, HardwareError, lost

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[Any]


class Busy(DriverError):
    """There is no room for the request now; later there may be."""


class _Request:
    def __init__(self, codes: Codes) -> None:
        self.codes, self.done = codes, threading.Event()
        self.outputs: Codes | None = None
        self.error: DriverError | None = None


class Batcher:
    """One thread that owns an engine; any number of threads call `infer`.

    Args:
        engine: codes (N, *shape) → output codes (N, *shape), called by one thread at a time.
        batch: most frames of one call, where single requests are not larger.
        most: frames that may wait; beyond, `Busy` is raised at once.
        seen: is told of each call: (frames, seconds, error or None).
    """

    def __init__(
        self,
        engine: Callable[[Codes], Codes],
        batch: int,
        most: int,
        seen: Callable[[int, DriverError | None], Any] = lambda frames, error: None,
    ) -> None:
        self._engine, self._batch, self._most, self._seen = engine, batch, most, seen
        self._waiting: deque[_Request] = deque()
        self._frames, self._closing = 0, False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Frames that wait."""
        return self._frames

    def infer(self, codes: Codes, anyway: bool = False) -> Codes:
        """The engine's outputs for these frames; raises what the engine raised, or `Busy`.

        With `anyway` they wait even where there is no room.
        """
        request = _Request(codes)
        with self._changed:
            if self._closing:
                raise Busy("the service is ending", "one that runs", "ask again later")
            # A request that is larger than all the room is taken where nothing else waits.
            full = self._waiting and self._frames + len(codes) > self._most
            if full and not anyway:
                raise Busy(
                    f"{self._frames:,} frames wait already",
                    f"at most {self._most:,} with these {len(codes):,}",
                    "ask again later, or more slowly",
                )
            self._waiting.append(request)
            self._frames += len(codes)
            self._changed.notify_all()
        request.done.wait()
        if request.error is not None:
            raise request.error
        assert request.outputs is not None
        return request.outputs

    def close(self) -> None:
        """Takes nothing more, ends what waits, then returns; may be called twice."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                together = self._next()
            self._compute(together)

    def _next(self) -> list[_Request]:
        """What fits one batch, in order, at least one request; the lock is held."""
        together: list[_Request] = []
        frames = 0
        while self._waiting:
            size = len(self._waiting[0].codes)
            if together and frames + size > self._batch:
                break
            together.append(self._waiting.popleft())
            frames += size
        self._frames -= frames
        return together

    def _compute(self, together: list[_Request]) -> None:
        codes = [request.codes for request in together]
        error: DriverError | None = None
        try:
            joined = codes[0] if len(codes) == 1 else np.concatenate(codes)
            outputs = self._engine(joined)
            if len(outputs) != len(joined):
                raise HardwareError(
                    f"{len(outputs)} outputs for {len(joined)} frames", "one each", "report it"
                )
            at = 0
            for request in together:
                request.outputs = outputs[at : at + len(request.codes)]
                at += len(request.codes)
        except Exception as raised:
            error = lost(raised)
            for request in together:
                request.error = error
        self._seen(sum(map(len, codes)), error)
        for request in together:
            request.done.set()
