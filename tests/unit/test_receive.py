"""The board's end of a copy alone, with streams that end anywhere and files that are not those."""

import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onboard_cases import deploy
from sent_streams import content, digest_of, stream_of

from lepton_hw.errors import StageError
from lepton_hw.onboard import receive
from lepton_hw.tools import ssh_copy


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
