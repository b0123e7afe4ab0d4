"""Where a program is that a package of ours brings, or that the system has; running a long one."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lepton_hw.errors import MissingTool

_running: set[int] = set()  # process groups
_lock = threading.Lock()


def located(packaged: Sequence[str], native: Sequence[str], missing: MissingTool) -> Path:
    """The first program by these names; raises `missing` where there is none.

    `packaged` are sought beside this Python first, so that an environment that is not active is
    used all the same; then these and `native` on PATH.
    """
    beside = Path(sys.executable).parent
    for name in packaged:
        if (beside / name).is_file():
            return beside / name
    for name in (*packaged, *native):
        if found := shutil.which(name):
            return Path(found)
    raise missing


def run(argv: Sequence[str], folder: Path, log: Path, shown: Sequence[str] = ()) -> tuple[int, str]:
    """Runs it in `folder` to its end; its exit code, and all that it said.

    `log` gets the command, as `shown` if that is given, and, as it is said, what it says. It ends
    when the caller is interrupted and when another thread calls `end_all`. Raises OSError where it
    cannot be started.
    """
    with log.open("ab") as said:
        said.write(f"$ {' '.join(shown or argv)}\n".encode())
        said.flush()
        start = said.tell()
        with _lock:
            process = subprocess.Popen(
                argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
                process_group=0,
            )  # fmt: skip
            _running.add(process.pid)
        try:
            code = process.wait()
        finally:
            with _lock:
                _running.discard(process.pid)
            if process.poll() is None:
                _end(process.pid)
                process.wait()
    return code, log.read_bytes()[start:].decode(errors="replace")


def end_all() -> None:
    """Ends every program that `run` runs now, in whatever thread."""
    with _lock:
        for group in _running:
            _end(group)


def _end(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
