"""Carries a plan out in a folder: writes its files, runs its steps, keeps their logs.

A step is done when its command ended well and all its products are there; a build that was killed
goes on at the first step that is not. It judges no log: what a failure means is its caller's.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from lepton_hw.artifacts import digest, file_digest, write_atomically
from lepton_hw.errors import InputError, MissingTool, StageError
from lepton_hw.plan.plan import File, Plan, Step
from lepton_hw.progress import SILENT, Progress

PLAN, LOGS, DONE = "plan.json", "logs", "done"
#: Seconds between SIGTERM and SIGKILL.
GRACE = 10.0


class Failed(StageError):
    """A step's command failed or left a product out; `code` is None where it took too long."""

    def __init__(self, step: Step, code: int | None, log: Path, reason: str) -> None:
        super().__init__(reason, "it to end well with all its products", f"read {log}")
        self.step, self.code, self.log = step, code, log


class Runner(Protocol):
    """Where commands run: here, or in a container."""

    def command(self, step: Step, folder: Path) -> tuple[list[str], dict[str, str]]:
        """The whole command line and environment for a step of the build in `folder`."""

    def stop(self) -> None:
        """Ends what killing the command does not end; may be called when nothing runs."""


@dataclass(frozen=True)
class Local:
    """Runs commands here, in our own environment and `environment`.

    `programs` has the paths of those that are not on PATH.
    """

    programs: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self, step: Step, folder: Path) -> tuple[list[str], dict[str, str]]:
        """The step's command with the program's path."""
        program = self.programs.get(step.argv[0], step.argv[0])
        return [program, *step.argv[1:]], {**os.environ, **self.environment, **step.environment}

    def stop(self) -> None:
        """Nothing outlives its process group."""


class _Done(BaseModel):
    """The mark of a finished step: its key, and the SHA-256 of each product."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    key: str
    seconds: float
    products: dict[str, str]


def run_plan(plan: Plan, folder: Path, runner: Runner, progress: Progress = SILENT) -> None:
    """Runs every step that is not done; `folder` is the build's, and is kept between runs.

    Raises `Failed` where a command fails, takes too long or leaves a product out, `InputError`
    where a source has changed since the plan was made, `MissingTool` where a program is absent.
    """
    _begin(plan, folder)
    with progress.task(plan.title, len(plan.steps)) as task:
        for index, step in enumerate(plan.steps):
            if not _is_done(plan, index, folder):
                progress.say(f"{step.name}: {' '.join(step.argv)}")
                _run(plan, index, folder, runner)
            task.advance(note=step.name)


def log_of(plan: Plan, step: Step, folder: Path) -> Path:
    """Where the step's output is kept."""
    return folder / LOGS / f"{plan.steps.index(step)}_{step.name}.log"


def seconds_of(plan: Plan, folder: Path) -> dict[str, float]:
    """What each step of a finished build took, also where that was in an earlier run."""
    marks = (_mark(plan, index, folder) for index in range(len(plan.steps)))
    found = (_Done.model_validate_json(mark.read_text()) for mark in marks)
    return {step.name: done.seconds for step, done in zip(plan.steps, found, strict=True)}


def collect(plan: Plan, folder: Path, target: Path) -> None:
    """Copies the plan's results, and its logs, from a finished build; nothing else.

    Raises `StageError` where the build is not finished.
    """
    for index, step in enumerate(plan.steps):
        if not _is_done(plan, index, folder):
            raise StageError(
                f"the step {step.name} of {plan.title} is not done", "a finished build", "run it"
            )
    for name in plan.results:
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, place)
    for step in plan.steps:
        log = log_of(plan, step, folder)
        (target / LOGS).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, target / LOGS / log.name)


def _begin(plan: Plan, folder: Path) -> None:
    """The folder with the plan's files; what another plan left there is removed."""
    mark = folder / PLAN
    try:
        same = Plan.model_validate_json(mark.read_text()).digest == plan.digest
    except (OSError, UnicodeDecodeError, ValidationError):
        same = False
    if not same:
        _require_ours(folder)
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    # The plan before the files: a folder that holds anything says what it belongs to.
    write_atomically(mark, plan.model_dump_json(indent=1) + "\n")
    for file in plan.files:
        _write(file, folder / file.name)


def _require_ours(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / PLAN).is_file():
        raise InputError(
            f"the folder {folder} holds something that is no build",
            "an empty or a new one", "pass another one",
        )  # fmt: skip


def _write(file: File, place: Path) -> None:
    if place.is_file() and file_digest(place) == file.sha256:
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    half = place.with_name(f".{place.name}.half")
    if file.source is not None:
        shutil.copyfile(file.source, half)
    else:
        half.write_text(file.text or "")
    if file_digest(half) != file.sha256:
        half.unlink()
        raise InputError(
            f"{file.source or file.name} is not what it was when the build was planned",
            f"the SHA-256 {file.sha256[:16]}…",
            "run again",
        )
    half.replace(place)


def _key(plan: Plan, index: int) -> str:
    return digest({"plan": plan.digest, "step": index})


def _mark(plan: Plan, index: int, folder: Path) -> Path:
    return folder / DONE / f"{index}_{plan.steps[index].name}.json"


def _is_done(plan: Plan, index: int, folder: Path) -> bool:
    try:
        done = _Done.model_validate_json(_mark(plan, index, folder).read_text())
    except (OSError, UnicodeDecodeError, ValidationError):
        return False
    if done.key != _key(plan, index) or set(done.products) != set(plan.steps[index].products):
        return False
    return all(
        (folder / name).is_file() and file_digest(folder / name) == known
        for name, known in done.products.items()
    )


def _run(plan: Plan, index: int, folder: Path, runner: Runner) -> None:
    step, log = plan.steps[index], log_of(plan, plan.steps[index], folder)
    for later in range(index, len(plan.steps)):  # they were made from what is made anew now
        _mark(plan, later, folder).unlink(missing_ok=True)
        for name in plan.steps[later].products:
            (folder / name).unlink(missing_ok=True)
    log.parent.mkdir(exist_ok=True)
    if log.is_file():  # what an attempt before this one said may be the better clue
        log.replace(log.with_suffix(".log.before"))
    start = time.monotonic()
    code = _execute(step, folder, log, runner)
    missing = [name for name in step.products if not _is_there(folder / name)]
    if code is None:
        raise Failed(step, None, log, f"the step {step.name} took longer than {step.timeout:g} s")
    if code != 0:
        raise Failed(step, code, log, f"the step {step.name} ended with exit code {code}")
    if missing:
        raise Failed(step, 0, log, f"the step {step.name} made no {missing[0]}")
    done = _Done(
        key=_key(plan, index),
        seconds=round(time.monotonic() - start, 3),
        products={name: file_digest(folder / name) for name in step.products},
    )
    write_atomically(_mark(plan, index, folder), done.model_dump_json(indent=1) + "\n")


def _is_there(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _execute(step: Step, folder: Path, log: Path, runner: Runner) -> int | None:
    """Exit code, or None after the time-out; Ctrl-C ends the whole process group."""
    argv, environment = runner.command(step, folder.absolute())
    place = folder / step.cwd
    place.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        try:
            process = subprocess.Popen(
                argv, cwd=place, env=environment, stdin=subprocess.DEVNULL,
                stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise MissingTool(
                f"{argv[0]} could not be started ({error.strerror})",
                "a program that runs", "install it, or correct PATH",
            ) from None  # fmt: skip
        try:
            return process.wait(step.timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process, runner)


def _end(process: subprocess.Popen[bytes], runner: Runner) -> None:
    """Ends the command, if it has not ended, and all that it started."""
    running = process.poll() is None
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
    if running:
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        runner.stop()
