"""Steps that are done once, seeds in the background, and the programs that they run."""

import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from lepton_hw.artifacts import Artifact
from lepton_hw.bitstreams.seeds import Seeds
from lepton_hw.bitstreams.steps import Steps, require_room
from lepton_hw.board import load_board
from lepton_hw.errors import StageError
from lepton_hw.progress import SILENT, Progress
from lepton_hw.tools import programs
from lepton_hw.tools.families import Cells


class Written(Artifact):
    """What a step of these tests gives: a file, and a figure."""

    stage: ClassVar[str] = "written"
    figure: int


class Told(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def steps_in(build: Path, told: Progress = SILENT, **tools: str) -> Steps:
    """Steps of one run; the stage's folder is new each time, as in the pipeline."""
    request = SimpleNamespace(workdir=Path(tempfile.mkdtemp(dir=build)), progress=told)
    return Steps(request, "lepton_hw.errors", tools)  # type: ignore[arg-type]


def writes(calls: list[str], text: str, figure: int = 1) -> Callable[[Path], Written]:
    """A step that notes its call."""

    def make(folder: Path) -> Written:
        calls.append(text)
        (folder / "text").write_text(text)
        return Written(figure=figure)

    return make


def test_a_step_is_done_once(tmp_path: Path) -> None:
    calls: list[str] = []
    first = steps_in(tmp_path).do(Written, "a step", {"of": 1}, writes(calls, "one", 7))
    told = Told()
    steps = steps_in(tmp_path, told)
    again = steps.do(Written, "a step", {"of": 1}, writes(calls, "two", 8))
    assert (calls, again.figure, again.path("text").read_text()) == (["one"], 7, "one")
    assert again.digest == first.digest
    assert told.lines == [f"  a step              {first.seconds:.1f} s, from an earlier run"]
    assert steps.seconds == {"a step": round(first.seconds, 1)}


@pytest.mark.parametrize("change", ["values", "tools", "name", "file"])
def test_a_step_is_done_again_when_anything_changed(tmp_path: Path, change: str) -> None:
    calls: list[str] = []
    steps_in(tmp_path, yosys="0.70").do(Written, "step", {"of": 1}, writes(calls, "one"))
    if change == "file":
        (tmp_path / ".open" / "step" / "text").write_text("something else")
    steps = steps_in(tmp_path, yosys="0.71" if change == "tools" else "0.70")
    name = "other step" if change == "name" else "step"
    values = {"of": 2 if change == "values" else 1}
    made = steps.do(Written, name, values, writes(calls, "two"))
    assert calls == ["one", "two"]
    assert made.path("text").read_text() == "two"


def test_a_step_that_fails_leaves_its_log_only(tmp_path: Path) -> None:
    steps = steps_in(tmp_path)

    def fails(folder: Path) -> Written:
        (folder / "half").write_text("half")
        steps.log("a step").write_text("why\n")
        raise refused("it failed")

    with pytest.raises(StageError):
        steps.do(Written, "a step", {}, fails)
    left = {path.relative_to(tmp_path / ".open") for path in (tmp_path / ".open").rglob("*")}
    assert left == {Path("logs"), Path("logs/a_step.log")}
    assert steps.log("a step").read_text() == "why\n"
    assert steps_in(tmp_path).do(Written, "a step", {}, writes([], "one")).figure == 1


def test_at_the_end_what_was_not_used_is_forgotten(tmp_path: Path) -> None:
    calls: list[str] = []
    for names in (("synthesis", "seed 1", "seed 2"), ("synthesis", "seed 1")):
        steps = steps_in(tmp_path)
        for name in names:
            steps.do(Written, name, {}, writes(calls, name))
            steps.log(name).write_text(name)
        steps.finish()
    kept = {path.name for path in (tmp_path / ".open").iterdir()}
    assert kept == {"synthesis", "seed_1", "logs"}
    logs = {path.name for path in steps._request.workdir.glob("logs/*")}
    assert logs == {"synthesis.log", "seed_1.log"}
    assert calls == ["synthesis", "seed 1", "seed 2"]


def refused(what: str) -> StageError:
    return StageError(what, "a route", "fold more")


def test_the_first_seed_that_is_enough_ends_the_others(tmp_path: Path) -> None:
    """Whichever is done first: equal calls give equal results."""

    def run(seed: int) -> int:
        if seed == 3:
            programs.run(["sleep", "60"], tmp_path, tmp_path / "log")
        time.sleep(0.3 if seed == 1 else 0.0)
        return seed

    start = time.monotonic()
    with Seeds(run, (1, 2, 3, 4, 5), enough=lambda seed: seed in (2, 3)) as seeds:
        assert seeds.results() == {1: 1, 2: 2}
    assert time.monotonic() - start < 10


def test_seeds_that_fail_are_left_out() -> None:
    def run(seed: int) -> int:
        if seed % 2:
            raise refused(f"seed {seed}")
        return seed

    with Seeds(run, (1, 2, 3, 4), enough=lambda _: False) as seeds:
        assert seeds.results() == {2: 2, 4: 4}
    with Seeds(run, (3, 1), enough=lambda _: False) as seeds, pytest.raises(StageError, match="3"):
        seeds.results()


@pytest.mark.parametrize("kind", [StageError, KeyboardInterrupt])
def test_leaving_early_ends_the_programs(tmp_path: Path, kind: type[BaseException]) -> None:
    started = threading.Event()
    ended: list[int] = []

    def run(seed: int) -> int:
        started.set()
        ended.append(programs.run(["sleep", "60"], tmp_path, tmp_path / f"log{seed}")[0])
        return seed

    start = time.monotonic()
    problem = refused("the proof failed") if kind is StageError else KeyboardInterrupt()
    with pytest.raises(kind), Seeds(run, (1, 2, 3), enough=lambda _: False):
        assert started.wait(10)
        raise problem
    assert time.monotonic() - start < 10
    assert set(ended) == {-15}
    assert len(ended) <= 2  # the third never began


def test_what_a_program_says_is_in_the_log_as_it_goes(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    assert programs.run(["sh", "-c", "echo one; echo two >&2; exit 3"], tmp_path, log) == (
        3, "one\ntwo\n"
    )  # fmt: skip
    assert log.read_text() == "before\n$ sh -c echo one; echo two >&2; exit 3\none\ntwo\n"
    with pytest.raises(OSError, match="No such file"):
        programs.run(["/no/such/program"], tmp_path, log)


def test_room() -> None:
    board = load_board("pynq_z2")
    request = SimpleNamespace(board=board, cycles_per_frame=1_000)
    require_room(request, Cells(lut=53_200, ff=106_400, bram18=280, dsp=0, carry=0))  # type: ignore[arg-type]
    with pytest.raises(StageError) as problem:
        require_room(request, Cells(lut=60_000, ff=1, bram18=560, dsp=0, carry=0))  # type: ignore[arg-type]
    assert str(problem.value) == (
        "the synthesised design needs 280 bram36; expected at most 140, which TUL PYNQ-Z2 has;"
        " lower compile.target_fps to about 45,000, or choose a larger board."
    )
