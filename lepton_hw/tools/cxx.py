"""The C++ compiler: where it is, which version, and how objects and shared libraries are made.

It never runs make: a build is a list of independent compilations, run on all cores.
"""

import concurrent.futures
import contextlib
import functools
import os
import platform
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lepton_hw.errors import MissingTool, StageError

STANDARD = "-std=gnu++17"
_MARKS = ("%Error", " error: ", "undefined reference", "multiple definition")


@dataclass(frozen=True)
class Cxx:
    """`path` of the compiler and what its ``--version`` says first."""

    path: str
    version: str

    def object_argv(self, source: Path, target: Path, *flags: str) -> list[str]:
        """Compiles one file for a shared library."""
        return [self.path, STANDARD, "-fPIC", *flags, "-c", str(source), "-o", str(target)]

    def library_argv(self, objects: list[Path], target: Path, *flags: str) -> list[str]:
        """Links objects into a shared library that resolves its own symbols first.

        Two simulated designs live in one process and both define Verilator's run time.
        """
        return [
            self.path, "-shared", "-Wl,-Bsymbolic", "-o", str(target),
            *(str(file) for file in objects), "-pthread", *flags,
        ]  # fmt: skip


@functools.cache
def find() -> Cxx:
    """g++, or clang++ where there is no g++; raises `MissingTool`."""
    for name in ("g++", "clang++"):
        path = shutil.which(name)
        if path is None:
            continue
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            return Cxx(path, f"{name} {answer.stdout.splitlines()[0]} {platform.machine()}")
    raise MissingTool(
        "no C++ compiler is on PATH",
        "g++ 10 or newer",
        "run 'apt install g++' (Debian, Ubuntu) or the like",
    )


def run_all(commands: list[list[str]], log: Path) -> None:
    """Runs independent compilations on all cores; the first failure becomes a `StageError`.

    On a failure or Ctrl-C the others are ended, with what they started.
    """
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        running: set[subprocess.Popen[str]] = set()
        futures = [pool.submit(run, command, log, None, running) for command in commands]
        try:
            for future in concurrent.futures.as_completed(futures):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in tuple(running):
                _end(process)
            raise


def run(
    command: list[str],
    log: Path,
    env: dict[str, str] | None = None,
    running: set[subprocess.Popen[str]] | None = None,
) -> None:
    """Runs one command and appends what it says to `log`; raises `StageError` if it fails.

    The process is in `running` for as long as it runs.
    """
    running = set() if running is None else running
    # In a process group of its own, so that the compiler's own children end with it.
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        env={**os.environ, **(env or {})},
        process_group=0,
    ) as answer:
        running.add(answer)
        try:
            said, _ = answer.communicate()
        except BaseException:
            _end(answer)
            raise
        finally:
            running.discard(answer)
    with log.open("a") as file:
        file.write(f"$ {' '.join(command)}\n{said}")
    if answer.returncode != 0:
        lines = said.splitlines()
        worst = next(
            (line for line in lines if any(mark in line for mark in _MARKS)),
            lines[-1] if lines else f"exit code {answer.returncode}",
        )
        raise StageError(
            f"{Path(command[0]).name} failed: {worst.strip().rstrip('.')}",
            "a simulator that builds",
            f"read {log}",
        )


def _end(process: subprocess.Popen[str]) -> None:
    """Ends a command and everything that it started; SIGTERM, so that it removes its files."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
