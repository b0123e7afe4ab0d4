"""The command line as tests use it: in this process, or as a process of its own to be stopped."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lepton_hw.cli import run
from lepton_hw.flow import ROOT

from .conftest import IMAGES, Built

PATIENCE = 120.0  # seconds until a process that does not do what it should is given up


@dataclass(frozen=True)
class Said:
    """Exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of the error."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0].removeprefix("error: ")


def lepton(capsys: pytest.CaptureFixture[str], *arguments: object) -> Said:
    """Runs ``lepton`` in this process."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return Said(code, told.out, told.err)


def flow_file(folder: Path, **changes: object) -> Path:
    """The flow of the shared build as a file, with other values of some keys."""
    known = {"name": "digits_small", "epochs": 3, "rtl_images": IMAGES, **changes}
    text = (ROOT / "flows" / "digits_cnn.toml").read_text()
    for key, value in known.items():  # the first: the flow's name stands before the model's
        text = re.sub(rf"^{key} = .*$", f"{key} = {json.dumps(value)}", text, count=1, flags=re.M)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{known['name']}.toml"
    path.write_text(text)
    return path


def copy_of(built: Built, build_dir: Path, name: str = "digits_small") -> Path:
    """The shared build in a folder of its own; returns the folder of the stages."""
    folder = build_dir / name / built.board.name
    shutil.copytree(built.folder, folder)
    return folder


def leftovers(folder: Path) -> list[str]:
    """Temporary files and folders that nothing has removed."""
    return sorted(str(path) for path in folder.rglob("*") if ".tmp-" in path.name)


class Process:
    """``lepton`` as a process of its own, with its own temporary folder."""

    def __init__(
        self, folder: Path, *arguments: object, cache: Path | None = None, first: str = ""
    ) -> None:
        """`cache`: the session's own if not given; `first`: Python code to run before."""
        self.temporary = folder / "temporary"
        self.temporary.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "TMPDIR": str(self.temporary), "PYTHONPATH": str(ROOT)}
        if cache is not None:
            environment["XDG_CACHE_HOME"] = str(cache)
        program = f"{first}\nfrom lepton_hw.cli import main\nmain()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *(str(a) for a in arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """Returns when `happened`; fails where the process ends before, or it takes too long."""
        end = time.monotonic() + PATIENCE
        while not happened():
            if self._process.poll() is not None or time.monotonic() > end:
                self._process.kill()
                pytest.fail(f"it never happened: {self._process.communicate()}")
            time.sleep(0.02)

    def interrupt(self) -> Said:
        """Sends what Ctrl-C sends, to this process alone, and waits for its end."""
        self._process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> Said:
        """Waits for the end."""
        out, err = self._process.communicate(timeout=PATIENCE)
        return Said(self._process.returncode, out, err)


def children(pid: int) -> list[int]:
    """All processes below `pid`, by what the kernel lists."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            direct = [int(child) for child in task.read_text().split()]
        except OSError:  # the thread has ended
            continue
        found += [*direct, *(below for child in direct for below in children(child))]
    return found


def runs(pid: int) -> bool:
    """Whether a process exists and is not only waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False
