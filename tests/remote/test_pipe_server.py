"""The driver on this side of a real SSH connection, a board's registers on the other."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_hw.onboard import Accelerator, DesignError, HardwareError, Stalled
from lepton_hw.onboard.command import selftest
from lepton_hw.onboard.pipe import PipeTransport
from lepton_hw.onboard.recording import RecordingTransport
from lepton_hw.onboard.replay import ReplayTransport
from lepton_hw.tools.ssh import Channel, Ssh
from tests.remote.conftest import UNIT, Server


def far_end(ssh: Ssh, folder: Path, fault: str = "") -> Channel:
    """The fake board served behind SSH, after a login script that prints."""
    return ssh.open([sys.executable, str(UNIT / "far_end.py"), str(folder), "Welcome!\n", fault])


def over(channel: Channel) -> PipeTransport:
    return PipeTransport(channel.reader, channel.writer, channel.last_words)


@pytest.fixture
def channel(ssh: Ssh, folder: Path) -> Iterator[Channel]:
    with far_end(ssh, folder) as channel:
        yield channel


def expected(codes: Any) -> Any:
    from onboard_cases import network

    return network(codes)


def batch(count: int) -> Any:
    from onboard_cases import random_batch

    return random_batch(count)


def ended(folder: Path) -> dict[str, Any]:
    """How the far end ended, a moment later."""
    for _ in range(200):
        try:
            values = json.loads((folder / "ended.json").read_text())
        except (OSError, ValueError):
            time.sleep(0.05)
            continue
        assert isinstance(values, dict)
        return values
    return {}


def test_the_driver_works_unchanged(channel: Channel, folder: Path) -> None:
    with Accelerator(folder / "design.bit", batch=8, transport=over(channel)) as accelerator:
        for count in (1, 2, 7, 8, 64):
            assert np.array_equal(accelerator.infer(batch(count)), expected(batch(count)))
        assert np.array_equal(list(accelerator.stream(batch(40))), expected(batch(40)))
        assert "9 of 9 vectors identical" in selftest(accelerator)
    assert channel.wait(10) == 0
    assert ended(folder) == {"code": 0, "closed": True, "resets": 0, "running": None}


def test_a_stall_there_is_named_here(ssh: Ssh, folder: Path) -> None:
    with far_end(ssh, folder, "no input") as channel:
        bit = folder / "design.bit"
        with Accelerator(bit, timeout=0.05, transport=over(channel)) as accelerator:
            with pytest.raises(Stalled, match="input side: idma0 runs and memory gives no data"):
                accelerator.infer(batch(1))
            assert np.array_equal(accelerator.infer(batch(9)), expected(batch(9)))


def test_the_connection_is_lost(server: Server, channel: Channel, folder: Path) -> None:
    accelerator = Accelerator(folder / "design.bit", batch=8, transport=over(channel))
    outputs = accelerator.stream(batch(60))
    next(outputs)
    server.drop()
    for _ in range(2):
        with pytest.raises(HardwareError, match=r"pipe to the board ended.* the connection to 127"):
            accelerator.infer(batch(1))
    accelerator.close()
    # What ran there was waited for or stopped, and everything was given back.
    values = ended(folder)
    assert (values["closed"], values["running"]) == (True, None)


def test_leaving_the_block_ends_the_far_end(channel: Channel, folder: Path) -> None:
    Accelerator(folder / "design.bit", transport=over(channel)).infer(batch(3))
    channel.close()
    assert ended(folder)["closed"]


def test_a_far_end_that_refuses(ssh: Ssh, folder: Path) -> None:
    command = [sys.executable, "-B", str(folder / "driver.py"), "--serve"]
    with (
        ssh.open(command) as channel,
        pytest.raises(DesignError, match="the package pynq is not installed"),
    ):
        over(channel)
    with (
        ssh.open(["python3", str(folder / "nothing.py")]) as channel,
        pytest.raises(HardwareError, match=r"the pipe to the board ended: .*nothing\.py.*No such"),
    ):
        over(channel)
    with (
        ssh.open(["python9"]) as channel,
        pytest.raises(HardwareError, match=r"the pipe to the board ended: .*python9"),
    ):
        over(channel)


def test_a_recording_through_the_pipe(channel: Channel, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "remote.gz"
    bit = folder / "design.bit"
    with Accelerator(bit, transport=RecordingTransport(over(channel), path)) as accelerator:
        selftest(accelerator)
    with Accelerator(bit, transport=ReplayTransport(path)) as accelerator:
        assert "9 of 9 vectors identical" in selftest(accelerator)
