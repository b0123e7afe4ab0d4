"""Plans and their execution: what is done stays done, what is half done is not called done."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lepton_hw.errors import InputError, MissingTool, StageError
from lepton_hw.plan.execute import Failed, Local, collect, log_of, run_plan
from lepton_hw.plan.plan import Plan, Step, describe, source_file, text_file
from lepton_hw.progress import Progress

HERE = Local({"py": sys.executable})
COPY = "import pathlib, sys; pathlib.Path(sys.argv[2]).write_text(open(sys.argv[1]).read() + '!')"


def step(name: str, code: str, *arguments: str, products: tuple[str, ...], timeout: float = 60):
    return Step(name=name, argv=("py", "-c", code, *arguments), products=products, timeout=timeout)


def two_steps(text: str = "hello", second: str = COPY) -> Plan:
    return Plan(
        title="two steps",
        files=(text_file("in/a.txt", text),),
        steps=(
            step("first", COPY, "in/a.txt", "b.txt", products=("b.txt",)),
            step("second", second, "b.txt", "c.txt", products=("c.txt",)),
        ),
        results=("c.txt",),
    )


class Told(Progress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line.split(":", maxsplit=1)[0])


@pytest.fixture(params=["build", "a build with spaces"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / request.param


def test_it_runs_and_gives_only_its_results(folder: Path, tmp_path: Path) -> None:
    plan, told = two_steps(), Told()
    run_plan(plan, folder, HERE, told)
    (folder / "b.txt.stray").write_text("not in the plan")
    collect(plan, folder, tmp_path / "out")
    assert (tmp_path / "out/c.txt").read_text() == "hello!!"
    names = sorted(
        p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*")
    )
    assert names == ["c.txt", "logs", "logs/0_first.log", "logs/1_second.log"]
    assert told.lines == ["first", "second"]


def test_what_is_done_is_not_run_again(folder: Path) -> None:
    run_plan(two_steps(), folder, HERE)
    told = Told()
    run_plan(two_steps(), folder, HERE, told)
    assert told.lines == []


def test_a_failed_build_goes_on_at_its_step(folder: Path) -> None:
    plan = two_steps(second="import sys; print('no luck'); sys.exit(7)")
    with pytest.raises(Failed, match=r"the step second ended with exit code 7; .*1_second\.log"):
        run_plan(plan, folder, HERE)
    assert log_of(plan, plan.steps[1], folder).read_text() == "no luck\n"
    told = Told()
    with pytest.raises(Failed) as caught:
        run_plan(plan, folder, HERE, told)
    assert (caught.value.code, told.lines) == (7, ["second"])
    assert log_of(plan, plan.steps[1], folder).with_suffix(".log.before").is_file()


def test_a_product_that_changed_is_made_again_and_all_behind_it(folder: Path) -> None:
    run_plan(two_steps(), folder, HERE)
    (folder / "b.txt").write_text("tampered")
    told = Told()
    run_plan(two_steps(), folder, HERE, told)
    assert (told.lines, (folder / "c.txt").read_text()) == (["first", "second"], "hello!!")


def test_another_plan_starts_afresh(folder: Path) -> None:
    run_plan(two_steps(), folder, HERE)
    told = Told()
    run_plan(two_steps("other"), folder, HERE, told)
    assert (told.lines, (folder / "c.txt").read_text()) == (["first", "second"], "other!!")


@pytest.mark.parametrize("code", ["pass", "open('c.txt', 'w')"])
def test_a_product_that_is_missing_or_empty_is_no_success(folder: Path, code: str) -> None:
    plan = two_steps(second=code)
    with pytest.raises(Failed, match=r"the step second made no c\.txt"):
        run_plan(plan, folder, HERE)
    with pytest.raises(StageError, match="the step second of two steps is not done"):
        collect(plan, folder, folder.parent / "out")


def test_an_old_product_does_not_stand_for_a_new_one(folder: Path) -> None:
    plan = two_steps()
    run_plan(plan, folder, HERE)
    (folder / "done/1_second.json").unlink()
    (folder / "b.txt").unlink()
    failing = two_steps(second="import sys; sys.exit(1)")
    with pytest.raises(Failed):
        run_plan(failing, folder, HERE)
    assert not (folder / "c.txt").exists()


def test_a_product_of_before_is_gone_before_its_command_runs(folder: Path) -> None:
    lazy = "import os; open('c.txt', 'w').write('x') if not os.path.exists('lazy') else None"
    plan = two_steps(second=lazy)
    run_plan(plan, folder, HERE)
    (folder / "lazy").write_text("")
    (folder / "done/1_second.json").unlink()
    with pytest.raises(Failed, match=r"made no c\.txt"):
        run_plan(plan, folder, HERE)


def test_the_marks_of_another_plan_do_not_count(folder: Path) -> None:
    run_plan(two_steps(), folder, HERE)
    other = two_steps("other")
    (folder / "plan.json").write_text(other.model_dump_json())  # killed before it cleared up
    run_plan(other, folder, HERE)
    assert (folder / "c.txt").read_text() == "other!!"


def test_a_time_out_ends_what_the_command_started(folder: Path) -> None:
    code = (
        "import subprocess, sys; child = subprocess.Popen(['sleep', '60']);"
        "print(child.pid, flush=True); child.wait()"
    )
    plan = Plan(
        title="slow", files=(), results=(),
        steps=(step("slow", code, products=("x",), timeout=1.0),),
    )  # fmt: skip
    with pytest.raises(Failed, match="the step slow took longer than 1 s") as caught:
        run_plan(plan, folder, HERE)
    assert caught.value.code is None
    assert gone(int(caught.value.log.read_text()))


def test_ctrl_c_ends_the_command_and_a_second_run_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    slow = f"import os, time; print(os.getpid(), flush=True); time.sleep(60) if not os.path.exists({str(tmp_path / 'go')!r}) else open('c.txt','w').write('x')"  # noqa: E501
    plan = two_steps(second=slow)
    (tmp_path / "plan.json").write_text(plan.model_dump_json())
    program = (
        "import sys; from pathlib import Path; from lepton_hw.plan.plan import Plan;"
        "from lepton_hw.plan.execute import Local, run_plan;"
        "run_plan(Plan.model_validate_json(Path(sys.argv[1]).read_text()), Path(sys.argv[2]),"
        " Local({'py': sys.executable}))"
    )
    build = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "plan.json"), str(folder)],
        stderr=subprocess.DEVNULL,
    )
    log = log_of(plan, plan.steps[1], folder)
    deadline = time.monotonic() + 30
    while not (log.is_file() and log.read_text().strip()) and time.monotonic() < deadline:
        time.sleep(0.05)
    build.send_signal(signal.SIGINT)
    assert build.wait(20) != 0
    assert gone(int(log.read_text()))
    (tmp_path / "go").write_text("")
    told = Told()
    run_plan(plan, folder, HERE, told)
    assert told.lines == ["second"]


def test_a_source_that_changed_since_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "a.v"
    source.write_text("module a; endmodule\n")
    plan = Plan(title="p", files=(source_file("a.v", source),), steps=(), results=())
    source.write_text("module b; endmodule\n")
    with pytest.raises(InputError, match="is not what it was when the build was planned"):
        run_plan(plan, tmp_path / "b", HERE)
    assert not (tmp_path / "b/a.v").exists()


def test_a_program_that_is_absent(folder: Path) -> None:
    plan = Plan(
        title="p", files=(), results=(),
        steps=(Step(name="s", argv=("no-such-program",), products=("x",), timeout=1),),
    )  # fmt: skip
    with pytest.raises(MissingTool, match="no-such-program could not be started"):
        run_plan(plan, folder, HERE)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="holds something that is no build"):
        run_plan(two_steps(), tmp_path, HERE)
    assert (tmp_path / "thesis.tex").is_file()


@pytest.mark.parametrize("name", ["../x", "/x", "", "a/../../x", "*.bit"])
def test_a_plan_stays_in_its_folder(name: str) -> None:
    with pytest.raises(ValueError, match="no path inside"):
        Plan(title="p", files=(text_file(name, "x"),), steps=(), results=())


def test_a_plan_is_checked() -> None:
    one = step("s", "", products=("x",))
    with pytest.raises(ValueError, match="x is there twice"):
        Plan(title="p", files=(), steps=(one, step("t", "", products=("x",))), results=())
    with pytest.raises(ValueError, match="no step makes y"):
        Plan(title="p", files=(), steps=(one,), results=("y",))
    with pytest.raises(ValueError, match="x is both"):
        Plan(title="p", files=(text_file("x", ""),), steps=(one,), results=())


def test_the_digest_is_of_contents_not_of_places(tmp_path: Path) -> None:
    digests = set()
    for name in ("here", "there"):
        place = tmp_path / name
        place.write_text("same")
        plan = Plan(title=name, files=(source_file("a", place),), steps=(), results=())
        digests.add(plan.digest)
    assert len(digests) == 1
    assert two_steps().digest != two_steps("other").digest
    assert Plan.model_validate_json(two_steps().model_dump_json()).digest == two_steps().digest


def test_a_plan_can_be_read() -> None:
    text = describe(two_steps())
    assert "step second, at most 60 s, in .:" in text
    assert text.endswith("== in/a.txt\nhello\n")


def gone(process: int) -> bool:
    """Whether it ends within a moment."""
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{process}/stat")
        if state.is_file() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_marks_are_json(folder: Path) -> None:
    run_plan(two_steps(), folder, HERE)
    done = json.loads((folder / "done/0_first.json").read_text())
    assert set(done) == {"key", "seconds", "products"}
