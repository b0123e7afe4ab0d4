"""One worker of a sweep: a process that builds waiting points until none is left.

Started by `lepton_hw.sweep.workers` alone, with a pickled `Job` on its standard input. It ends with
its parent, however that ends. What a build prints goes to its log.
"""

import contextlib
import json
import os
import pickle
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from lepton_hw.errors import LeptonError
from lepton_hw.progress import Progress
from lepton_hw.sweep.build import Place
from lepton_hw.sweep.grid import Axis, Point
from lepton_hw.sweep_results import Row

PATIENCE = 30.0  # seconds that a worker has to clean up
Builder = Callable[[Point, Place, Progress], Row]


@dataclass(frozen=True)
class Job:
    """All that a worker needs: database, study, points, where they are built, and by what."""

    address: str
    study: str
    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    place: Place
    builder: Builder


class Log(Progress):
    """Lines with time and point, for the worker's log."""

    def __init__(self, point: str) -> None:
        self._point = point

    def say(self, line: str) -> None:
        """One line of text."""
        print(f"{time.strftime('%H:%M:%S')} {self._point}: {line}", flush=True)


def main() -> int:
    """Reads the job, works, and writes an error as one line of JSON to the first standard output.

    Returns the exit code.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job ignores the first
        signal.signal(number, signal.default_int_handler)
    answer = os.dup(sys.stdout.fileno())  # not inherited by what the builds start
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        sys.path[:] = pickle.load(sys.stdin.buffer)
        job: Job = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        warnings.simplefilter("ignore")  # of the insides of others' packages
        _work(job)
    except KeyboardInterrupt:
        return 130
    except LeptonError as error:
        told = [type(error).__name__, error.found, error.expected, error.remedy]
    except Exception as error:
        traceback.print_exc()
        found = f"a worker met {type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        told = ["LeptonError", found, "no such thing", "see its log, and report it"]
    else:
        return 0
    with os.fdopen(answer, "w") as file, contextlib.suppress(OSError):
        file.write(json.dumps(told))
    return 1


def _work(job: Job) -> None:
    from lepton_hw.sweep.storage import database_errors
    from lepton_hw.sweep.study import SweepStudy

    with database_errors(job.address):
        study = SweepStudy(job.address, job.study, job.axes, job.points, str(job.place.folder))
        study.work(lambda point: job.builder(point, job.place, Log(point.name)))


def _end_with_parent() -> None:
    """The parent's end of the standard input closes with the parent."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(PATIENCE)
    os.killpg(0, signal.SIGKILL)  # our session: this process and what it started


if __name__ == "__main__":
    sys.exit(main())
