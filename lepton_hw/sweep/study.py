"""A sweep as an Optuna study: its queue of points, who builds which, and what came of them.

A point is a trial that was enqueued: waiting, running, then complete, or failed with a record. A
failed trial without a record lost its process, and its point is enqueued again. Builds nothing.
"""

import os
import socket
import warnings
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from lepton_hw.sweep.build import training_key
from lepton_hw.sweep.grid import Axis, Point
from lepton_hw.sweep.storage import GRACE, open_storage
from lepton_hw.sweep_results import Row, State

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

Build = Callable[[Point], Row]
#: Attributes of a trial: its point, the newest trial when it was enqueued, who builds it, its row.
POINT, AFTER, WHERE, RECORD = "point", "after", "where", "record"
KILLED = "killed"  # and a point: attribute of the study


class Failed(Exception):
    """The point has a reason in place of figures."""


class SweepStudy:
    """The study of one sweep in its database."""

    def __init__(
        self, address: str, name: str, axes: Sequence[Axis], points: Sequence[Point], folder: str
    ) -> None:
        """Opens or makes the study; `folder` is that of the sweep on this machine."""
        import optuna
        from optuna.study import StudyDirection

        self._axes = {axis.key: axis.values for axis in axes}
        self._points = {point.name: point for point in points}
        self._here = f"{socket.gethostname()}:{folder}"
        self._lost = False  # whether another has ended the trial that this process builds
        directions = [StudyDirection.MINIMIZE, StudyDirection.MINIMIZE]  # latency, LUTs
        if points[0].flow.model_file is None:
            directions.insert(0, StudyDirection.MAXIMIZE)  # accuracy
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._study: Study = optuna.create_study(
                study_name=name,
                storage=open_storage(address),
                sampler=optuna.samplers.RandomSampler(seed=0),  # never asked: points are enqueued
                directions=directions,
                load_if_exists=True,
            )

    def release(self, pid: int | None = None) -> int:
        """Ends the trials whose worker is dead: those of this folder, or of one process in it.

        Only for whoever holds the folder's lock, for whom no other worker of it can be alive.
        """
        released = 0
        for trial in self._trials():
            where = trial.user_attrs.get(WHERE)
            ours = where is not None and where[0] == self._here and pid in (None, where[1])
            if trial.state.name == "RUNNING" and (ours or (where is None and _old(trial))):
                self._fail(trial.number)
                released += 1
        return released

    def record_killed(self, pid: int, reason: str) -> None:
        """Writes down that a process died over its point; `fill` leaves it to the next command."""
        for trial in self._trials():
            if trial.state.name == "RUNNING" and trial.user_attrs.get(WHERE) == [self._here, pid]:
                killed = [trial.number, reason, socket.gethostname()]
                self._study.set_user_attr(f"{KILLED} {trial.user_attrs[POINT]}", killed)
        self.release(pid)

    def fill(self, again: Collection[State] = ()) -> int:
        """Enqueues every point that nobody builds or has built, or whose state is in `again`.

        Those with a training of their own come first, so that no worker waits for another's.
        Returns how many points wait.
        """
        trials = self._trials()  # once: what another machine enqueues from here on is newer
        latest = max((trial.number for trial in trials), default=-1)
        queue = {trial.user_attrs.get(POINT) for trial in trials if trial.state.name == "WAITING"}
        waiting = queue & set(self._points)
        missing = [
            row.name
            for row in self._rows(trials)
            if row.name not in waiting and (row.state == "waiting" or row.state in again)
        ]
        for name in _trainings_first([self._points[name] for name in missing]):
            values = dict(self._points[name].values)
            self._study.enqueue_trial(values, user_attrs={POINT: name, AFTER: latest})
        return len(missing) + len(waiting)

    def work(self, build: Build) -> None:
        """Builds waiting points until none is left; raises `MissingTool`, with its point put back.

        Ctrl-C ends the trial without a record, so that its point is built again. A trial that was
        taken for dead meanwhile, as on a machine that slept, is left to whoever builds it now.
        """
        while self.fill():
            try:
                self._study.optimize(
                    lambda trial: self._run(trial, build), n_trials=1, catch=(Failed,)
                )
            except ValueError:  # Optuna's, of a trial that has ended by another's hand
                if not self._lost:
                    raise
                self._lost = False

    def rows(self) -> tuple[Row, ...]:
        """Every point as it stands, in the order of the grid; its newest trial counts."""
        return self._rows(self._trials())

    def _rows(self, trials: "Sequence[FrozenTrial]") -> tuple[Row, ...]:
        rows = {name: self._plain(name) for name in self._points}
        newest = dict.fromkeys(rows, -1)
        for trial in trials:
            name, state = trial.user_attrs.get(POINT), trial.state.name
            if name not in rows:
                continue
            newest[name] = trial.number
            if RECORD in trial.user_attrs:
                rows[name] = Row.model_validate_json(trial.user_attrs[RECORD])
            elif rows[name].state == "done":  # it was enqueued twice
                continue
            elif state == "WAITING":
                rows[name] = self._plain(name)
            elif state == "RUNNING":
                host = trial.user_attrs.get(WHERE, [""])[0].partition(":")[0]
                rows[name] = self._plain(name, state="running", host=host)
        for name, row in rows.items():
            number, reason, host = self._study.user_attrs.get(f"{KILLED} {name}", (None, "", ""))
            if number == newest[name] and row.state != "done":
                rows[name] = self._plain(name, state="killed", reason=reason, host=host)
        return tuple(rows.values())

    def _plain(self, name: str, **rest: Any) -> Row:
        values = dict(self._points[name].values)
        return Row(**{"name": name, "values": values, "state": "waiting", **rest})

    def _run(self, trial: "Trial", build: Build) -> list[float]:
        from optuna import TrialPruned

        point = self._points.get(trial.user_attrs.get(POINT, ""))
        if point is None or self._is_taken(trial):
            raise TrialPruned
        trial.set_user_attr(WHERE, [self._here, os.getpid()])
        for key in point.values:
            trial.suggest_categorical(key, self._axes[key])
        row = build(point)
        if trial.number not in (other.number for other in self._trials("RUNNING")):
            self._lost = True
            raise TrialPruned
        trial.set_user_attr(RECORD, row.model_dump_json())
        if row.figures is None:
            raise Failed
        found = row.figures
        graded = [] if found.accuracy is None else [found.accuracy]
        return [*graded, found.latency_us, float(found.lut)]

    def _is_taken(self, trial: "Trial") -> bool:
        """Whether the point was enqueued twice, by two machines at once, and this is the second."""
        name, after = (trial.user_attrs[key] for key in (POINT, AFTER))
        return any(
            RECORD in other.user_attrs
            or (other.state.name == "RUNNING" and other.number < trial.number)
            for other in self._trials()
            if other.user_attrs.get(POINT) == name
            and other.number > after
            and other.number != trial.number
        )

    def _trials(self, state: str = "") -> "list[FrozenTrial]":
        trials = self._study.get_trials(deepcopy=False)
        return [trial for trial in trials if state in ("", trial.state.name)]

    def _fail(self, number: int) -> None:
        import optuna

        self._study.tell(number, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)


def _old(trial: "FrozenTrial") -> bool:
    """Whether it began so long ago that it would have said who builds it."""
    began = trial.datetime_start
    return began is not None and datetime.now() - began > timedelta(seconds=GRACE)


def _trainings_first(points: Sequence[Point]) -> list[str]:
    """The points' names: first one for each training, then those that share it."""
    seen: set[str] = set()
    first: list[str] = []
    rest: list[str] = []
    for point in points:
        key = training_key(point.flow)
        (rest if key in seen else first).append(point.name)
        seen.add(key)
    return first + rest
