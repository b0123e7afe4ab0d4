"""What the command line prints: data as plain text, whatever it holds; and where nobody reads."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest

from lepton_hw.cli import main, screen
from lepton_hw.cli.screen import Screen, figures, listing, tell
from lepton_hw.flow import ROOT
from lepton_hw.stages import lint
from lepton_hw.tools import doctor

from .lepton import Process, children, lepton, runs

Capture = pytest.CaptureFixture[str]
PROGRAM = "from lepton_hw.cli import main\nmain()"
BUILD = ("build", "digits_cnn", "-b", "pynq_z2")


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize(
    "text", ["digits [/old]", "cat [old]", ":cat: [bold]x[/bold]", "a[/b].bit"]
)
def test_data_is_no_markup(capsys: Capture, text: str) -> None:
    figures(text, [(text, "1")])
    listing(text, ("image", "label"), [(text, text)])
    Screen().say(text)
    told = capsys.readouterr()
    assert told.out.count(text) == 5
    assert told.err == f"{text}\n"


def test_data_moves_no_cursor(capsys: Capture) -> None:
    hostile = "a\x1b]52;c;eA==\x07\nerror: all good\x9b2J"
    figures(hostile, [(hostile, "1")])
    listing(hostile, ("image",), [(hostile,)])
    tell(hostile, hostile)
    Screen().say(hostile)
    told = capsys.readouterr()
    for text, count in ((told.out, 6), (told.err, 1)):
        assert text.count("a\ufffd]52;c;eA==\ufffd error: all good\ufffd2J") == count
        assert not set("\x1b\x07\x9b") & set(text)
        assert not [line for line in text.splitlines() if line.startswith("error")]


def test_bars_show_data_as_it_is(capsys: Capture) -> None:
    shown = Screen()
    shown.console = screen.Console(stderr=True, force_terminal=True, width=100)
    with shown.task("train [/old]\x1b]52;", 2) as task:
        task.advance(1, "loss [/b]\x1b]52;")
    told = capsys.readouterr().err
    assert "train [/old]" in told
    assert "\x1b]52;" not in told


def test_the_findings_of_a_model_are_a_line_each(capsys: Capture, tmp_path: Path) -> None:
    names = ("x\x1b]52;c;eA==\x07", "y\nerror: all good", "z" * 3_000_000)
    value = onnx.TensorProto.FLOAT
    ends = [onnx.helper.make_tensor_value_info(name, value, [1]) for name in "ab"]
    nodes = [onnx.helper.make_node(name, ["a"], ["b"], name=name) for name in names]
    file = tmp_path / "hostile.onnx"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:])), file)
    said = lepton(capsys, "lint", file)
    assert len(said.out) < 10_000
    assert all(line.isprintable() for line in (said.out + said.err).splitlines())
    assert not [line for line in said.out.splitlines() if line.startswith("error")]


def test_lint_shortens_names(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = lint.Finding("layer\n\x1b[2J", "z" * 3_000_000, "it is none", "replace it")
    monkeypatch.setattr(lint, "lint_file", lambda _: (found,))
    said = lepton(capsys, "lint", tmp_path / "model.onnx")
    first, last = said.out.splitlines()
    assert first.startswith("layer \ufffd[2J (zzz")
    assert first.endswith("zzz): it is none; replace it.")
    assert len(first) < 1_000
    assert last == "1 layers will not map"


def test_a_file_named_like_markup(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "a[").mkdir()
    said = lepton(capsys, "inspect", tmp_path / "a[" / "b].bit")
    assert said.code == 1
    assert "internal error" not in said.error


@pytest.mark.parametrize("text", ["²", "٣", "0", "-1", "", "1" * 10, "9" * 5_000])
@pytest.mark.parametrize("option", ["--vectors", "--batch"])
def test_a_number_that_is_none(capsys: Capture, option: str, text: str) -> None:
    if (option, text) == ("--vectors", ""):
        return  # the same as without it
    verb = ("bench", "digits_cnn", "--on", "cpu") if option == "--batch" else BUILD
    said = lepton(capsys, *verb, option, text)
    assert said.code == 1
    assert said.error.startswith(f"{option} is '{text[:100]}")
    assert "correct it." in said.error


def test_a_latency_that_is_no_number_of_cycles(capsys: Capture) -> None:
    said = lepton(capsys, *BUILD, "--target-latency-us", "1e308")
    assert said.error.startswith("invalid value for '--target-latency-us': Input should be ")


LONG = "x" * 300


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("train", LONG, "-b", "pynq_z2"), "there is no flow 'xxx"),
        (("train", "digits_cnn", "-b", LONG), "there is no board 'xxx"),
        (("build", "--model", f"{LONG}.onnx", "-b", "pynq_z2"), "cannot be made (File name too "),
        (("lint", f"{LONG}.onnx"), "cannot be used (File name too long)"),
        (("lint", LONG), "cannot be used (File name too long)"),
        ((*BUILD, "--build-dir", LONG), "the build folder xxx"),
        ((*BUILD, "--build-dir", "/proc/none"), "cannot be made (No such file or directory)"),
        ((*BUILD, "--build-dir", "loop/x"), "cannot be made (Too many levels of symbolic links)"),
    ],
)
def test_a_path_that_no_disk_takes(
    capsys: Capture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    said = lepton(capsys, *arguments)
    assert said.code == 1
    assert sentence in said.error
    assert "internal error" not in said.error


def started(
    *arguments: str, buffered: bool = True, **files: object
) -> subprocess.CompletedProcess[str]:
    unbuffered = "" if buffered else "1"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        command, text=True, env=environment, check=False, **{"stderr": -1, **files}
    )


@pytest.mark.parametrize("arguments", [("doctor",), ("doctor", "--json"), ("--help",), ("nope",)])
@pytest.mark.parametrize("buffered", [True, False])
def test_a_full_disk_behind_the_output(arguments: tuple[str, ...], buffered: bool) -> None:
    with Path("/dev/full").open("w") as full:
        done = started(*arguments, buffered=buffered, stdout=full)
    assert done.returncode == 1
    if arguments == ("nope",):
        assert done.stderr.startswith("error: no such command")
    else:
        assert done.stderr == (
            "error: the output or a temporary file cannot be written (No space left on device); "
            "expected room for it, and in the folder for temporary files; free some, or send the "
            "output elsewhere.\n"
        )


@pytest.mark.parametrize("arguments", [("doctor",), ("doctor", "--json"), ("--help",)])
@pytest.mark.parametrize("buffered", [True, False])
def test_nobody_reads_the_output(arguments: tuple[str, ...], buffered: bool) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = started(*arguments, buffered=buffered, stdout=pipe)
    assert done.returncode in (1, 141)
    assert done.stderr == ""


def test_work_goes_on_where_nobody_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Screen()
    with Path("/dev/full").open("w", buffering=1) as full:
        shown.console = screen.Console(file=full)
        shown.say("a line")
        monkeypatch.setattr(full, "flush", lambda: None)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            full.close()


#: A command that runs another program and would leave it behind.
SLEEPS = """
import sys
from pathlib import Path
from lepton_hw.tools import doctor, programs
log = Path(sys.argv.pop())
doctor.examine = lambda: programs.run(["sleep", "600"], Path.cwd(), log)
"""


@pytest.mark.parametrize("ending", [signal.SIGHUP, signal.SIGTERM])
def test_a_terminal_that_is_closed_ends_the_tools(tmp_path: Path, ending: signal.Signals) -> None:
    heard = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # in nohup, too
    process = Process(tmp_path, "doctor", tmp_path / "log", first=heard + SLEEPS)
    process.wait_until(lambda: bool(children(process.pid)))
    time.sleep(0.2)
    below = children(process.pid)
    os.kill(process.pid, ending)
    said = process.end()
    assert said.code == 130
    assert said.err.startswith("interrupted; ")
    assert [pid for pid in below if runs(pid)] == []


def test_nohup_keeps_a_command_running(tmp_path: Path) -> None:
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    process = Process(tmp_path, "doctor", tmp_path / "log", first=ignoring + SLEEPS)
    process.wait_until(lambda: bool(children(process.pid)))
    os.kill(process.pid, signal.SIGHUP)
    time.sleep(0.3)
    assert runs(process.pid)
    os.kill(process.pid, signal.SIGTERM)
    assert process.end().code == 130


def test_an_interrupt_before_the_first_command_is_no_traceback(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("lepton_hw.cli.run", interrupted)
    set_to: dict[int, object] = {}
    monkeypatch.setattr(signal, "signal", set_to.__setitem__)
    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == 130
    assert set_to[signal.SIGINT] == signal.SIG_DFL  # what comes later ends it at once
    assert capsys.readouterr().err == ""


def test_json_holds_the_sentence_of_the_error(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks() -> None:
        raise RuntimeError("a\x1b[2J")

    monkeypatch.setattr(doctor, "examine", breaks)
    said = lepton(capsys, "doctor", "--json")
    assert json.loads(said.out)["error"]["found"] == "internal error, RuntimeError: a\ufffd[2J"
