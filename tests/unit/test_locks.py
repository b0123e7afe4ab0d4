"""One writer at a time: the lock of a build folder, and that of a board."""

import multiprocessing as mp
import os
from pathlib import Path
from typing import Any

import pytest

from lepton_hw.artifacts import locked
from lepton_hw.errors import InputError
from lepton_hw.onboard.errors import DesignError
from lepton_hw.onboard.transport import claim


def _hold(folder: Path, held: Any, release: Any) -> None:
    with locked(folder, lambda _: None):
        held.set()
        release.wait(60)


def _holder(folder: Path) -> tuple[Any, Any]:
    """A process that holds the lock, and the event that lets go of it."""
    context = mp.get_context("spawn")
    held, release = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(folder, held, release))
    holder.start()
    assert held.wait(60)
    return holder, release


def test_a_second_build_waits_and_is_told_who_holds_it(tmp_path: Path) -> None:
    holder, release = _holder(tmp_path)
    told: list[str] = []

    def waiting(who: str) -> None:
        told.append(who)
        release.set()  # only now can the lock be had: the wait below is real

    with locked(tmp_path, waiting):
        holder.join(60)
        assert holder.exitcode == 0
    assert told == [f"process {holder.pid} on {os.uname().nodename}"]


def test_a_free_lock_is_taken_at_once(tmp_path: Path) -> None:
    told: list[str] = []
    for _ in range(2):
        with locked(tmp_path, told.append):
            pass
    assert told == []


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    holder, _ = _holder(tmp_path)
    holder.kill()
    holder.join(60)
    told: list[str] = []
    with locked(tmp_path, told.append):
        pass
    assert told == []


def in_the_way(path: Path, kind: str) -> None:
    """Makes something at `path` that is no lock; its neighbour `precious` is a file."""
    precious = path.with_name("precious")
    precious.write_text("keep me")
    if kind == "link":
        path.symlink_to(precious)
    elif kind == "link to nothing":
        path.symlink_to(path.with_name("new"))
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", ["link", "link to nothing", "pipe", "folder"])
def test_only_a_plain_file_is_the_lock(tmp_path: Path, kind: str) -> None:
    in_the_way(tmp_path / ".lock", kind)
    with pytest.raises(InputError) as error, locked(tmp_path, print):
        pass
    assert str(error.value) == (
        f"{tmp_path}/.lock is a link, a folder or a device; expected a plain file, which is the "
        "lock; remove it."
    )
    assert (tmp_path / "precious").read_text() == "keep me"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "precious"]


@pytest.mark.parametrize("kind", ["link", "link to nothing", "pipe", "folder"])
def test_only_a_plain_file_is_the_lock_of_a_board(tmp_path: Path, kind: str) -> None:
    in_the_way(tmp_path / "lock", kind)
    with pytest.raises(DesignError, match=r"/lock is a link, a folder or a device; .* remove it"):
        claim(tmp_path / "lock")
    assert (tmp_path / "precious").read_text() == "keep me"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "precious"]
