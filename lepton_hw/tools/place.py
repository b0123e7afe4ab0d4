"""Where a deployed design runs: the virtual board, this board, PYNQ.remote, SSH or a serial device;
and running it.

It starts ``driver.py`` of a deployment there and passes streams; it knows nothing of what they say.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lepton_hw.errors import InputError, StageError
from lepton_hw.tools import board_env, ssh, ssh_host

KINDS = ("virtual", "local", "remote:HOST", "ssh:[USER@]HOST[:PORT]", "serial:DEVICE")


@dataclass(frozen=True)
class Place:
    """`host` is empty for the virtual board and for the board here, or the path of a device."""

    kind: str
    host: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.host}" if self.host else self.kind


class Ran(NamedTuple):
    """Exit code, standard output, and what was said on standard error."""

    code: int
    out: bytes
    said: str


def target_of(flow: str) -> str:
    """The folder of a flow's design on a board, below the user's home."""
    return f"lepton/{flow}"


def parse_place(text: str) -> Place:
    """Reads one of `KINDS`."""
    kind, colon, host = text.partition(":")
    if kind in ("virtual", "local") and not colon:
        return Place(kind)
    if kind == "serial" and host:
        return Place(kind, host)
    if kind in ("remote", "ssh") and host:
        checked = ssh_host.parse_host(host)
        if kind == "remote" and (checked.user or checked.port):
            raise InputError(
                f"the place is '{text}'", "remote:HOST, which has no user and no port", "correct it"
            )
        return Place(kind, host)
    raise InputError(f"the place is '{text}'", f"one of {', '.join(KINDS)}", "correct it")


def run_driver(
    place: Place,
    folder: Path,
    target: str,
    arguments: tuple[str, ...],
    stdin: bytes = b"",
    options: ssh.Options | None = None,
) -> Ran:
    """Runs ``driver.py`` with these arguments, to its end.

    `folder` is the deployment here, `target` its folder on a board that SSH reaches. Raises a
    `LeptonError` where it could not be started.
    """
    if place.kind == "ssh":
        there = ssh.Ssh(ssh_host.parse_host(place.host), options)
        command = ssh.as_root(["python3", "driver.py", *arguments], target)
        done = there.run(command, stdin)
        return Ran(done.code, done.stdout.encode(), done.stderr)
    with reached(place, folder) as found:
        return _here(found, folder, arguments, stdin)


@contextmanager
def reached(place: Place, folder: Path) -> Iterator[Place]:
    """The place itself; of the virtual board behind a UART, the serial device that it is given."""
    if place.kind == "virtual" and _has_uart(folder):
        with _served(folder) as device:
            yield Place("serial", device)
    else:
        yield place


def _has_uart(folder: Path) -> bool:
    """Whether the deployment is for a board that is reached by a serial device."""
    try:
        return bool(json.loads((folder / "design.json").read_text()).get("baud"))
    except (OSError, ValueError, AttributeError):
        return False  # the driver says what is wrong with it


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The virtual board of such a deployment behind a pseudo-terminal; the terminal's path."""
    argv = [sys.executable, "-m", "lepton_hw.virtual", "serve-serial", str(folder.absolute())]
    with subprocess.Popen(
        argv, cwd=board_env.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        try:
            found = re.fullmatch(r"virtual board at (\S+); .*\n", server.stdout.readline())
            if found is None:
                raise StageError(
                    f"the virtual board does not start ({server.stderr.read().strip()[-300:]})",
                    "a pseudo-terminal",
                    "build the bitstream again",
                )
            yield found[1]
        finally:
            server.terminate()


def driver_here(
    place: Place, folder: Path, arguments: tuple[str, ...]
) -> tuple[list[str], dict[str, str]]:
    """Command line and variables of a driver that runs on this machine."""
    if place.kind == "serial":  # needs NumPy and no pynq: this Python has it
        program, arguments = sys.executable, ("--serial", place.host, *arguments)
    else:
        program = "python3" if place.kind == "local" else str(board_env.python())
    more = {"PYNQ_REMOTE_DEVICES": place.host} if place.kind == "remote" else {}
    return [program, str(folder.absolute() / "driver.py"), *arguments], board_env.environment(
        **more
    )


def _here(place: Place, folder: Path, arguments: tuple[str, ...], stdin: bytes) -> Ran:
    argv, variables = driver_here(place, folder, arguments)
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, check=False, env=variables)
    except OSError as error:
        raise not_started(argv[0], error) from None
    return Ran(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def not_started(program: str, error: OSError) -> StageError:
    """For a Python that is not there."""
    return StageError(
        f"{program} could not be started ({error.strerror})", "Python with pynq", "install it"
    )


def sentence(line: str) -> re.Match[str] | None:
    """The three parts of an error of the driver's own."""
    return re.fullmatch(r"(.*); expected (.*); (.*)", line)


def require_success(ran: Ran, place: Place) -> Ran:
    """Raises `StageError` with the last line that a failed driver said."""
    if ran.code == 0:
        return ran
    lines = [line.strip() for line in ran.said.splitlines() if line.strip()]
    said = lines[-1].rstrip(".") if lines else f"exit code {ran.code} and no word"
    parts = sentence(said)
    if parts:
        raise StageError(f"on {place}, {parts[1]}", parts[2], parts[3])
    raise StageError(f"the driver failed on {place} ({said})", "it to end well", "see what it says")
