"""A service around an engine: requests in batches, golden vectors while it runs, metrics of both.

What it answers is certified or refused: from the first golden vector that gives another integer on
it answers nothing any more. It speaks no protocol.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

import numpy as np

from .batching import Batcher, Busy
from .errors import DriverError, HardwareError, Stalled
from .golden import Wrong
from .metrics import FRAMES, SECONDS, Registry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .engine import Engine
    from .images import Classified

    Codes = NDArray[Any]

#: What a service can be. Only when ready it computes for others; unsure, after an error of the
#: hardware, until golden vectors pass again; wrong, for good, once they did not.
STARTING, READY, UNSURE, WRONG, ENDING = "starting", "ready", "unsure", "wrong", "ending"
#: Between two checks of hardware that gave an error, and after how many it is given up.
RETRY_SECONDS, RETRIES = 1.0, 10
STATES = (STARTING, READY, UNSURE, WRONG, ENDING)


class Settings(NamedTuple):
    """`check_seconds` lie between two checks of `check_frames` golden vectors; 0: none but the
    first, which is of all, and those after errors. At most `waiting` frames wait.
    """

    check_seconds: float = 60.0
    check_frames: int = 16
    waiting: int = 4096


DEFAULT = Settings()


class Service:
    """One engine for many threads; `state` is one of `STATES`, `why` its reason.

    `give_up` is called where hardware gives nothing but errors, and `gave_up` is true then: a new
    start may mend that.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings = DEFAULT,
        give_up: Callable[[], Any] = lambda: None,
    ) -> None:
        self.engine, self.settings, self._give_up = engine, settings, give_up
        self.state, self.why, self.gave_up = STARTING, "", False
        self._lock, self._alarm = threading.Lock(), threading.Event()
        self.metrics = Registry()
        self._measures()
        self._batcher = Batcher(self._timed, engine.batch, settings.waiting, self._seen)
        self._checker = threading.Thread(target=self._check_on, name="golden", daemon=True)

    def start(self, stopped: Callable[[], bool] = lambda: False) -> int:
        """All golden vectors, then ready; returns how many. Raises what is wrong.

        Between two batches `stopped` is asked whether to end; it is not ready then.
        """
        golden, batch = self.engine.subject.golden, self.engine.batch
        total = len(golden.inputs)
        done = 0
        while done < total:
            if stopped():
                return done
            done += self._checked(min(batch, total - done))
        self._become(READY)
        self._checker.start()
        return total

    def infer(self, codes: Codes) -> Codes:
        """Checked codes (N, *shape) → output codes; raises `Busy` and the engine's errors."""
        self._require_ready()
        outputs = self._batcher.infer(codes)
        self._require_right()  # found while these were computed: they cannot be trusted either
        self._served.add(len(codes))
        self._count(outputs)
        return outputs

    def _count(self, outputs: Codes) -> None:
        """By class, where the outputs are scores of the named classes, or a class itself."""
        subject = self.engine.subject
        labels, flat = subject.labels, outputs.reshape(len(outputs), -1)
        if flat.shape[1] == 1 < len(labels):
            found = flat[:, 0]
        elif flat.shape[1] == len(labels):
            scale, bias = subject.scale or (1.0,), subject.bias or (0.0,)
            found = (flat * np.asarray(scale) + np.asarray(bias)).argmax(axis=1)
        else:
            return
        for index, count in zip(*np.unique(found, return_counts=True)):
            if 0 <= index < len(labels):
                self._classes.add(int(count), labels[int(index)])

    def classify(self, content: bytes) -> Classified:
        """The content of an image file → label and scores."""
        codes = self.engine.prepare(content)
        found = self.engine.read_out(self.infer(codes)[0])
        if found.scores.size > 1 and "softmax" in self.engine.subject.host_after:
            self._confidence.observe(found.score)
        return found

    def text_of_metrics(self) -> str:
        """All metrics, with those that are read off when asked for."""
        for state in STATES:
            self._state.set(state == self.state, state)
        self._queue.set(self._batcher.waiting)
        for name, watts in self.engine.watts().items():
            self._watts.set(watts, name)
        return self.metrics.text()

    def close(self) -> None:
        """Ends what waits; the engine is the caller's to close."""
        self._become(ENDING)
        self._alarm.set()
        self._batcher.close()

    def _measures(self) -> None:
        make, subject = self.metrics, self.engine.subject
        made = make.gauge("lepton_design_info", "The design that is served.", "digest", "where")
        made.set(1, subject.digest, subject.where)
        self._state = make.gauge("lepton_state", "1 for the state that it is in.", "state")
        self._served = make.counter("lepton_frames_total", "Frames that were answered.")
        self._queue = make.gauge("lepton_waiting_frames", "Frames that wait for the engine.")
        room = make.gauge("lepton_waiting_frames_limit", "Beyond so many, requests are refused.")
        room.set(self.settings.waiting)
        interval = make.gauge(
            "lepton_golden_check_interval_seconds", "Between two golden checks; 0: after errors."
        )
        interval.set(self.settings.check_seconds)
        self._batches = make.histogram(
            "lepton_batch_frames", "Frames of one call of the engine.", FRAMES
        )
        self._seconds = make.histogram(
            "lepton_engine_seconds", "Duration of one call of the engine.", SECONDS
        )
        self._errors = make.counter(
            "lepton_engine_errors_total", "Calls of the engine that failed.", "kind"
        )
        for kind in (HardwareError, Stalled):  # known from the start, so that the first one shows
            self._errors.add(0, kind.__name__)
        self._golden = make.counter("lepton_golden_frames_total", "Golden vectors computed again.")
        self._wrong = make.counter(
            "lepton_golden_mismatches_total", "Golden checks that gave another integer."
        )
        self._last = make.gauge(
            "lepton_golden_last_pass_timestamp_seconds", "When golden vectors last were right."
        )
        self._classes = make.counter(
            "lepton_classified_total", "Frames by the class that was answered.", "label"
        )
        tenths = [tenth / 10 for tenth in range(1, 11)]
        self._confidence = make.histogram(
            "lepton_top_score", "Probability of the class that was answered.", tenths
        )
        self._watts = make.gauge("lepton_power_watts", "What a sensor of the board says.", "rail")

    def _timed(self, codes: Codes) -> Codes:
        begin = time.perf_counter()
        outputs = self.engine.infer(codes)
        self._seconds.observe(time.perf_counter() - begin)
        return outputs

    def _seen(self, frames: int, error: DriverError | None) -> None:
        self._batches.observe(frames)
        if error is not None:
            self._errors.add(1, type(error).__name__)
            self._become(UNSURE, str(error))

    def _infer_anyway(self, codes: Codes) -> Codes:
        return self._batcher.infer(codes, anyway=True)

    def _checked(self, frames: int) -> int:
        """Some golden vectors, in the queue like everybody; how many."""
        try:
            done = self.engine.subject.golden.check(self._infer_anyway, frames)
        except Wrong as error:
            self._wrong.add()
            self._become(WRONG, str(error))
            raise
        self._golden.add(done)
        self._last.set(time.time())
        return done

    def _check_on(self) -> None:
        """Checks until the end: at the set times, and at once after an error."""
        failed = 0
        while self.state not in (WRONG, ENDING):
            self._alarm.wait(self.settings.check_seconds or None)
            self._alarm.clear()
            if self.state == ENDING:
                return
            try:
                self._checked(self.settings.check_frames)
            except DriverError:
                if self.state == UNSURE:
                    failed += 1
                    if failed == RETRIES:
                        self.gave_up = True
                        self._give_up()
                    time.sleep(RETRY_SECONDS)
                    self._alarm.set()  # once more
            else:
                failed = 0
                self._become(READY)

    def _become(self, state: str, why: str = "") -> None:
        with self._lock:
            if self.state == WRONG or (self.state == ENDING and state != WRONG):
                return
            if state == UNSURE and self.state == STARTING:
                return
            self.state, self.why = state, why
        if state == UNSURE:
            self._alarm.set()

    def _require_ready(self) -> None:
        self._require_right()
        if self.state != READY:
            raise Busy(
                f"the service is {self.state}" + (f" ({self.why.rstrip('.')})" if self.why else ""),
                "one that is ready",
                "ask again later",
            )

    def _require_right(self) -> None:
        if self.state == WRONG:
            raise HardwareError(
                "this service gave a wrong integer for a golden vector and answers no more",
                "the integers of the certificate",
                f"start it again: {self.why.rstrip('.')}",
            )
