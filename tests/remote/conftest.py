"""A real SSH server on the loopback, with keys of its own, that the tests start and end.

It stands for a board: the user is the current one, the files are pytest's.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lepton_hw.sources import ROOT
from lepton_hw.tools.ssh import Host, Options, Ssh

UNIT = ROOT.parent / "tests" / "unit"
sys.path.insert(0, str(UNIT))  # the small design and its fake board

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
#: sshd, started by root, wants this empty folder; systems that run an SSH server have it.
PRIVILEGES = Path("/run/sshd")


class Server:
    """One sshd; `ssh()` connects to it. Everything that it needs is in `folder`."""

    def __init__(self, folder: Path, port: int) -> None:
        assert SSHD is not None
        self.folder, self.port = folder, port
        for name in ("host", "user", "stranger"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True)
        shutil.copy(folder / "user.pub", folder / "authorized_keys")
        key = " ".join((folder / "host.pub").read_text().split()[:2])
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {key}\n")
        (folder / "client").write_text("")
        (folder / "config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\n"
            f"AuthorizedKeysFile {folder / 'authorized_keys'}\nStrictModes no\nUsePAM no\n"
            f"PasswordAuthentication no\nPidFile none\nPermitRootLogin prohibit-password\n"
            f"SetEnv PYTHONPATH={ROOT.parent}\n"
        )
        command = [SSHD, "-D", "-e", "-f", str(folder / "config")]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)

    def ssh(self, *, user: str | None = None, port: int | None = None, **files: str) -> Ssh:
        """A client; `files` replace its identity or known_hosts by others of the folder."""
        chosen = {"identity": "user", "known_hosts": "known_hosts", "config": "client", **files}
        paths = {name: self.folder / value for name, value in chosen.items()}
        options = Options(**paths, connect_timeout=5, alive=1)
        return Ssh(Host("127.0.0.1", user, port or self.port), options)

    def sessions(self) -> list[int]:
        """Processes that serve a connection: children of the server, and theirs that are sshd."""
        parents = {self.process.pid}
        found: list[int] = []
        while children := [pid for pid in _children(parents) if pid not in found]:
            found += children
            parents = set(children)
        return found

    def drop(self) -> None:
        """Ends every connection at once, as a board that loses its power, but for its disk."""
        for pid in self.sessions():
            os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def _children(parents: set[int]) -> list[int]:
    """Processes named sshd whose parent is one of these."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name, rest = (entry / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        if name.startswith("sshd") and int(rest.split()[1]) in parents:
            found.append(int(entry.name))
    return found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if SSHD is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no OpenSSH server and client here (apt install openssh-server)")
    if os.getuid() == 0:
        PRIVILEGES.mkdir(exist_ok=True)  # it stays: another session's sshd may use it by now
    server = Server(tmp_path_factory.mktemp("sshd"), _free_port())
    try:
        _wait(server)
        yield server
    finally:
        server.end()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(server: Server) -> None:
    for _ in range(100):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", server.port)) == 0:
                return
        if server.process.poll() is not None:
            break
        time.sleep(0.05)
    pytest.skip(f"sshd does not start here: {(server.folder / 'log').read_text().strip()}")


@pytest.fixture
def ssh(server: Server) -> Ssh:
    return server.ssh()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from onboard_cases import deploy

    return deploy(tmp_path)
