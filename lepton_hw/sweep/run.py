"""A sweep on one page: the grid's points, their study, the workers, the comparison.

Run again, it builds what has no figures yet. Never decides in which order: that is the queue's.
"""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lepton_hw import __version__, artifacts, pipeline
from lepton_hw.board import Board
from lepton_hw.flow import Flow
from lepton_hw.progress import SILENT, Progress, Task
from lepton_hw.sources import code_digest
from lepton_hw.stages.runner import PACKAGES, versions
from lepton_hw.sweep.build import Place, build_point
from lepton_hw.sweep.grid import Axis, Point, points_of, said
from lepton_hw.sweep.pareto import with_fronts
from lepton_hw.sweep.storage import database_errors, storage_url
from lepton_hw.sweep.study import SweepStudy
from lepton_hw.sweep.worker import Builder, Job
from lepton_hw.sweep.workers import Workers
from lepton_hw.sweep_results import FILE, PAGE, Row, State, SweepResults

#: Of a point that a command does not touch again.
FINISHED: tuple[State, ...] = ("done", "failed", "mismatch", "killed")
LOOK = 0.5  # seconds between two looks at workers and study


@dataclass(frozen=True)
class Settings:
    """Where and how a sweep is built; `retry` builds failed points again, too; `energy` models that
    of each design.
    """

    build_dir: Path = Path("build")
    jobs: int = 0  # 0: by the number of cores
    storage: str = ""
    device: str = "cpu"
    retry: bool = False
    energy: bool = False
    builder: Builder = field(default=build_point)


def sweep(
    flow: Flow,
    board: Board,
    axes: Sequence[Axis],
    settings: Settings | None = None,
    progress: Progress = SILENT,
) -> SweepResults:
    """Builds every point of the grid that is not built yet, and writes ``sweep.json`` and a page.

    A point that fails is a row with a reason. Raises a `LeptonError` where a worker cannot go on:
    a tool is missing, the database is gone. Two sweeps of one folder at once: the second waits.
    """
    settings = settings or Settings()
    points = points_of(axes, flow)
    folder = sweep_folder(flow, board, settings.build_dir)
    address = storage_url(settings.storage, folder)
    name = study_name(flow, board, points, settings)
    place = Place(board, folder.absolute(), settings.device, settings.energy)
    job = Job(address, name, tuple(axes), points, place, settings.builder)
    with (
        pipeline.held(folder, progress),
        database_errors(address),
    ):
        study = SweepStudy(address, name, axes, points, str(folder.absolute()))
        _build(study, job, folder, settings, progress)
        results = SweepResults(
            flow=flow.name, title=flow.title or flow.name, board=board.name,
            board_title=board.title, clock=board.clock,
            grid={axis.key: axis.values for axis in axes}, study=name, version=__version__,
            points=with_fronts(study.rows()),
        )  # fmt: skip
        _write(results, folder)
    return results


def sweep_folder(flow: Flow, board: Board, build_dir: Path) -> Path:
    """Where a sweep keeps its points, its study and its page."""
    return pipeline.build_folder(flow, board, pipeline.Options(build_dir)) / "sweep"


def default_jobs() -> int:
    """Half of the cores: a build trains and folds on one core and compiles its simulator on all."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // 2)


def study_name(flow: Flow, board: Board, points: Sequence[Point], settings: Settings) -> str:
    """Flow, board and a digest of all that the figures depend on, the code's version included.

    So a study never holds figures of other values or of older code, and machines that share a
    database share a study only if they would build the same.
    """
    files = {
        path: artifacts.file_digest(Path(path))
        for point in points
        for path in _files(point.flow)
        if Path(path).is_file()
    }
    whole = {
        "points": {point.name: point.flow.model_dump(mode="json") for point in points},
        "board": board.model_dump(mode="json"),
        "files": files,
        "device": settings.device,
        "energy": settings.energy,
        "code": code_digest(build_point.__module__),
        "packages": {stage: versions(names) for stage, names in PACKAGES.items()},
    }
    return f"lepton {flow.name} {board.name} {artifacts.digest(whole)[:16]}"


def _files(flow: Flow) -> list[str]:
    """The files that a flow names."""
    trained_from = flow.train.init if flow.train is not None else ""
    return [path for path in (flow.model_file, flow.compile.folding, trained_from) if path]


def _build(
    study: SweepStudy, job: Job, folder: Path, settings: Settings, progress: Progress
) -> None:
    study.release()
    again: tuple[State, ...] = ("failed", "mismatch", "killed") if settings.retry else ("killed",)
    waiting = study.fill(again)
    told = {row.name for row in study.rows() if row.state in FINISHED}
    if told:
        progress.say(f"{len(told)} of {len(job.points)} points were built before")
    if not waiting:
        return
    with (
        Workers(job, folder / "logs") as workers,
        progress.task("points", len(job.points)) as task,
    ):
        task.advance(len(told))
        for _ in range(min(settings.jobs or default_jobs(), waiting)):
            workers.start()
        while workers.alive:
            time.sleep(LOOK)
            for pid, number in workers.ended():
                study.record_killed(pid, _ended_by(number))
                if workers.error is None and study.fill():
                    workers.start()
            _tell(study.rows(), told, task, progress)
    if workers.error is not None:
        raise workers.error


def _ended_by(number: int) -> str:
    name = signal.Signals(number).name
    return (
        f"the process that built it was ended by {name}; expected its own end; run the same "
        "command again, with fewer --jobs if the memory was full."
    )


def _tell(rows: Sequence[Row], told: set[str], task: Task, progress: Progress) -> None:
    """A line for each point that has come to an end since the last look."""
    for row in rows:
        if row.state not in FINISHED or row.name in told:
            continue
        told.add(row.name)
        found = row.figures
        end = row.reason if found is None else f"{found.frames_per_second:,.0f} frames/s, exact"
        progress.say(f"{len(told)} of {len(rows)}: {said(row.values)}: {row.state}, {end}")
        task.advance()


def _write(results: SweepResults, folder: Path) -> None:
    from lepton_hw.reporting.sweep_page import render_sweep

    artifacts.write_atomically(folder / FILE, results.model_dump_json(indent=1) + "\n")
    artifacts.write_atomically(folder / PAGE, render_sweep(results))
