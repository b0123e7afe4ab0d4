"""The file of a recording: damaged, tampered with, too large, of another format; all refused."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_shell import FakeShell
from recordings import record, rewrite

from lepton_hw.onboard import DesignError, DriverError
from lepton_hw.onboard import recording as log
from lepton_hw.onboard.command import selftest
from lepton_hw.onboard.errors import InputError
from lepton_hw.onboard.recording import RecordingTransport
from lepton_hw.onboard.replay import ReplayTransport


@pytest.mark.parametrize("keep", [0, 2, 9, 100, -200, -9, -1])
def test_a_truncated_recording_is_refused(folder: Path, recorded: Path, keep: int) -> None:
    recorded.write_bytes(recorded.read_bytes()[:keep])
    with pytest.raises(DesignError, match=r"the recording .*traffic\.gz is cut off"):
        ReplayTransport(recorded)


def test_a_recording_without_its_end_is_refused(folder: Path, recorded: Path) -> None:
    lines = gzip.decompress(recorded.read_bytes()).splitlines(keepends=True)
    for rest in (lines[:-1], lines[:5], [*lines[:-1], lines[-1][:20]]):
        recorded.write_bytes(gzip.compress(b"".join(rest)))
        with pytest.raises(DesignError, match="is cut off"):
            ReplayTransport(recorded)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda whole: b"no gzip", r"cannot be read \(Not a gzipped file"),
        (lambda whole: whole[:40] + bytes([whole[40] ^ 255]) + whole[41:], "is damaged|cannot be"),
        (lambda whole: gzip.compress(gzip.decompress(whole).replace(b'"1.0"', b'"1.1"')),
         "was changed after it was made; expected the SHA-256 that it holds; record it again"),
    ],
)  # fmt: skip
def test_a_tampered_recording_is_refused(
    recorded: Path, content: Callable[[bytes], bytes], message: str
) -> None:
    recorded.write_bytes(content(recorded.read_bytes()))
    with pytest.raises(DesignError, match=message):
        ReplayTransport(recorded)


def test_a_bomb_is_not_unpacked(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MOST", 5000)
    with pytest.raises(DesignError, match="unpacks to more than 5,000 bytes"):
        ReplayTransport(recorded)


def test_a_bomb_of_lines_is_refused_before_any_is_parsed(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lepton_hw.onboard.replay.json", None)
    for line in (b"0\n", b"\n"):
        recorded.write_bytes(gzip.compress(line * (log.MOST_LINES + 1)))
        with pytest.raises(DesignError, match="has more than 1,048,576 lines"):
            ReplayTransport(recorded)


def test_no_recording_is_made_that_could_not_be_read(
    folder: Path, shell: FakeShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "MOST_LINES", 9)
    with pytest.raises(DriverError, match=r"would hold more than .* bytes or 9 lines"):
        record(folder, shell, selftest)


def test_deep_nesting_and_endless_clocks(recorded: Path) -> None:
    whole = gzip.decompress(recorded.read_bytes())
    rewrite(recorded, lambda lines: lines[0].update(clock_mhz=float("inf")))
    assert not hasattr(ReplayTransport(recorded), "clock_mhz")
    rewrite(recorded, lambda lines: lines[0].update(clock_mhz=10**400))
    assert not hasattr(ReplayTransport(recorded), "clock_mhz")
    recorded.write_bytes(gzip.compress(b"[" * 200_000 + b"\n" + whole))
    with pytest.raises(DesignError, match="is cut off or damaged; expected JSON in every line"):
        ReplayTransport(recorded)


@pytest.mark.parametrize(
    "entry",
    [["reed", 1], ["read", 1, 2], ["read", "1", 2, 3], ["flush", 0, None], [], "x", [["read"]],
     ["write", 1, True]],
)  # fmt: skip
def test_entries_of_another_kind_are_refused(recorded: Path, entry: Any) -> None:
    rewrite(recorded, lambda lines: lines.insert(3, entry))
    with pytest.raises(DesignError, match="garbles entry 3; expected one of read, write"):
        ReplayTransport(recorded)


def test_another_format_is_refused(recorded: Path, tmp_path: Path) -> None:
    rewrite(recorded, lambda lines: lines[0].update(format=2))
    with pytest.raises(DesignError, match="has another format; expected lepton_hw register"):
        ReplayTransport(recorded)
    with pytest.raises(DesignError, match=r"cannot be read \(No such file"):
        ReplayTransport(tmp_path / "none.gz")


def test_a_recording_that_cannot_be_written(
    folder: Path, shell: FakeShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"none/x\.gz cannot be written \(No such file"):
        RecordingTransport(shell, tmp_path / "none" / "x.gz")
    monkeypatch.setattr(log, "MOST", 3000)
    with pytest.raises(InputError, match="would hold more than 3,000 bytes"):
        record(folder, shell, selftest)
    assert list(folder.parent.glob("traffic*")) == []
    assert shell.closed
