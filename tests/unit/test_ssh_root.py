"""A command on the board as root, with the fake sudo of a board that is this machine."""

import shlex
import subprocess
from pathlib import Path

import fake_ssh
import pytest

from lepton_hw.errors import StageError
from lepton_hw.tools.ssh import Host, Ssh, as_root

BOARD = Ssh(Host("pynq", "xilinx"))


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board's PATH with a user who is not root, a sudo that asks for nothing, and a python3."""
    programs = tmp_path / "board"
    fake_ssh.script(programs, "id", "echo 1000")
    fake_ssh.script(programs, "sudo", 'echo "sudo $1" >&2; shift; AS_ROOT=yes exec "$@"')
    for name in ("sh", "bash", "env"):
        real = subprocess.run(["which", name], capture_output=True, text=True, check=True)
        (programs / name).symlink_to(real.stdout.strip())
    (tmp_path / "user" / "lepton").mkdir(parents=True)
    fake_ssh.local(tmp_path / "bin", tmp_path / "user", str(programs))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return programs


def test_as_root(board: Path, tmp_path: Path) -> None:
    command = as_root(["bash", "-c", 'echo "$PWD $AS_ROOT <$1>"', "x", "it's $HOME"], "lepton")
    done = BOARD.run(command)
    assert done.code == 0
    assert done.stdout.splitlines()[1:] == [f"{tmp_path}/user/lepton yes <it's $HOME>"]
    assert "sudo -n" in done.stderr
    fake_ssh.script(board, "id", "echo 0")
    done = BOARD.run(command)
    assert done.stdout.splitlines()[1:] == [f"{tmp_path}/user/lepton  <it's $HOME>"]
    assert BOARD.run(as_root(["true"], "nowhere")).code == 1


def test_as_root_in_pynqs_environment() -> None:
    """Its profiles are read where they are; what they print is not the command's output."""
    *_, inside = as_root(["driver", "a b"], "lepton")
    for name in ("pynq_venv.sh", "xrt_setup.sh", "boardname.sh"):
        assert f"[ -r /etc/profile.d/{name} ] && . /etc/profile.d/{name} >&2 </dev/null;" in inside
    assert "PYTHONDONTWRITEBYTECODE=1" in inside
    assert inside.endswith("; exec driver 'a b'")
    assert shlex.split(inside)


def test_profiles_are_read(board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = tmp_path / "profile.d"
    profiles.mkdir()
    (profiles / "pynq_venv.sh").write_text("echo noise; export BOARD=Here")
    (profiles / "xrt_setup.sh").write_text("return 1")
    command = [
        part.replace("/etc/profile.d", str(profiles))
        for part in as_root(["bash", "-c", "echo $BOARD"], "lepton")
    ]
    done = BOARD.run(command)
    assert (done.code, done.stdout.splitlines()[1:]) == (0, ["Here"])
    assert "noise" in done.stderr


@pytest.mark.parametrize(
    ("sudo", "message"),
    [
        ('echo "sudo: a password is required" >&2; exit 1', "root without a password; expected ro"),
        ('echo "xilinx is not in the sudoers file." >&2; exit 1', "may not become root; expected"),
        (None, "xilinx@pynq has no sudo"),
    ],
)
def test_who_may_not_become_root(board: Path, sudo: str | None, message: str) -> None:
    fake_ssh.script(board, "sudo", sudo) if sudo else (board / "sudo").unlink()
    with pytest.raises(StageError, match=message):
        BOARD.run(as_root(["true"], "lepton"))
