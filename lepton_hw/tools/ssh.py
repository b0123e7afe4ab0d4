"""The system's OpenSSH client: its arguments, one command on a board, a long-lived one.

Keys or an agent only: it never asks, takes or passes a password, never accepts a host key by
itself, and writes no file. It imports nothing but the errors, for use in any environment.
"""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from lepton_hw.errors import InputError, LeptonError, MissingTool, StageError
from lepton_hw.tools import ssh_problems
from lepton_hw.tools.ssh_host import Host, parse_host

__all__ = ["Channel", "Finished", "Host", "Options", "Ssh", "as_root", "parse_host"]

#: Bytes of standard error that are kept: its end says what went wrong.
_SAID_MOST = 1 << 16
#: Bytes of standard output that a command may give.
_ANSWER_MOST = 1 << 24
#: What PYNQ's images set up in login shells: its Python environment, XRT, the board's name.
PROFILES = ("pynq_venv.sh", "xrt_setup.sh", "boardname.sh")


@dataclass(frozen=True)
class Options:
    """How to connect. The files replace ssh's own; without them it uses those of the user.

    `connect_timeout` is in seconds; a dead connection is noticed after three times `alive`.
    `forward` is a port here that leads to one there, as ``-L`` takes it; nothing else is forwarded.
    """

    identity: Path | None = None
    known_hosts: Path | None = None
    config: Path | None = None
    connect_timeout: int = 10
    alive: int = 5
    forward: str = ""


class Finished(NamedTuple):
    """A command that ended: its exit code, standard output and standard error."""

    code: int
    stdout: str
    stderr: str


class Ssh:
    """The way to one board. Each command is a connection of its own."""

    def __init__(self, host: Host, options: Options | None = None) -> None:
        self.host, self.options = host, options or Options()
        for path in (self.options.identity, self.options.known_hosts, self.options.config):
            if path is not None:
                _require_file(path)

    def argv(self, command: Sequence[str]) -> list[str]:
        """The whole command line; `command` is quoted for the board's shell."""
        return [_program(), *self.arguments(), shlex.join(command)]

    def arguments(self) -> list[str]:
        """ssh's own arguments: what they do not name is the user's configuration."""
        chosen, host = self.options, self.host
        settings = {
            "BatchMode": "yes",  # never asks
            "StrictHostKeyChecking": "yes",  # never accepts a key by itself
            "UpdateHostKeys": "no",
            "PreferredAuthentications": "publickey",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "ConnectTimeout": str(chosen.connect_timeout),
            "ServerAliveInterval": str(chosen.alive),
            "ServerAliveCountMax": "3",
            "ForwardAgent": "no",
            "ForwardX11": "no",
            "ClearAllForwardings": "yes",
            "PermitLocalCommand": "no",
            "ControlPath": "none",  # a connection of our own, which ends with us
            "LogLevel": "ERROR",
        }
        if chosen.forward:  # which would be cleared, too; ssh's configuration may add others then
            settings |= {"ClearAllForwardings": "no", "ExitOnForwardFailure": "yes"}
        if chosen.identity is not None:
            settings |= {"IdentityFile": _quoted(chosen.identity), "IdentitiesOnly": "yes"}
        if chosen.known_hosts is not None:
            settings["UserKnownHostsFile"] = _quoted(chosen.known_hosts)
            settings["GlobalKnownHostsFile"] = "none"
        return [
            *(["-F", str(chosen.config.absolute())] if chosen.config is not None else []),
            "-T",
            *(part for name, value in settings.items() for part in ("-o", f"{name}={value}")),
            *(["-L", chosen.forward] if chosen.forward else []),
            *(["-p", str(host.port)] if host.port else []),
            *(["-l", host.user] if host.user else []),
            "--", host.name,
        ]  # fmt: skip

    def run(
        self, command: Sequence[str], stdin: bytes = b"", timeout: float | None = None
    ) -> Finished:
        """Runs one command there; its exit code is the caller's to judge.

        Raises a `LeptonError` where the connection failed, or python3, bash, sudo or the right to
        use it is missing; `StageError` after `timeout` seconds.
        """
        with self.open(command) as channel:
            threading.Thread(target=channel.feed, args=(stdin,), daemon=True).start()
            with _alarm(timeout, channel.end):
                answer = channel.reader.read(_ANSWER_MOST + 1)
                if len(answer) > _ANSWER_MOST:
                    raise StageError(
                        f"the command on {self.host} printed more than {_ANSWER_MOST:,} bytes",
                        "a short answer",
                        "let it print less",
                    )
                code = channel.wait()
            if channel.ended_by_us:
                raise StageError(
                    f"the command on {self.host} took longer than {timeout:g} s",
                    "it to end",
                    "look at the board, or allow it more time",
                )
            failure = channel.failure()
        if failure is not None:
            raise failure
        return Finished(code, answer.decode(errors="replace"), channel.said())

    def open(self, command: Sequence[str]) -> "Channel":
        """Starts a command that stays: a context manager with its two streams."""
        return Channel(self, command)

    def problem(self, code: int, stderr: str) -> LeptonError | None:
        """The sentence for what ssh, or the board's shell, says."""
        host = self.host
        by_hand = " ".join([
            "ssh", *(["-p", str(host.port)] if host.port else []),
            f"{host.user}@{host.name}" if host.user else host.name,
        ])  # fmt: skip
        return ssh_problems.problem(str(host), by_hand, code, stderr)


class Channel:
    """A command on the board with pipes to its standard input and output.

    `writer` and `reader` are binary. Leaving the block, by Ctrl-C too, ends ssh, whereupon the
    command meets the end of its input.
    """

    def __init__(self, ssh: Ssh, command: Sequence[str]) -> None:
        self._ssh, self.ended_by_us = ssh, False
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                ssh.argv(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for us, who end it; and no terminal to ask on
            )
        except OSError as error:
            raise MissingTool(
                f"ssh could not be started ({error.strerror})", "OpenSSH's client",
                "run 'apt install openssh-client' (Debian, Ubuntu) or the like",
            ) from None  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.writer: IO[bytes] = self._process.stdin
        self.reader: IO[bytes] = self._process.stdout
        self._said = bytearray()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def feed(self, content: bytes) -> None:
        """Writes all of its input and closes it; a command that does not read it is no error."""
        with contextlib.suppress(OSError, ValueError):
            self.writer.write(content)
        with contextlib.suppress(OSError, ValueError):
            self.writer.close()

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once ssh has ended and all that it said was read."""
        code = self._process.wait(timeout)
        self._listener.join(timeout)
        return code

    def said(self) -> str:
        """The end of standard error so far."""
        return bytes(self._said).decode(errors="replace")

    def failure(self) -> LeptonError | None:
        """What is wrong with the connection, if ssh has ended by itself."""
        code = self._process.poll()
        if code is None or self.ended_by_us:
            return None
        return self._ssh.problem(code, self.said())

    def last_words(self) -> str:
        """For whoever meets the end of the stream: what was wrong, in words; waits a moment."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(2.0)
        failure = self.failure()
        if failure is not None:
            return failure.found
        return ssh_problems.last_line(self.said())

    def end(self) -> None:
        """Ends ssh, unless it has ended."""
        if self._process.poll() is None:
            self.ended_by_us = True
            self._process.terminate()
            try:
                self._process.wait(3.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def close(self) -> None:
        """Ends ssh and closes the pipes; may be called twice."""
        self.end()
        self._listener.join(3.0)
        for stream in (self.writer, self.reader, self._process.stderr):
            with contextlib.suppress(OSError, ValueError):
                if stream is not None:
                    stream.close()

    def __enter__(self) -> "Channel":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while part := os.read(self._process.stderr.fileno(), 1 << 12):
                self._said += part
                del self._said[:-_SAID_MOST]


def as_root(command: Sequence[str], folder: str) -> list[str]:
    """A command in `folder` on the board as root, in PYNQ's environment where there is one.

    Where the SSH user is not root, sudo must not ask: ``-n``. What the profiles print goes to
    standard error, so that standard output is the command's alone.
    """
    profiles = "; ".join(
        f"[ -r /etc/profile.d/{name} ] && . /etc/profile.d/{name} >&2 </dev/null"
        for name in PROFILES
    )
    # Python's caches would be root's in a folder of the user, who could not replace it then.
    setting = "unset LC_ALL; export PYTHONDONTWRITEBYTECODE=1"
    inside = f"{setting}; {profiles}; exec {shlex.join(command)}"
    # The folder first: it may be below the user's home, which is another one for root.
    script = (
        f"cd {shlex.quote(folder)} || exit 1; "
        'if [ "$(id -u)" = 0 ]; then exec bash -c "$1"; '
        'else exec env LC_ALL=C sudo -n bash -c "$1"; fi'
    )
    return ["sh", "-c", script, "sh", inside]


@contextlib.contextmanager
def _alarm(seconds: float | None, ring: Callable[[], None]) -> Iterator[None]:
    """Calls `ring` in a thread of its own where the block takes longer."""
    timer = threading.Timer(seconds, ring) if seconds is not None else None
    if timer is None:
        yield
        return
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _program() -> str:
    path = shutil.which("ssh")
    if path is None:
        raise MissingTool(
            "no ssh is on PATH", "OpenSSH's client",
            "run 'apt install openssh-client' (Debian, Ubuntu) or the like",
        )  # fmt: skip
    return path


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"there is no file {path}", "a file that ssh reads", "correct the path")
    if re.search(r'["\\$\n\r]', str(path.absolute())):
        raise InputError(
            f"the path {str(path)!r} holds a character that ssh gives a meaning",
            'none of " \\ $ and line ends', "move the file",
        )  # fmt: skip


def _quoted(path: Path) -> str:
    """A path as a value of ssh's configuration, in which % begins a name."""
    return '"{}"'.format(str(path.absolute()).replace("%", "%%"))
