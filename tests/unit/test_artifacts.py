"""Artifacts: written whole or not at all, and noticed when they change."""

import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest

from lepton_hw import artifacts
from lepton_hw.artifacts import Artifact, load, locked, new_folder, save, unchanged
from lepton_hw.errors import InputError
from lepton_hw.training import checkpoint


class Thing(Artifact):
    stage = "thing"
    size: int


def make(folder: Path, text: str = "content", seconds: float = 1.0) -> Thing:
    with new_folder(folder) as new:
        (new / "sub").mkdir()
        (new / "sub" / "file.txt").write_text(text)
        save(Thing(size=3), new, key="abc", seconds=seconds)
    artifact = load(Thing, folder)
    assert artifact is not None
    return artifact


def test_saved_and_loaded(tmp_path: Path) -> None:
    artifact = make(tmp_path / "thing")
    assert (artifact.key, artifact.size, artifact.seconds) == ("abc", 3, 1.0)
    assert list(artifact.files) == ["sub/file.txt"]
    assert artifact.folder == tmp_path / "thing"
    assert artifact.path("sub/file.txt").read_text() == "content"
    assert unchanged(artifact)


def test_the_digest_follows_content_and_not_time(tmp_path: Path) -> None:
    first = make(tmp_path / "a", seconds=1.0).digest
    assert make(tmp_path / "b", seconds=2.0).digest == first
    assert make(tmp_path / "c", text="other").digest != first


def test_a_value_has_one_digest() -> None:
    assert artifacts.digest({"a": 1, "b": (1, 2)}) == artifacts.digest({"b": [1, 2], "a": 1})
    assert artifacts.digest({"a": 1}) != artifacts.digest({"a": 2})


@pytest.mark.parametrize("harm", ["changed", "deleted"])
def test_a_harmed_file_is_noticed(tmp_path: Path, harm: str) -> None:
    artifact = make(tmp_path / "thing")
    file = artifact.path("sub/file.txt")
    file.write_text("tampered") if harm == "changed" else file.unlink()
    assert not unchanged(artifact)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"key": "a", "size": "many"}', '{"key": "a", "size": 1, "new": 2}']
)
def test_what_is_no_artifact_is_none(tmp_path: Path, text: str) -> None:
    assert load(Thing, tmp_path) is None
    (tmp_path / artifacts.FILE).write_text(text)
    assert load(Thing, tmp_path) is None


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_a_broken_run_leaves_the_old_and_no_traces(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    make(tmp_path / "thing", text="old")
    with pytest.raises(interruption), new_folder(tmp_path / "thing") as new:
        (new / "half.txt").write_text("half")
        raise interruption
    old = load(Thing, tmp_path / "thing")
    assert old is not None
    assert unchanged(old)
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_a_broken_first_run_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "build" / "thing"):
        raise KeyboardInterrupt
    assert list((tmp_path / "build").iterdir()) == []


def test_a_second_run_takes_the_place_of_the_first(tmp_path: Path) -> None:
    make(tmp_path / "thing", text="old")
    assert make(tmp_path / "thing", text="new").path("sub/file.txt").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_the_rest_of_a_killed_run_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".thing.tmp-killed" / "sub").mkdir(parents=True)
    make(tmp_path / "thing")
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "value.json"
    artifacts.write_atomically(path, "old")

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            artifacts.write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    artifacts.write_atomically(path, "new")
    assert path.read_text() == "new"


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "thing", text="old")

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        with pytest.raises(InputError) as error:
            make(tmp_path / "thing", text="new")
    assert re.fullmatch(
        rf"the disk that holds {re.escape(str(tmp_path))}\S* is full; expected free space; "
        r"free some and run again\.",
        str(error.value),
    )
    old = load(Thing, tmp_path / "thing")
    assert old is not None
    assert unchanged(old)
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_a_real_full_device_is_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="is full; expected free space; free some and run again"),
        new_folder(tmp_path / "thing"),
        Path("/dev/full").open("w") as file,
    ):
        file.write("x" * 100_000)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_build_folder_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(tmp_path / "x"))

    monkeypatch.setattr(artifacts, "_beside", refused)  # root may write everywhere
    with pytest.raises(InputError) as error, new_folder(tmp_path / "thing"):
        pass
    assert str(error.value) == (
        f"the build folder {tmp_path} cannot be written (Permission denied); expected a folder "
        "that you may write to; change its permissions or pass --build-dir."
    )


def test_an_error_about_something_else_stays_what_it_is(tmp_path: Path) -> None:
    refused = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/data/image.png")
    with pytest.raises(PermissionError), new_folder(tmp_path / "thing"):
        raise refused
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("a file")
    with pytest.raises(InputError) as error, locked(tmp_path / "build", print):
        pass
    assert "cannot be made (File exists)" in str(error.value)
    assert "pass another one with --build-dir" in str(error.value)


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("x" * 300, "File name too long"),
        ("loop/x", "Too many levels of symbolic links"),
        ("/proc/none", "No such file or directory"),
    ],
)
def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path, folder: str, reason: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    place = tmp_path / folder
    for attempt in (
        lambda: locked(place, print).__enter__(),
        lambda: new_folder(place / "thing").__enter__(),
        lambda: artifacts.write_atomically(place / "file", "text"),
    ):
        with pytest.raises(InputError) as error:
            attempt()
        assert f"cannot be made ({reason}); expected a folder" in str(error.value)
        assert "pass another one with --build-dir" in str(error.value)


def test_an_absent_file_within_a_stage_is_no_matter_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), new_folder(tmp_path / "thing") as new:
        (new / "none").read_text()


@pytest.mark.parametrize(("mask", "folder", "file"), [(0o22, 0o755, 0o644), (0o77, 0o700, 0o600),
                                                      (0o02, 0o775, 0o664)])  # fmt: skip
def test_rights_are_those_that_the_user_wants(
    tmp_path: Path, mask: int, folder: int, file: int
) -> None:
    before = os.umask(mask)
    try:
        artifact = make(tmp_path / "thing")
        checkpoint.write(tmp_path / "build", "key", {"epoch": 1})
        with locked(tmp_path / "build", print):
            pass
    finally:
        os.umask(before)
    assert artifact.folder.stat().st_mode & 0o777 == folder
    files = artifact.path(artifacts.FILE), *(tmp_path / "build").iterdir()
    assert {path.name for path in files} == {artifacts.FILE, ".lock", checkpoint.FILE}
    for path in files:
        assert path.stat().st_mode & 0o777 == file
