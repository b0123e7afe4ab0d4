"""``driver.py --http`` as a process: it says where it is, answers, and ends as it should."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from onboard_cases import fake
from service_cases import PROGRAM, FakeEngine, ready

from lepton_hw.onboard import http_command, service
from lepton_hw.onboard.command import main
from lepton_hw.onboard.errors import HardwareError, InputError
from lepton_hw.onboard.http_command import check_name, unit
from lepton_hw.onboard.http_server import Address


@contextmanager
def served(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    argv = [sys.executable, str(PROGRAM), str(folder), "--http", ":0", *more]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(argv, text=True, **pipes) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(
            r"net on TUL PYNQ-Z2 at http://127\.0\.0\.1:(\d+), design abababababab; "
            r"9 of 9 golden vectors identical\n",
            line,
        )
        assert found, (line, process.stderr.read())
        try:
            yield process, int(found[1])
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(folder: Path, number: int) -> None:
    with served(folder, "--name", "net") as (process, port):
        assert ready(port) == 200
        process.send_signal(number)
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_tied_it_ends_with_its_input(folder: Path) -> None:
    with served(folder, "--name", "net", "--tied") as (process, port):
        assert ready(port) == 200
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0


def test_a_wrong_board_does_not_serve(folder: Path) -> None:
    argv = [sys.executable, str(PROGRAM), str(folder), "--flip", "--http", ":0"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.match(
        r"golden vector \(0, 0\) gives -?\d+; expected -?\d+, as certified", done.stderr
    )


def test_hardware_that_is_dead_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(service, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(service, "RETRIES", 1)
    engine = FakeEngine()
    dead = HardwareError("no answer", "one", "look")
    monkeypatch.setattr(engine, "infer", _fails_after(engine.infer, 2, dead))
    settings = service.Settings(check_seconds=0.01)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(HardwareError, match=r"errors only \(no answer; expected one; look\)"):
        http_command.run(engine, "net", Address(port=0), settings, tied=False)
    assert "9 of 9 golden vectors" in capsys.readouterr().out
    assert engine.closed
    assert signal.getsignal(signal.SIGTERM) == before


def test_to_be_ended_while_unsure_is_to_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()
    dead = HardwareError("no answer", "one", "look")
    monkeypatch.setattr(engine, "infer", _fails_after(engine.infer, 2, dead))
    become = service.Service._become

    def then_end(self: service.Service, state: str, why: str = "") -> None:
        become(self, state, why)
        if state == service.UNSURE:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(service.Service, "_become", then_end)
    settings = service.Settings(check_seconds=0.01)
    http_command.run(engine, "net", Address(port=0), settings, tied=False)
    assert engine.closed


def _fails_after(right: Callable[[Any], Any], calls: int, error: Exception) -> Any:
    """`right` for so many calls, then `error`."""
    left = iter(range(calls))

    def infer(codes: Any) -> Any:
        if next(left, None) is None:
            raise error
        return right(codes)

    return infer


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--http", "x:1:2"], "the address is 'x:1:2'"),
        (["--http", ":0", "--name", "a/b"], "the name is 'a/b'"),
        (["--http", ":0", "--name", ".."], "the name is '..'"),
        (["--http", "203.0.113.1:0"], "203.0.113.1:0 cannot be listened on"),
    ],
)
def test_what_it_refuses(
    folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, folder, fake()) == 1
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize("arguments", [["--systemd"], ["--http", ":0", "--infer"]])
def test_what_does_not_go_together(folder: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments, folder, fake())


def test_a_unit_for_systemd(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--http", "0.0.0.0:80", "--name", "net", "--systemd"], folder) == 0
    text = capsys.readouterr().out
    assert f"WorkingDirectory={folder.resolve()}\n" in text
    command = re.search(r"^ExecStart=/bin/bash -c '(.*)'$", text, re.MULTILINE)
    assert command is not None
    # What systemd hands to bash: a dollar for two.
    shell = command[1].replace("$$", "$").replace("exec ", "echo ")
    done = subprocess.run(
        ["/bin/bash", "-c", shell], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout == "python3 driver.py --http 0.0.0.0:80 --name net\n"


def test_a_unit_takes_no_folder_that_systemd_would_read_otherwise() -> None:
    for folder in ("/a b", "/a%h", "/a$x", "/a'b", "/a\nExecStart=/bin/x"):
        with pytest.raises(InputError, match="a path of plain characters"):
            unit(Path(folder), "net", Address())


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ü", "x" * 65, ".x", "a\n"])
def test_names_that_no_url_holds(name: str) -> None:
    with pytest.raises(InputError, match="the name is"):
        check_name(name)
