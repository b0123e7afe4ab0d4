"""A deployment onto a board: whole or not at all, with the command run here in place of a board.

`receive` is also met alone, with streams that end anywhere and files that are not those.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_ssh
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onboard_cases import deploy

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


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


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


def stream_of(folder: Path) -> bytes:
    names, _ = ssh_copy._checked(folder)
    out = io.BytesIO()

    class Far:
        writer = out

    out.close = lambda: None  # type: ignore[method-assign]
    ssh_copy._send(Far, folder, names, lambda _: None)  # type: ignore[arg-type]
    return out.getvalue()


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


# What follows is the board's end alone.


def digest_of(folder: Path) -> str:
    return ssh_copy._checked(folder)[1]


@settings(max_examples=int(os.environ.get("LEPTON_EXAMPLES", "60")), deadline=None)
@given(data=st.data())
def test_a_stream_that_ends_anywhere(data: st.DataObject, tmp_path_factory: Any) -> None:
    """At a block's border too, where tar itself would not notice; and with any one byte changed."""
    base = tmp_path_factory.mktemp("stream")
    folder = deploy(base)
    whole, digest = stream_of(folder), digest_of(folder)
    used = len(whole.rstrip(b"\0"))
    at = data.draw(st.integers(0, used) | st.integers(0, used // 512).map(lambda n: 512 * n))
    stream = whole[:at]
    if data.draw(st.booleans()) and at < used:
        stream = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    elif at == used:
        stream = whole
    target = base / "target"
    target.mkdir()
    (target / "design.json").write_text("old")
    try:
        receive.receive(io.BytesIO(stream), target, digest)
        assert content(target) == content(folder)  # a header's field that says nothing, or all
    except (receive.Refused, OSError):
        assert content(target) == {"design.json": b"old"}
    assert {path.name for path in base.iterdir()} == {"built.bit", "deployed", "target"}


def archive(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in members:
            entry = tarfile.TarInfo(name)
            entry.size, entry.type = len(text), kind
            entry.linkname = "x" if kind != tarfile.REGTYPE else ""
            tar.addfile(entry, io.BytesIO(text))
    out.seek(0)
    return out


@pytest.mark.parametrize(
    "stream",
    [
        archive(("../out", b"x")),
        archive(("/out", b"x")),
        archive(("a/../../out", b"x")),
        archive(("", b"x")),
        archive(("out", b""), kind=tarfile.SYMTYPE),
        archive(("out", b""), kind=tarfile.LNKTYPE),
        archive(("out", b""), kind=tarfile.FIFOTYPE),
        archive(("out", b""), kind=tarfile.DIRTYPE),
    ],
)
def test_only_plain_files_inside_the_folder(tmp_path: Path, stream: io.BytesIO) -> None:
    with pytest.raises(receive.Refused):
        receive.receive(stream, tmp_path / "target", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_file_more_is_refused(folder: Path, tmp_path: Path) -> None:
    names, digest = ssh_copy._checked(folder)
    members = [(name, (folder / name).read_bytes()) for name in names]
    with pytest.raises(receive.Refused) as refused:
        receive.receive(archive(*members, ("more", b"x")), tmp_path / "target", digest)
    assert refused.value.args[0] == "more did not come as it was sent"
    receive.receive(archive(*members), tmp_path / "target", digest)
    with pytest.raises(receive.Refused, match=r"design\.json did not come"):
        receive.receive(archive(*members), tmp_path / "target", "0" * 64)


def test_leftovers_of_a_copy_that_the_power_ended(folder: Path, tmp_path: Path) -> None:
    for end in ("new", "old"):
        (tmp_path / f".target.lepton-{end}").mkdir()
        (tmp_path / f".target.lepton-{end}" / "half").write_text("x")
    stream, digest = stream_of(folder), digest_of(folder)
    assert receive.receive(io.BytesIO(stream), tmp_path / "target", digest)["left"] == []
    assert not list(tmp_path.glob(".target*"))


def test_two_copies_at_once(folder: Path, tmp_path: Path) -> None:
    with (
        receive._locked(tmp_path),
        pytest.raises(receive.Refused, match=r"another copy into .* is under way"),
    ):
        receive.receive(io.BytesIO(), tmp_path / "target", "")


@pytest.mark.parametrize("fails", [False, True])
def test_where_folders_cannot_be_exchanged(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    monkeypatch.setattr(receive, "_exchange", lambda *_: False)
    stream, digest = stream_of(folder), digest_of(folder)
    target = tmp_path / "target"
    target.mkdir()
    (target / "design.json").write_text("old")
    if fails:
        rename = Path.rename

        def refuse(self: Path, to: Path) -> Path:
            if self.name.endswith("new"):
                raise OSError(5, "Input/output error")
            return rename(self, to)

        monkeypatch.setattr(Path, "rename", refuse)
        with pytest.raises(OSError, match="Input/output error"):
            receive.receive(io.BytesIO(stream), target, digest)
        assert content(target) == {"design.json": b"old"}
    else:
        receive.receive(io.BytesIO(stream), target, digest)
        assert content(target) == content(folder)
    assert not list(tmp_path.glob(".target*"))


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (28, r"no space left for .*target \([\d,]+ bytes are free there\); expected 1,234 bytes"),
        (122, "no space left"),
        (13, r"does not let this user write .*target \(Permission denied\); expected a place"),
        (30, r"does not let this user write .*target \(Read-only file system\)"),
        (5, r"cannot write .*target \(Input/output error\)"),
    ],
)
def test_what_the_disk_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    number: int, message: str,
) -> None:  # fmt: skip
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(receive, "_unpack", refuse)
    monkeypatch.setattr(receive.signal, "signal", lambda *_: None)
    monkeypatch.setattr(receive.os, "umask", lambda _: None)
    monkeypatch.setattr(receive.sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert receive.main([str(tmp_path / "target"), "0" * 64, "1234"]) == 1
    line = capsys.readouterr().out
    assert line.startswith(receive.MARK)
    values = json.loads(line[len(receive.MARK) :])
    sentence = f"{values['found']}; expected {values['expected']}; {values['remedy']}."
    with pytest.raises(StageError, match=message):
        raise StageError(values["found"], values["expected"], values["remedy"])
    assert sentence
    assert list(tmp_path.iterdir()) == []


#: A Python that any user may run; the tests' own may be in somebody's home.
PYTHON = shutil.which("python3", path="/usr/bin:/bin")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can run a program as another user")
@pytest.mark.skipif(PYTHON is None, reason="there is no python3 in /usr/bin")
def test_a_folder_of_somebody_else(folder: Path, tmp_path: Path) -> None:
    """As a user who is not root meets one of root's."""
    stream, digest = stream_of(folder), digest_of(folder)
    command = [PYTHON, "-c", ssh_copy.RECEIVE.read_text(), str(tmp_path / "t"), digest, "9"]
    done = subprocess.run(
        command, input=stream, capture_output=True, check=False, user=65534, cwd="/"
    )
    answer = json.loads(done.stdout.decode().removeprefix(receive.MARK))
    assert done.returncode == 1
    assert "does not let this user write" in answer["found"]
