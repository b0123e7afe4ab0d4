"""A user's own files in the folder of an artifact are still there when its stage ran again."""

from pathlib import Path

import pytest

from lepton_hw import artifacts
from lepton_hw.artifacts import FILE, Artifact, kept_or_made, load, new_folder, unchanged


class Thing(Artifact):
    stage = "thing"


def made(folder: Path, key: str, *names: str) -> Thing:
    """The artifact of this key, which writes these files."""

    def work(workdir: Path) -> Thing:
        for name in names:
            (workdir / name).parent.mkdir(parents=True, exist_ok=True)
            (workdir / name).write_text(f"{name} of {key}")
        return Thing()

    return kept_or_made(Thing, folder, key, work)[0]


def written(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != FILE]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_they_stay_where_they_were(tmp_path: Path) -> None:
    folder = tmp_path / "thing"
    made(folder, "a", "old.txt", "sub/ours.txt")
    written(folder, "notes.txt", "sub/more.txt", ".hidden/x")
    (folder / "link").symlink_to("/nowhere")
    (folder / "notes.txt").chmod(0o640)
    artifact = made(folder, "b", "sub/ours.txt")
    mine = dict.fromkeys(("notes.txt", "sub/more.txt", ".hidden/x"), "mine")
    assert contents(folder) == {"sub/ours.txt": "sub/ours.txt of b", **mine}
    assert (folder / "link").readlink() == Path("/nowhere")
    assert (folder / "notes.txt").stat().st_mode & 0o777 == 0o640
    assert list(artifact.files) == ["sub/ours.txt"]
    assert unchanged(artifact)
    assert made(folder, "b").digest == artifact.digest  # they are no reason to run again
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_a_name_that_the_artifact_takes_now(tmp_path: Path) -> None:
    folder = tmp_path / "thing"
    made(folder, "a", "ours.txt")
    written(folder, "new.txt", "name/x", "kept/new.txt")
    (folder / "name" / "x").write_text("other")
    (folder / "new.txt").write_text("third")
    made(folder, "b", "new.txt", "name")
    assert contents(folder) == {
        "new.txt": "new.txt of b", "name": "name of b",
        "kept/new.txt": "mine", "kept/name/x": "other", "kept/kept/new.txt": "third",
    }  # fmt: skip


@pytest.mark.parametrize("text", [None, "{", "[]", "{}"])
def test_without_a_list_everything_stays(tmp_path: Path, text: str | None) -> None:
    folder = tmp_path / "thing"
    written(folder, "notes.txt")
    if text is not None:
        made(folder, "a", "same.txt")
        (folder / FILE).write_text(text)
    made(folder, "a", "same.txt")
    assert contents(folder) == {"same.txt": "same.txt of a", "notes.txt": "mine"}


def test_an_interrupted_run_moves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "thing"
    made(folder, "a", "ours.txt")
    written(folder, "notes.txt")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(artifacts, "_take_place", killed)
        with pytest.raises(KeyboardInterrupt):
            made(folder, "b", "ours.txt")
    assert contents(folder) == {"ours.txt": "ours.txt of a", "notes.txt": "mine"}
    artifact = load(Thing, folder)
    assert artifact is not None
    assert unchanged(artifact)


def test_a_folder_that_is_no_artifact_is_replaced_whole(tmp_path: Path) -> None:
    written(tmp_path / "cache", "old")
    with new_folder(tmp_path / "cache") as new:
        written(new, "new")
    assert contents(tmp_path / "cache") == {"new": "mine"}
