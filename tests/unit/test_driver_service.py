"""`lepton serve` with a driver on this machine: what it passes on, and that nothing outlives it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from service_cases import PROGRAM, ready

from lepton_hw.errors import StageError
from lepton_hw.tools import driver_service
from lepton_hw.tools.place import Place

ROOT = Path(__file__).parents[2]
#: What `lepton` does with signals, around the service.
NEAR = f"""
import signal, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from lepton_hw.tools import driver_service
from lepton_hw.tools.place import Place
signal.signal(signal.SIGTERM, signal.default_int_handler)
signal.signal(signal.SIGINT, signal.default_int_handler)
driver_service.serve(
    Place("virtual"), Path(sys.argv[1]), "", "127.0.0.1:0",
    lambda where: ("--http", where, "--name", "net", "--tied"),
)
"""


@pytest.fixture
def board(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose driver meets the fake of the registers, in this Python."""
    launcher = tmp_path / "launcher"
    launcher.mkdir()
    (launcher / "driver.py").write_text(
        "import os, sys\n"
        "print('a line of another package', file=sys.stderr, flush=True)\n"
        f"os.execv(sys.executable, [sys.executable, {str(PROGRAM)!r}, {str(folder)!r},"
        " *os.environ.get('FLIP', '').split(), *sys.argv[1:]])\n"
    )
    monkeypatch.setenv("LEPTON_BOARD_PYTHON", sys.executable)
    return launcher


@contextmanager
def near(board: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    argv = [sys.executable, "-c", NEAR, str(board)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(argv, text=True, **pipes) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"net on TUL PYNQ-Z2 at http://127\.0\.0\.1:(\d+), design", line)
        assert found, line
        try:
            yield process, int(found[1])
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_the_driver_and_ends_well(board: Path, number: int) -> None:
    with near(board) as (process, port):
        assert ready(port) == 200
        process.send_signal(number)
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == "a line of another package\n"
        with pytest.raises(ConnectionError):
            ready(port)


def test_the_driver_does_not_outlive_one_that_is_killed(board: Path) -> None:
    with near(board) as (process, port):
        process.kill()
        process.wait()
        end = time.monotonic() + 20
        while True:
            try:
                ready(port)
            except OSError:
                break
            assert time.monotonic() < end
            time.sleep(0.05)


def test_what_the_driver_refuses_is_a_sentence(
    board: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLIP", "--flip")
    with pytest.raises(StageError, match=r"on virtual, golden vector \(0, 0\) gives"):
        driver_service.serve(
            Place("virtual"), board, "", "127.0.0.1:0", lambda where: ("--http", where)
        )
    assert capfd.readouterr().err == "a line of another package\n"  # and the sentence once


def test_a_python_that_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PATH", str(folder))
    with pytest.raises(StageError, match="python3 could not be started"):
        driver_service.serve(
            Place("local"), folder, "", "127.0.0.1:0", lambda where: ("--http", where)
        )
