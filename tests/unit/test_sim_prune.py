"""Built simulators that nobody used for long are deleted, and no other."""

import os
from pathlib import Path

from lepton_hw.sim import prune

NOW = 1_000_000_000.0
DAY = 24 * 3600


def library(cache: Path, name: str, days: float, size: int = 100) -> Path:
    folder = cache / name
    folder.mkdir()
    (folder / prune.LIBRARY).write_bytes(bytes(size))
    os.utime(folder, (NOW - days * DAY, NOW - days * DAY))
    return folder


def test_the_oldest_go_first_until_there_is_room(tmp_path: Path) -> None:
    for name, days in (("a", 3), ("b", 9), ("c", 5), ("d", 2)):
        library(tmp_path, name, days)
    gone = prune.prune(tmp_path, most=200, now=NOW)
    assert [folder.name for folder in gone] == ["b", "c"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "d"]


def test_what_was_used_today_stays(tmp_path: Path) -> None:
    library(tmp_path, "new", 0.5, size=1000)
    old = library(tmp_path, "old", 2)
    assert prune.prune(tmp_path, most=0, now=NOW) == [old]
    assert prune.prune(tmp_path, most=0, now=NOW) == []


def test_what_is_no_library_is_left_alone(tmp_path: Path) -> None:
    other = library(tmp_path, "other", 9)
    (other / prune.LIBRARY).rename(other / "something")
    (tmp_path / "failed.log").write_text("x")
    assert prune.prune(tmp_path, most=0, now=NOW) == []
    assert prune.prune(tmp_path / "missing", most=0, now=NOW) == []


def test_use_is_noted(tmp_path: Path) -> None:
    folder = library(tmp_path, "a", 9)
    assert prune.used(folder / prune.LIBRARY)
    assert prune.prune(tmp_path, most=0) == []
    assert not prune.used(tmp_path / "missing" / prune.LIBRARY)
