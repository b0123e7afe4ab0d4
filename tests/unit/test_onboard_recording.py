"""Recordings of register traffic: made on the fake shell, played back, and each change caught."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_shell import FakeShell
from onboard_cases import DIGEST, fake, network, random_batch
from recordings import places, record, replay, rewrite

from lepton_hw.onboard import Accelerator, DriverError, HardwareError, Stalled
from lepton_hw.onboard import recording as log
from lepton_hw.onboard.command import main, selftest
from lepton_hw.onboard.errors import Different
from lepton_hw.onboard.recording import RecordingTransport, driver_digest
from lepton_hw.onboard.replay import ReplayTransport, read_recording


def test_a_selftest_is_played_back(folder: Path, recorded: Path) -> None:
    head, entries = read_recording(recorded)
    assert head == {
        "kind": "lepton_hw register traffic", "format": 1, "digest": DIGEST, "shell": "1.0",
        "driver": driver_digest(), "clock_mhz": None,
    }  # fmt: skip
    assert {entry[0] for entry in entries} == set(log.FIELDS) - {log.RELOAD}
    assert max(entry[3] for entry in entries if entry[0] == log.READ) > 60
    assert "9 of 9 vectors identical" in replay(folder, recorded)
    assert not recorded.with_name("traffic.gz.part").exists()


def test_equal_traffic_gives_an_equal_file(folder: Path, recorded: Path) -> None:
    first = recorded.read_bytes()
    shell = fake()
    shell.reads = 70
    assert record(folder, shell, selftest).read_bytes() == first


def test_polls_may_differ_in_number(folder: Path, shell: FakeShell) -> None:
    def look(accelerator: Accelerator) -> None:
        assert np.array_equal(accelerator.infer(random_batch(2)), network(random_batch(2)))

    shell.reads = 40
    path = record(folder, shell, look)
    for polls in (1, 5, 60):

        def edit(lines: list[Any], polls: int = polls) -> None:
            lines[places(lines, "read", 0x10000, 1)[0]][3] = polls

        assert any(entry[:3] == ["read", 0x10000, 1] for entry in read_recording(path).entries)
        rewrite(path, edit)
        replay(folder, path, look)


def test_a_driver_may_poll_less_or_more(folder: Path, shell: FakeShell, tmp_path: Path) -> None:
    """As one that sleeps between two polls, or one on a faster machine."""
    transport = RecordingTransport(shell, tmp_path / "traffic.gz")
    for _ in range(5):
        transport.read(0x2000C)
    transport.write(0x20008, 4)
    transport.read(0x2000C)
    transport.close()
    for polls in (1, 5, 500):
        again = ReplayTransport(tmp_path / "traffic.gz")
        assert {again.read(0x2000C) for _ in range(polls)} == {0}
        again.write(0x20008, 4)
        again.read(0x2000C)
        again.close()
    again = ReplayTransport(tmp_path / "traffic.gz")
    with pytest.raises(Different, match=r"access 1 of 3 .*\(write 0x20008 = 0x4\); expected what"):
        again.write(0x20008, 4)  # not at all is another thing
    again = ReplayTransport(tmp_path / "traffic.gz")
    again.read(0x2000C)
    again.write(0x20008, 4)
    again.read(0x2000C)
    with pytest.raises(Different, match=r"access 4 of 3 .* its end"):
        again.read(0x2000C)  # once then, once now


def test_a_stall_is_played_back(folder: Path, shell: FakeShell) -> None:
    def stalls(accelerator: Accelerator) -> None:
        with pytest.raises(Stalled, match="input side: idma0 runs and memory gives no data"):
            accelerator.infer(random_batch(3))
        assert np.array_equal(accelerator.infer(random_batch(3)), network(random_batch(3)))

    shell.fault = "no input"
    path = record(folder, shell, stalls)
    replay(folder, path, stalls)
    shell = fake()
    shell.fault = "dead"

    def dies(accelerator: Accelerator) -> None:
        with pytest.raises(Stalled):
            accelerator.infer(random_batch(1))

    path = record(folder, shell, dies)
    assert ["reload"] in read_recording(path).entries
    replay(folder, path, dies)


def at(lines: list[Any], index: int, *start: Any) -> list[Any]:
    return lines[places(lines, *start)[index]]


def drop(lines: list[Any], index: int, *start: Any) -> None:
    del lines[places(lines, *start)[index]]


def swap(lines: list[Any]) -> None:
    first = places(lines, "write", 0x10010)[0]
    lines[first], lines[first + 1] = lines[first + 1], lines[first]


def flip(entry: list[Any]) -> None:
    entry[2] = ("B" if entry[2][0] == "A" else "A") + entry[2][1:]


@pytest.mark.parametrize(("change", "message"), [
    (lambda all_: at(all_, 0, "read", 0x20020).__setitem__(2, 5),
     "the running design has the digest 00000005"),
    (lambda all_: flip(at(all_, 0, "invalidate", 1)),
     r"the board gives -?\d+ at \(0, 0\), in a batch of 1; expected"),
    (lambda all_: at(all_, 1, "read", 0x20010).__setitem__(2, 1),
     r"\(read 0x20014\); expected what was recorded: invalidate .* an answer that was changed"),
    (lambda all_: drop(all_, 0, "write", 0x00010),
     r"\(write 0x00010 = 0x1000\); expected what was recorded: write 0x00014 = 0x0"),
    (lambda all_: drop(all_, 0, "flush", 0),
     r"\(flush of buffer 0 with the SHA-256 \w+…\); expected .*: write 0x10010 = 0x2000"),
    (lambda all_: drop(all_, 0, "invalidate", 1), r"\(invalidate of buffer 1\); expected "),
    (lambda all_: drop(all_, 1, "read", 0x20010), r"\(read 0x20010\); expected .*: invalidate"),
    (lambda all_: at(all_, 0, "allocate").__setitem__(2, 0x9000),
     r"\(write 0x00010 = 0x9000\); expected what was recorded: write 0x00010 = 0x1000"),
    (lambda all_: at(all_, 0, "allocate").__setitem__(1, 40),
     r"\(allocate 32 bytes\); expected what was recorded: allocate 40 bytes"),
    (lambda all_: at(all_, 0, "flush", 0).__setitem__(2, "0" * 64), "expected .* 000000000000…"),
    (lambda all_: at(all_, 0, "invalidate", 1).__setitem__(2, "AAAA"),
     r"\(16 bytes were allocated\); expected what was recorded: invalidate of buffer 1"),
    (lambda all_: all_.append(["write", 0x20008, 4]),
     r"access \d+ of \d+ .*\(the driver ended\); expected .*: write 0x20008 = 0x4"),
    (lambda all_: all_.__delitem__(slice(80, None)), r"; expected what was recorded: its end"),
    (swap, r"\(write 0x10010 = 0x2000\); expected .*: write 0x10014"),
])  # fmt: skip
def test_what_was_changed_is_named(
    folder: Path, recorded: Path, change: Callable[[list[Any]], Any], message: str
) -> None:
    rewrite(recorded, change)
    with pytest.raises(DriverError, match=message):
        replay(folder, recorded)


def test_a_counter_is_a_figure_and_no_result_depends_on_it(folder: Path, recorded: Path) -> None:
    rewrite(recorded, lambda all_: at(all_, -1, "read", 0x200A0).__setitem__(2, 4711))
    assert "latency 4711 cycles" in replay(folder, recorded)


def test_every_single_drop_of_a_write_or_read_is_caught(folder: Path, shell: FakeShell) -> None:
    """All entries but polls, one by one: none can be missing without being noticed."""

    def one(accelerator: Accelerator) -> None:
        assert np.array_equal(accelerator.infer(random_batch(1)), network(random_batch(1)))

    path = record(folder, shell, one)
    whole = path.read_bytes()
    count = len(read_recording(path).entries)
    assert count > 30
    for number in range(1, count + 1):
        path.write_bytes(whole)
        dropped: list[Any] = []
        rewrite(path, lambda lines, at=number, out=dropped: out.append(lines.pop(at)))
        if dropped[0][:2] == ["read", 0x10000] and dropped[0][2] & 2 == 0:
            continue  # polls before the last may differ in number
        with pytest.raises(DriverError):
            replay(folder, path, one)


def test_another_driver_is_named(folder: Path, recorded: Path) -> None:
    rewrite(recorded, lambda lines: (lines[0].update(driver="0" * 64), lines.pop(40)))
    with pytest.raises(Different, match="it was made with another driver, so look for what"):
        replay(folder, recorded)


def test_a_board_that_goes_away_is_recorded_until_then(folder: Path, shell: FakeShell) -> None:
    def work(accelerator: Accelerator) -> None:
        accelerator.infer(random_batch(1))
        shell.unplugged_in = 0
        with pytest.raises(HardwareError, match="no route to host"):
            accelerator.infer(random_batch(1))

    entries = read_recording(record(folder, shell, work)).entries
    assert entries[-1] == ["write", 0, 1]


def test_from_the_command_line(
    folder: Path, shell: FakeShell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "selftest.gz"
    assert main(["--selftest", "--record", str(path)], folder, shell) == 0
    assert shell.closed
    capsys.readouterr()
    assert main(["--selftest", "--replay", str(path)], folder) == 0
    assert "9 of 9 vectors identical" in capsys.readouterr().out
    path.write_bytes(path.read_bytes()[:-5])
    assert main(["--selftest", "--replay", str(path)], folder) == 1
    assert "is cut off" in capsys.readouterr().err
    other = fake()
    other.fixed[0] = 0  # a design that the driver refuses: nothing is left behind
    assert main(["--selftest", "--record", str(tmp_path / "b.gz")], folder, other) == 1
    assert not (tmp_path / "b.gz.part").exists()
    for wrong in (["--serve", "--selftest"], ["--record", "x", "--replay", "y", "--selftest"], []):
        with pytest.raises(SystemExit):
            main(wrong, folder, fake())
