"""Starts the workers of a sweep as processes, looks after them, and ends them. Builds nothing."""

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from lepton_hw import errors
from lepton_hw.errors import LeptonError
from lepton_hw.sweep.worker import PATIENCE, Job


class Workers:
    """Processes, each in a session of its own, so that Ctrl-C reaches them only through us.

    A context manager: whatever is left at its end is interrupted, and killed where it does not end.
    """

    def __init__(self, job: Job, logs: Path) -> None:
        self._job, self._logs = job, logs
        self._running: list[subprocess.Popen[bytes]] = []
        self._started = 0
        #: The first error that was a worker's own and not a point's.
        self.error: LeptonError | None = None

    def __enter__(self) -> "Workers":
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.send_signal(signal.SIGINT)
        for process in self._running:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            _close(process)

    @property
    def alive(self) -> int:
        """How many are running."""
        return len(self._running)

    def start(self) -> None:
        """One more; its log is ``worker-N.log``."""
        self._started += 1
        with (self._logs / f"worker-{self._started}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "lepton_hw.sweep.worker"], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._running.append(process)
        stdin = _pipe(process.stdin)
        try:
            stdin.write(pickle.dumps(sys.path) + pickle.dumps(self._job))
            stdin.flush()  # it stays open: a worker ends with it
        except BrokenPipeError:  # it has ended already; `ended` says how
            pass

    def ended(self) -> list[tuple[int, int]]:
        """(process, signal) of those that a signal ended since the last call.

        The error of one that ended by itself is kept in `error`.
        """
        dead = [process for process in self._running if process.poll() is not None]
        killed = []
        for process in dead:
            self._running.remove(process)
            told = _pipe(process.stdout).read()
            _close(process)
            if process.returncode < 0:
                killed.append((process.pid, -process.returncode))
            elif process.returncode:
                self.error = self.error or _told(told, process.returncode)
        return killed


def _told(text: bytes, code: int) -> LeptonError:
    """The error that a worker wrote."""
    try:
        kind, *parts = json.loads(text)
        error = getattr(errors, kind)(*parts)
        assert isinstance(error, LeptonError)
    except (ValueError, TypeError, AttributeError, AssertionError):
        return LeptonError(f"a worker ended with code {code}", "the end of its work", "see its log")
    return error


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        try:
            _pipe(pipe).close()
        except BrokenPipeError:  # unsent bytes for a process that is gone
            continue
