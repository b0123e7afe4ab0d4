"""The command line: help, usage errors, JSON, tables, progress, exit codes."""

import json
from pathlib import Path

import pytest

from lepton_hw.cli import screen
from lepton_hw.cli.screen import Screen
from lepton_hw.pipeline import STAGES
from lepton_hw.tools import doctor
from lepton_hw.tools.doctor import Finding

from .conftest import Built
from .lepton import Said, copy_of, flow_file, lepton

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("verb", [*STAGES, "build", "doctor"])
def test_every_verb_has_help(capsys: Capture, verb: str) -> None:
    said = lepton(capsys, verb, "--help")
    assert (said.code, said.err) == (0, "")
    assert f"Usage: lepton {verb}" in said.out
    assert "--json" in said.out
    assert all(len(line) <= 80 for line in said.out.splitlines())


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_lists_the_verbs(capsys: Capture, arguments: tuple[str, ...]) -> None:
    said = lepton(capsys, *arguments)
    assert said.code == 0
    assert all(f" {verb} " in said.out for verb in (*STAGES, "build", "doctor"))


USAGE = [
    (("build", "--nope"), "no such option: --nope"),
    (("train",), "missing argument 'flow'; expected 'lepton train [OPTIONS] {flow}'"),
    (("nosuch",), "no such command 'nosuch'"),
    (("build", "digits_cnn", "--target-fps", "x"), "invalid value for '--target-fps'"),
    (("build",), "neither a flow nor --model; expected one of them; flows: "),
    (("build", "digits_cnn", "--model", "x"), "both a flow and --model; expected one of them"),
    (("build", "digits_cnn"), "no board was named; expected one of "),
    (("build", "nosuch", "-b", "pynq_z2"), "there is no flow 'nosuch'; expected one of "),
    (("build", "digits_cnn", "-b", "nosuch"), "there is no board 'nosuch'; expected one of "),
    (
        ("build", "digits_cnn", "-b", "pynq_z2", "--to", "nosuch"),
        "there is no stage 'nosuch'; expected train, export, ",
    ),
    (
        ("build", "digits_cnn", "-b", "pynq_z2", "--target-fps", "0"),
        "key 'target_fps' is 0; expected a number greater than 0",
    ),
    (
        ("build", "digits_cnn", "-b", "pynq_z2", "--target-fps", "5", "--folding", "f"),
        "both --target-fps and --folding; expected one of them",
    ),
    (
        ("build", "digits_cnn", "-b", "pynq_z2", "--target-latency-us", "5", "--folding", "f"),
        "both --target-latency-us and --folding; expected one of them",
    ),
    (
        ("build", "digits_cnn", "-b", "pynq_z2", "--target-latency-us", "-1"),
        "key 'target_latency_us' is -1.0; expected a number greater than 0",
    ),
    (
        ("build", "digits_cnn", "-b", "pynq_z2", "--fifo-max-depth", "1"),
        "key 'fifo_max_depth' is 1; expected a number greater than or equal to 2",
    ),
    (
        ("build", "digits_cnn", "-b", "pynq_z2", "--fifo-time-limit", "60"),
        "key 'fifo_time_limit' is \"60\"; expected a time with its unit, such as '60 s' or '5 min'",
    ),
    (
        ("build", "digits_cnn", "-b", "pynq_z2", "--input-type", "INT8"),
        "--input-type or --input-scale with a flow; expected them only with --model",
    ),
    (("build", "--model", "none.onnx", "-b", "pynq_z2"), "there is no file none.onnx"),
]


@pytest.mark.parametrize(("arguments", "sentence"), USAGE)
def test_a_wrong_command_line_is_one_sentence(
    capsys: Capture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    plain = lepton(capsys, *arguments)
    assert (plain.code, plain.out) == (1, "")
    assert len(plain.err.splitlines()) == 1
    assert sentence in plain.error
    coded = lepton(capsys, *arguments, "--json")
    error = json.loads(coded.out)["error"]
    assert coded.code == 1
    assert f"{error['found']}; expected {error['expected']}; {error['remedy']}." == plain.error


def test_an_unexpected_error_is_a_sentence_unless_debugged(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks() -> None:
        raise RuntimeError("the first line.\nthe second")

    monkeypatch.setattr(doctor, "examine", breaks)
    said = lepton(capsys, "doctor")
    assert said.code == 1
    assert said.error == (
        "internal error, RuntimeError: the first line; expected no such thing; "
        "run the command again with --debug and report what it prints."
    )
    with pytest.raises(RuntimeError):
        lepton(capsys, "doctor", "--debug")


def test_a_missing_package_is_a_missing_tool(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks() -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(doctor, "examine", breaks)
    said = lepton(capsys, "doctor")
    assert said.code == 2
    assert said.error.startswith("the Python package 'torch' is not installed; expected ")


def finding(**values: object) -> Finding:
    known = {
        "name": "tool", "found": "1.0", "wanted": "1", "required": True, "enables": "all of it",
        "remedy": "install it",
    }  # fmt: skip
    return Finding(**{**known, **values})  # type: ignore[arg-type]


def examined(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, *findings: Finding, json: bool = False
) -> Said:
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    return lepton(capsys, "doctor", *["--json"] * json)


def test_doctor(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    well = finding()
    old = finding(name="old", note="the stack is tested with 2.0")
    extra = finding(name="extra", found=None, required=False, remedy="get it")
    said = examined(capsys, monkeypatch, well, old, extra)
    assert (said.code, said.err) == (0, "")
    lines = [line.split() for line in said.out.splitlines()]
    assert ["ok", "tool", "1.0", "all", "of", "it"] in lines
    assert ["check", "old", "1.0", "all", "of", "it"] in lines
    assert ["-", "extra", "all", "of", "it"] in lines
    assert said.out.endswith("\nold: the stack is tested with 2.0\nextra: get it\n")
    told = examined(capsys, monkeypatch, well, old, extra, json=True)
    assert told.code == 0
    values = json.loads(told.out)
    assert [value["ok"] for value in values] == [True, False, False]
    assert values[1]["note"] == "the stack is tested with 2.0"


def test_doctor_ends_with_2_where_something_needed_is_missing(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = finding(name="verilator", found=None)
    said = examined(capsys, monkeypatch, finding(), gone)
    assert said.code == 2
    assert ["missing", "verilator", "needed", "for", "all", "of", "it"] in [
        line.split() for line in said.out.splitlines()
    ]
    assert (
        said.error == "what lepton needs is missing: verilator; expected all of them; install it."
    )
    told = examined(capsys, monkeypatch, finding(), gone, json=True)
    assert told.code == 2
    assert [value["ok"] for value in json.loads(told.out)] == [True, False]


def test_this_machine_has_what_the_tests_need(capsys: Capture) -> None:
    said = lepton(capsys, "doctor", "--json")
    needed = [value for value in json.loads(said.out) if value["required"]]
    assert said.code == 0
    assert all(value["found"] for value in needed)


def test_a_build_as_text_and_as_json(built: Built, capsys: Capture, tmp_path: Path) -> None:
    folder = copy_of(built, tmp_path / "build")
    command = (flow_file(tmp_path), "-b", built.board.name, "--build-dir", tmp_path / "build")
    said = lepton(capsys, "certify", *command)
    assert said.code == 0, said.err
    names = ("train", "export", "compile", "stitch", "simulate", "certify")
    assert said.err.splitlines() == [f"{name:<9} unchanged" for name in names]
    lines = said.out.splitlines()
    assert lines[0].strip() == f"{built.flow.title} on {built.board.title}"
    assert lines[1].startswith("accuracy, held out ")  # no header, no empty row
    assert lines[-1] == f"certify: {folder / 'certify'}"
    assert all(line.strip() and len(line) <= 80 for line in lines[:-1])
    assert any(line.split() == ["rtl", "40", "of", "40", "identical"] for line in lines)

    told = lepton(capsys, "certify", *command, "--json")
    value = json.loads(told.out)
    assert (told.code, list(value["stages"])) == (0, list(names))
    assert value["stages"]["certify"]["certificate"]["exact"] is True
    assert Path(value["folder"]) == folder


def test_a_stage_without_figures_prints_no_empty_table(
    built: Built, capsys: Capture, tmp_path: Path
) -> None:
    copy_of(built, tmp_path / "build")
    command = (flow_file(tmp_path), "-b", built.board.name, "--build-dir", tmp_path / "build")
    said = lepton(capsys, "export", *command)
    assert "accuracy, held out" in said.out
    assert said.out.count("export: ") == 1


def test_no_bars_where_there_is_no_terminal(capsys: Capture) -> None:
    shown = Screen()
    with shown.task("outer", 2) as outer, shown.task("inner", 1) as inner:
        inner.advance(1, "a note")
        outer.advance()
        shown.say("x" * 200)
    assert capsys.readouterr().err == "x" * 200 + "\n"


def test_bars_on_a_terminal_may_be_nested(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Screen()
    shown.console = screen.Console(stderr=True, force_terminal=True, width=100)
    with shown.task("outer", 2) as outer:
        for _ in range(2):
            with shown.task("inner", 1) as inner:
                inner.advance(1, "a note")
            outer.advance()
        shown.say("a line")
    with shown.task("next", 1):
        pass
    told = capsys.readouterr().err
    assert "outer" in told
    assert "a line" in told
