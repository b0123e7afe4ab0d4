"""A deployment onto a board: whole or not at all, with the command run here in place of a board."""

import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_ssh
import pytest
from onboard_cases import deploy
from sent_streams import content, stream_of

from lepton_hw.errors import InputError, StageError
from lepton_hw.onboard import receive
from lepton_hw.tools import ssh_copy
from lepton_hw.tools.ssh import Host, Ssh
from lepton_hw.tools.ssh_copy import Copied, copy_folder

BOARD = Ssh(Host("pynq", "xilinx"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home on the board, whose python3 is this one."""
    home, programs = tmp_path / "home", tmp_path / "board"
    home.mkdir()
    programs.mkdir()
    (programs / "python3").symlink_to(sys.executable)
    fake_ssh.local(tmp_path / "bin", home, str(programs))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return home


def test_a_folder_is_copied_and_replaced(home: Path, folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    (folder / "__pycache__").mkdir()
    (folder / "notes.txt").write_text("of the user, here")
    done = copy_folder(BOARD, folder, "lepton/digits", lambda *now: seen.append(now))
    expected = content(folder)
    del expected["notes.txt"]
    target = home / "lepton" / "digits"
    assert content(target) == expected
    size = sum(map(len, expected.values()))
    assert done == Copied("lepton/digits", len(expected), size)
    assert seen[-1] == (size, size)
    assert seen == sorted(seen)

    (target / "older.txt").write_text("of the version before")
    (tmp_path / "second").mkdir()
    second = deploy(tmp_path / "second", bitstream=b"another")
    copy_folder(BOARD, second, "lepton/digits")
    assert content(target) == content(second)
    assert [path.name for path in target.parent.iterdir()] == ["digits"]
    mode = {path.stat().st_mode & 0o777 for path in target.rglob("*") if path.is_file()}
    assert mode == {0o644}


def test_the_stream_depends_on_names_and_contents_alone(folder: Path, tmp_path: Path) -> None:
    streams = []
    for again in (folder, tmp_path / "again"):
        if again != folder:
            subprocess.run(["cp", "-r", str(folder), str(again)], check=True)
            for number, path in enumerate(sorted(again.rglob("*"))):
                os.utime(path, (number, number))
                path.chmod(0o700)
        streams.append(stream_of(again))
    assert streams[0] == streams[1]
    with tarfile.open(fileobj=io.BytesIO(streams[0])) as tar:
        names = tar.getnames()
    assert names == [*sorted(names[:-1]), "design.json"]


@pytest.mark.parametrize("target", [
    "", "/", ".", "..", "a/..", "../a", "a/../b", "a/", "-rf", "a b", "$HOME/a", "~/a", "a;b",
    "a\nb", "a'b", 'a"b', "a/.", "ä",
])  # fmt: skip
def test_targets_that_are_refused(folder: Path, target: str) -> None:
    with pytest.raises(InputError, match="the folder on the board is"):
        copy_folder(BOARD, folder, target)


def test_a_folder_of_the_user_is_never_replaced(home: Path, folder: Path) -> None:
    (home / "music").mkdir()
    (home / "music" / "song").write_text("mine")
    with pytest.raises(StageError, match=r"the folder music holds other files, and no design\.js"):
        copy_folder(BOARD, folder, "music")
    assert content(home / "music") == {"song": b"mine"}
    (home / "file").write_text("mine")
    (home / "link").symlink_to("music")
    for name in ("file", "link"):
        with pytest.raises(StageError, match=f"{name} is no folder; expected a folder, or nothing"):
            copy_folder(BOARD, folder, name)
    (home / "empty").mkdir()
    assert copy_folder(BOARD, folder, "empty").files == len(content(folder))


def _other_digest(folder: Path) -> None:
    values = json.loads((folder / "design.json").read_text())
    values["files"]["design.bit"] = "0" * 64
    (folder / "design.json").write_text(json.dumps(values))


def _outside(folder: Path) -> None:
    values = json.loads((folder / "design.json").read_text())
    values["files"]["../secret"] = "0" * 64
    (folder / "design.json").write_text(json.dumps(values))


def _link(folder: Path) -> None:
    (folder / "driver.py").rename(folder / "real.py")
    (folder / "driver.py").symlink_to("real.py")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "design.bit").write_bytes(b"x"), r"design\.bit has the SHA-256"),
        (
            lambda folder: (folder / "vectors.npz").unlink(),
            r"vectors\.npz cannot be read \(No such",
        ),
        (lambda folder: (folder / "design.json").unlink(), r"design\.json cannot be read"),
        (lambda folder: (folder / "design.json").write_text("{"), "is no whole design.json"),
        (lambda folder: (folder / "design.json").write_text('{"files": {}}'), "is no whole design"),
        (
            lambda folder: (folder / "design.json").write_text('{"files": {"a": 1}}'),
            "is no whole d",
        ),
        (_other_digest, r"design\.bit has the SHA-256 \w+…; expected 0{12}…"),
        (_outside, "is no whole design.json"),
        (_link, r"driver\.py is no plain file; expected files, no links"),
    ],
)
def test_what_is_no_whole_deployment_is_not_sent(
    home: Path, folder: Path, change: Callable[[Path], Any], message: str
) -> None:
    change(folder)
    with pytest.raises(InputError, match=message):
        copy_folder(BOARD, folder, "lepton")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_connection_that_is_lost_changes_nothing(
    home: Path, folder: Path, tmp_path: Path, part: float
) -> None:
    copy_folder(BOARD, folder, "digits")
    before = content(home / "digits")
    (tmp_path / "second").mkdir()
    second = deploy(tmp_path / "second", bitstream=os.urandom(300_000))
    cut = int(part * (len(stream_of(second)) - 10_240))  # the stream's end is padding
    programs = str(tmp_path / "board")
    fake_ssh.local(tmp_path / "bin", home, programs, cut)
    with pytest.raises(StageError, match="the connection to xilinx@pynq was lost"):
        copy_folder(BOARD, second, "digits")
    assert content(home / "digits") == before
    assert [path.name for path in home.iterdir()] == ["digits"]


def test_ctrl_c_changes_nothing(home: Path, folder: Path, tmp_path: Path) -> None:
    copy_folder(BOARD, folder, "digits")
    before = content(home / "digits")
    (tmp_path / "second").mkdir()
    second = deploy(tmp_path / "second", bitstream=os.urandom(3_000_000))

    def interrupted(sent: int, size: int) -> None:
        if sent > size // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_folder(BOARD, second, "digits", interrupted)
    wait_until(lambda: [path.name for path in home.iterdir()] == ["digits"])
    assert content(home / "digits") == before


def wait_until(true: Callable[[], bool]) -> None:
    """The far end notices a moment later that its input ended."""
    for _ in range(200):
        if true():
            return
        threading.Event().wait(0.05)
    pytest.fail("it did not come to pass in 10 s")


def test_a_board_without_python(home: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "board" / "python3").unlink()
    with pytest.raises(StageError, match=r"xilinx@pynq has no python3; expected a PYNQ image"):
        copy_folder(BOARD, folder, "digits")


@pytest.mark.parametrize(
    ("stdout", "code", "message"),
    [
        ("hello\n", 0, r"the copy to xilinx@pynq failed \(odd\); expected an answer of python3"),
        (receive.MARK + "{", 1, "the copy to xilinx@pynq failed"),
        (receive.MARK + "[]", 1, "the copy to xilinx@pynq failed"),
        (receive.MARK + '{"found": "a \\u001b[2J", "expected": "b", "remedy": "c"}', 1,
         r"^a  \[2J; expected b; c\.$"),
    ],
)  # fmt: skip
def test_what_the_board_answers(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stdout: str, code: int,
    message: str,
) -> None:  # fmt: skip
    fake_ssh.saying(tmp_path / "bin", "odd\n", code, stdout)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(StageError, match=message):
        copy_folder(BOARD, folder, "digits")


def test_the_mark_is_the_same_on_both_ends() -> None:
    assert (ssh_copy.MARK, ssh_copy.MANIFEST) == (receive.MARK, receive.MANIFEST)
