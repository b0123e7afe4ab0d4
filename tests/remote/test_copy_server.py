"""A deployment over a real SSH connection: whole or not at all, whatever happens in the middle."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lepton_hw.errors import StageError
from lepton_hw.tools.ssh import Ssh
from lepton_hw.tools.ssh_copy import copy_folder
from tests.remote.conftest import Server


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A deployment as large as that of a Zynq's bitstream."""
    from onboard_cases import deploy

    (tmp_path / "large").mkdir()
    return deploy(tmp_path / "large", bitstream=os.urandom(4_000_000))


def test_a_folder_is_copied_replaced_and_runs(
    ssh: Ssh, folder: Path, large: Path, tmp_path: Path
) -> None:
    target = tmp_path / "board" / "digits"
    for each in (folder, large):
        done = copy_folder(ssh, each, str(target))
        assert content(target) == content(each)
        assert (done.files, done.left) == (len(content(each)), ())
    assert [path.name for path in target.parent.iterdir()] == ["digits"]
    answer = ssh.run([sys.executable, "-B", f"{target}/driver.py", "--selftest"])
    assert answer.code == 1
    assert "the package pynq is not installed" in answer.stderr


def test_the_connection_is_lost_in_the_middle(
    server: Server, ssh: Ssh, folder: Path, large: Path, tmp_path: Path
) -> None:
    target = tmp_path / "board" / "digits"
    copy_folder(ssh, folder, str(target))
    half: list[bool] = []

    def unplug(sent: int, size: int) -> None:
        if sent > size // 2 and not half:
            wait_until(target.parent, [".digits.lepton-new", "digits"])  # it is under way
            half.append(True)
            server.drop()

    with pytest.raises(StageError, match=r"the connection to 127\.0\.0\.1:\d+ was lost; expected"):
        copy_folder(ssh, large, str(target), unplug)
    assert half == [True]
    wait_until(target.parent, ["digits"])
    assert content(target) == content(folder)
    copy_folder(ssh, large, str(target))
    assert content(target) == content(large)


def wait_until(folder: Path, names: list[str]) -> None:
    """The board's end notices a moment later that its input ended."""
    for _ in range(200):
        if sorted(path.name for path in folder.iterdir()) == names:
            return
        subprocess.run(["sleep", "0.05"], check=True)
    pytest.fail(f"after 10 s {folder} holds {sorted(p.name for p in folder.iterdir())}")


def test_ctrl_c_in_the_middle(ssh: Ssh, folder: Path, large: Path, tmp_path: Path) -> None:
    target = tmp_path / "board" / "digits"
    copy_folder(ssh, folder, str(target))

    def interrupt(sent: int, size: int) -> None:
        if sent > size // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_folder(ssh, large, str(target), interrupt)
    wait_until(target.parent, ["digits"])
    assert content(target) == content(folder)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte, which only root can have."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_disk_without_space(ssh: Ssh, folder: Path, large: Path, small: Path) -> None:
    copy_folder(ssh, folder, f"{small}/digits")
    message = r"no space left for .*digits \([\d,]+ bytes are free there\); expected 4,[\d,]+ bytes"
    with pytest.raises(StageError, match=message):
        copy_folder(ssh, large, f"{small}/digits")
    assert [path.name for path in small.iterdir()] == ["digits"]
    assert content(small / "digits") == content(folder)


def test_a_disk_that_cannot_be_written(ssh: Ssh, folder: Path, small: Path) -> None:
    command = ["mount", "-o", "remount,ro", str(small)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("it cannot be mounted again")
    with pytest.raises(StageError, match=r"does not let this user write .* \(Read-only file sys"):
        copy_folder(ssh, folder, f"{small}/digits")


def test_two_copies_at_once(ssh: Ssh, folder: Path, large: Path, tmp_path: Path) -> None:
    target = tmp_path / "board" / "digits"
    refused: list[str] = []

    def another(sent: int, size: int) -> None:
        if sent > size // 2 and not refused:
            with pytest.raises(StageError) as error:
                copy_folder(ssh, folder, str(target))
            refused.append(error.value.found)

    copy_folder(ssh, large, str(target), another)
    assert refused == [f"another copy into {target.parent} is under way"]
    assert content(target) == content(large)


def test_a_folder_of_root_beside_it(ssh: Ssh, folder: Path, tmp_path: Path) -> None:
    """What another user left in the old folder is told, and the new one is there all the same."""
    if os.getuid() != 0:
        pytest.skip("only root can make a file that cannot be removed")
    target = tmp_path / "board" / "digits"
    copy_folder(ssh, folder, str(target))
    stays = target / "onboard" / "stays"
    stays.write_text("x")
    done = subprocess.run(["chattr", "+i", str(stays)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this file system knows no immutable files")
    try:
        assert len(copy_folder(ssh, folder, str(target)).left) == 1
        assert content(target) == content(folder)
    finally:
        for path in target.parent.rglob("stays"):
            subprocess.run(["chattr", "-i", str(path)], check=True)
