"""`lepton serve --on ssh:HOST`: a service on the board's own loopback, through a real sshd."""

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lepton_hw.errors import InputError
from lepton_hw.sources import ROOT
from lepton_hw.tools import driver_service
from lepton_hw.tools.place import Place
from lepton_hw.tools.ssh import Options
from tests.remote.conftest import UNIT, Server

#: What `lepton` does, with the fake of the registers as the board's driver.
NEAR = """
import signal, sys
from pathlib import Path
from lepton_hw.tools import driver_service, ssh
from lepton_hw.tools.place import Place
signal.signal(signal.SIGTERM, signal.default_int_handler)
signal.signal(signal.SIGINT, signal.default_int_handler)
far_end, folder, server, host, port = sys.argv[1:]
ssh.as_root = lambda command, target: [sys.executable, far_end, folder, *command[2:]]
files = {name: Path(server) / value for name, value in (
    ("identity", "user"), ("known_hosts", "known_hosts"), ("config", "client"))}
driver_service.serve(
    Place("ssh", host), Path(folder), "there", f"127.0.0.1:{port}",
    lambda where: ("--http", where, "--name", "net", "--tied"), ssh.Options(**files, alive=1),
)
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_service_behind_ssh(server: Server, folder: Path) -> None:
    from service_cases import ready

    port, host = free_port(), f"127.0.0.1:{server.port}"
    argv = [sys.executable, "-c", NEAR, str(UNIT / "service_far_end.py"), str(folder),
            str(server.folder), host, str(port)]  # fmt: skip
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(argv, text=True, cwd=ROOT.parent, **pipes) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            assert re.match(rf"net on TUL PYNQ-Z2 at http://127\.0\.0\.1:{port}, design", line), (
                line, process.stderr.read(),
            )  # fmt: skip
            assert ready(port) == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()
    end = time.monotonic() + 20
    while server.sessions():  # nothing stays behind on the board
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_port_must_be_known(server: Server, folder: Path) -> None:
    with pytest.raises(InputError, match="the port is 0"):
        driver_service.serve(
            Place("ssh", "127.0.0.1"), folder, "", "127.0.0.1:0", lambda where: (), Options()
        )
