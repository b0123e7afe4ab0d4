"""A sweep's study: each point once, failures beside the rest, and everything goes on after an end.

The builder is a fake; the database, and the processes where there are any, are real.
"""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
from fake_sweep import BOARD, asked, build, figures, flow, folder, pids, settings, tell

from lepton_hw.errors import MissingTool
from lepton_hw.progress import SILENT, Progress
from lepton_hw.sweep.build import Place
from lepton_hw.sweep.grid import Point, parse_grid, points_of
from lepton_hw.sweep.run import Settings, study_name, sweep
from lepton_hw.sweep.storage import storage_url
from lepton_hw.sweep.study import SweepStudy
from lepton_hw.sweep_results import FILE, PAGE, Row, SweepResults

GRID = ("bits=2,3,4",)


class Listener(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def study(build_dir: Path, machine: str = "here", database: Path | None = None) -> SweepStudy:
    """The study as one machine of several sees it."""
    axes = parse_grid(GRID, flow())
    where = storage_url(f"sqlite:///{database}" if database else "", folder(build_dir))
    return SweepStudy(where, "test", axes, points_of(axes, flow()), machine)


def work(one: SweepStudy, build_dir: Path) -> None:
    one.work(lambda point: build(point, Place(BOARD, folder(build_dir), "cpu"), SILENT))


def states(one: SweepStudy) -> list[str]:
    return [row.state for row in one.rows()]


def run(build_dir: Path, **rest: object) -> SweepResults:
    return sweep(flow(), BOARD, parse_grid(GRID, flow()), settings(build_dir, **rest))


def test_each_point_is_built_once(tmp_path: Path) -> None:
    one = study(tmp_path)
    assert states(one) == ["waiting"] * 3
    assert one.fill() == 3
    assert one.fill() == 3  # nothing is enqueued twice
    work(one, tmp_path)
    assert states(one) == ["done"] * 3
    assert [row.figures.lut for row in one.rows() if row.figures] == [200, 300, 400]
    again = study(tmp_path)
    work(again, tmp_path)
    assert asked(tmp_path) == ["bits2", "bits3", "bits4"]
    assert again.rows() == one.rows()


def test_a_failure_has_a_reason_and_stops_nobody(tmp_path: Path) -> None:
    tell(tmp_path, 2, "fail")
    tell(tmp_path, 3, "differ")
    one = study(tmp_path)
    work(one, tmp_path)
    assert states(one) == ["failed", "mismatch", "done"]
    assert [row.reason for row in one.rows()] == ["told to", "told to", ""]
    work(one, tmp_path)
    assert len(asked(tmp_path)) == 3
    assert one.fill(("failed", "mismatch")) == 2  # only where it is asked for
    work(one, tmp_path)
    assert states(one) == ["done"] * 3
    assert sorted(asked(tmp_path)) == ["bits2", "bits2", "bits3", "bits3", "bits4"]


def test_a_missing_tool_is_the_machines_fault(tmp_path: Path) -> None:
    tell(tmp_path, 2, "miss")
    with pytest.raises(MissingTool, match="no hammer"):
        work(study(tmp_path), tmp_path)
    other = study(tmp_path, "elsewhere")
    work(other, tmp_path)
    assert states(other) == ["done"] * 3
    assert asked(tmp_path)[0] == asked(tmp_path)[-1] == "bits2"


def test_what_was_interrupted_is_built_again(tmp_path: Path) -> None:
    tell(tmp_path, 3, "interrupt")
    one = study(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        work(one, tmp_path)
    assert states(one) == ["done", "waiting", "waiting"]
    work(study(tmp_path), tmp_path)
    assert states(one) == ["done"] * 3
    assert sorted(asked(tmp_path)) == ["bits2", "bits3", "bits3", "bits4"]


def test_machines_share_a_database_and_the_work(tmp_path: Path) -> None:
    """The second looks in while the first builds: it takes another point, and leaves that one."""
    database = tmp_path / "shared.db"
    here, there = (study(tmp_path, name, database) for name in ("here", "there"))
    seen = []

    def look(point: object) -> object:
        if not seen:
            seen.append(states(there))
            assert there.release() == 0  # not its own
            work(there, tmp_path)
            seen.append(states(there))
        return build(point, Place(BOARD, folder(tmp_path), "cpu"), SILENT)  # type: ignore[arg-type]

    here.work(look)  # type: ignore[arg-type]
    assert seen == [["running", "waiting", "waiting"], ["running", "done", "done"]]
    assert states(there) == ["done"] * 3
    assert sorted(asked(tmp_path)) == ["bits2", "bits3", "bits4"]


def test_workers_at_the_same_time_never_take_the_same_point(tmp_path: Path) -> None:
    """Each with its own connections, as processes have; SQLite by itself lets two of them win."""
    axes = parse_grid(("bits=1,2,3,4,5,6", "target_fps=1,2"), flow())
    points = points_of(axes, flow())
    where, built = storage_url("", folder(tmp_path)), []

    def one_worker(number: int) -> None:
        def note(point: Point) -> Row:
            built.append(point.name)
            return Row(name=point.name, values={}, state="done", figures=figures(point))

        SweepStudy(where, "test", axes, points, f"folder{number}").work(note)

    SweepStudy(where, "test", axes, points, "first").fill()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one_worker, range(4)))
    assert sorted(built) == sorted(point.name for point in points)


def test_a_point_that_two_machines_enqueue_is_built_once(tmp_path: Path) -> None:
    here = study(tmp_path, "here")
    inner = here._study
    for name in ("bits2", "bits3", "bits4") * 2:  # as if both had looked before either enqueued
        attributes = {"point": f"digits_cnn_{name}", "after": -1}
        inner.enqueue_trial({"bits": int(name[-1])}, user_attrs=attributes)
    work(here, tmp_path)
    assert asked(tmp_path) == ["bits2", "bits3", "bits4"]
    assert states(here) == ["done"] * 3


def test_who_was_taken_for_dead_leaves_the_point_to_the_next(tmp_path: Path) -> None:
    one, slept = study(tmp_path), []

    def sleep(point: Point) -> Row:
        if not slept:  # the machine sleeps, and another finds no sign of life
            slept.append(point.name)
            assert one.release() == 1
        return build(point, Place(BOARD, folder(tmp_path), "cpu"), SILENT)

    one.work(sleep)
    assert states(one) == ["done"] * 3
    assert sorted(asked(tmp_path)) == ["bits2", "bits2", "bits3", "bits4"]


def test_what_the_builder_should_not_raise_is_not_hidden(tmp_path: Path) -> None:
    tell(tmp_path, 3, "break")
    with pytest.raises(RuntimeError, match="what no builder should do"):
        work(study(tmp_path), tmp_path)


def test_only_trials_of_this_folder_are_released(tmp_path: Path) -> None:
    database = tmp_path / "shared.db"
    here, there = (study(tmp_path, name, database) for name in ("here", "there"))
    warnings.simplefilter("ignore")  # Optuna would have us build the point at once
    here.fill()
    for one in (here, there):
        trial = one._study.ask()
        trial.set_user_attr("where", [one._here, os.getpid()])
    assert states(here) == ["running", "running", "waiting"]
    assert here.release() == 1
    assert states(here) == ["waiting", "running", "waiting"]


def test_a_sweep_in_processes(tmp_path: Path) -> None:
    tell(tmp_path, 2, "fail")
    results = run(tmp_path)
    assert [row.state for row in results.points] == ["failed", "done", "done"]
    assert results.grid == {"bits": (2, 3, 4)}
    assert [row.fronts for row in results.points] == [
        (), ("accuracy_latency", "accuracy_lut"), ("accuracy_latency", "accuracy_lut"),
    ]  # fmt: skip
    place = folder(tmp_path)
    assert SweepResults.model_validate_json((place / FILE).read_text()) == results
    assert json.loads((place / FILE).read_text())["schema_version"] == 1
    assert "told to" in (place / PAGE).read_text()
    assert os.getpid() not in pids(tmp_path)
    assert "digits_cnn_bits3: built" in "".join(
        log.read_text() for log in (place / "logs").iterdir()
    )

    listener = Listener()
    again = sweep(flow(), BOARD, parse_grid(GRID, flow()), settings(tmp_path), listener)
    assert again == results
    assert listener.lines == ["3 of 3 points were built before"]
    assert len(asked(tmp_path)) == 3


def test_a_killed_worker_takes_only_its_point_with_it(tmp_path: Path) -> None:
    tell(tmp_path, 2, "die")
    results = run(tmp_path, jobs=1)
    assert [row.state for row in results.points] == ["killed", "done", "done"]
    assert "ended by SIGKILL; expected its own end; run the same" in results.points[0].reason
    assert [row.state for row in run(tmp_path).points] == ["done"] * 3
    assert sorted(asked(tmp_path)) == ["bits2", "bits2", "bits3", "bits4"]


@pytest.mark.parametrize(
    ("word", "kind", "sentence"),
    [("miss", "MissingTool", "no hammer; expected a hammer; buy one."),
     ("break", "LeptonError", "a worker met RuntimeError: what no builder should do; expected")],
)  # fmt: skip
def test_a_workers_own_error_ends_the_command_after_the_others_work(
    tmp_path: Path, word: str, kind: str, sentence: str
) -> None:
    tell(tmp_path, 2, word)
    with pytest.raises(Exception, match="; expected") as met:
        run(tmp_path)
    assert type(met.value).__name__ == kind
    assert str(met.value).startswith(sentence)
    assert {"bits3", "bits4"} <= set(asked(tmp_path))


#: As in the background of a shell, where Ctrl-C is ignored; SIGTERM as `lepton` takes it.
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.default_int_handler)
sys.path.insert(0, {here!r})
from pathlib import Path
from fake_sweep import BOARD, flow, settings
from lepton_hw.sweep.grid import parse_grid
from lepton_hw.sweep.run import sweep
try:
    sweep(flow(), BOARD, parse_grid(("bits=2,3,4",), flow()), settings(Path({build!r})))
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_an_ended_sweep_ends_its_workers_and_goes_on(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    waits = [tell(tmp_path, bits, "wait") for bits in (2, 3)]
    program = PROGRAM.format(here=str(Path(__file__).parent), build=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    until(lambda: len(asked(tmp_path)) == 2)
    workers = pids(tmp_path)
    assert all(runs(pid) for pid in workers)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (code, b"")
    until(lambda: not any(runs(pid) for pid in workers))
    for wait in waits:
        wait.unlink()
    assert [row.state for row in run(tmp_path).points] == ["done"] * 3
    assert sorted(asked(tmp_path)) == ["bits2", "bits2", "bits3", "bits3", "bits4"]


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_a_study_is_of_its_values_and_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def name(*grid: str, device: str = "cpu") -> str:
        axes = parse_grid(grid, flow())
        return study_name(flow(), BOARD, points_of(axes, flow()), Settings(device=device))

    first = name(*GRID)
    assert first.startswith("lepton digits_cnn pynq_z2 ")
    assert name(*GRID) == first
    assert len({first, name("bits=2,3"), name(*GRID, device="cuda")}) == 3
    monkeypatch.setattr("lepton_hw.sweep.run.code_digest", lambda _: "newer")
    assert name(*GRID) != first


def test_optuna_knows_the_values(tmp_path: Path) -> None:
    """For its own tools, such as a dashboard on the same database."""
    one = study(tmp_path)
    work(one, tmp_path)
    seen = optuna.load_study(study_name="test", storage=storage_url("", folder(tmp_path)))
    assert [trial.params for trial in seen.trials] == [{"bits": 2}, {"bits": 3}, {"bits": 4}]
    assert seen.trials[0].values == [0.92, 20.0, 200.0]
