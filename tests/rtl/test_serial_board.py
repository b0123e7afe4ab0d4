"""The driver, whole, at a pseudo-terminal behind which the serial link is simulated."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lepton_hw.board import load_board
from lepton_hw.contract import InputContract, Port
from lepton_hw.deployment import write_deployment
from lepton_hw.onboard import Accelerator, DesignError, HardwareError
from lepton_hw.virtual import make as virtual_make
from lepton_hw.virtual.errors import BoardError
from lepton_hw.virtual.serial import SerialBoard, open_board
from tests.rtl.shell_cases import expected, make

SHAPE = (3, 5, 7)  # bytes of a beat in and out, beats a frame
BOARD = load_board("ulx3s")


def codes(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 7, 3), np.uint8)


def network(inputs: np.ndarray) -> np.ndarray:
    return expected(inputs.reshape(-1), *SHAPE).reshape(-1, 7, 5)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serial board")
    design = make(folder / "design", *SHAPE)
    digest = virtual_make.write_bitstream(folder / "design.bit", design, folder / "design", BOARD)
    ports = [Port(name=way, dtype="UINT8", shape=(7, width), layout="NWC")
             for way, width in zip(("in", "out"), SHAPE[:2], strict=True)]  # fmt: skip
    return write_deployment(
        folder / "deployed", folder / "design.bit", design,
        InputContract(input=ports[0], output=ports[1]), BOARD, digest,
        (codes(30).astype(np.int64), network(codes(30)).astype(np.int64)),
    )  # fmt: skip


@pytest.fixture
def board(deployed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SerialBoard]:
    with open_board(deployed) as found:
        monkeypatch.setenv("LEPTON_SERIAL", found.path)
        yield found


def test_infer_stream_profile(board: SerialBoard, deployed: Path) -> None:
    with Accelerator(deployed / "design.bit", batch=16) as accelerator:
        for count in (1, 2, 16, 50):
            assert np.array_equal(accelerator.infer(codes(count)), network(codes(count)))
        streamed = np.stack(list(accelerator.stream(iter(codes(40)), batch=5)))
        assert np.array_equal(streamed, network(codes(40)))
        seen = accelerator.profile(codes(20))
        assert seen.counters.frames_in == seen.counters.frames_done == 20
        assert 0 < seen.counters.latency < seen.counters.busy
        assert seen.counters.read_beats == codes(20).size
        assert accelerator.power_rails() == {}
    with Accelerator(deployed / "design.bit") as accelerator:
        assert np.array_equal(accelerator.infer(codes(3)), network(codes(3)))


def test_equal_programs_see_equal_cycles(deployed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for _ in range(2):
        with open_board(deployed) as board:
            monkeypatch.setenv("LEPTON_SERIAL", board.path)
            with Accelerator(deployed / "design.bit", batch=64) as accelerator:
                seen.append(accelerator.profile(codes(200)).counters)
    assert seen[0] == seen[1]


def test_reset_under_load(board: SerialBoard, deployed: Path) -> None:
    with Accelerator(deployed / "design.bit", batch=8) as accelerator:
        stream = accelerator.stream(iter(codes(100)))
        assert np.array_equal(next(stream), network(codes(100))[0])
        accelerator.reset()
        with pytest.raises(HardwareError, match="stopped by a reset"):
            list(stream)
        assert np.array_equal(accelerator.infer(codes(9)), network(codes(9)))


def test_what_a_host_left_behind_does_not_show(board: SerialBoard, deployed: Path) -> None:
    broken = Accelerator(deployed / "design.bit", batch=8)
    stream = broken.stream(iter(codes(100)))
    next(stream)
    broken._transport._port.write(b"\x7e\x03\x01")  # the middle of a frame
    broken._transport.close()
    with Accelerator(deployed / "design.bit") as accelerator:
        assert np.array_equal(accelerator.infer(codes(9)), network(codes(9)))


def test_unplugged_and_plugged_in_again(deployed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = open_board(deployed)
    monkeypatch.setenv("LEPTON_SERIAL", board.path)
    accelerator = Accelerator(deployed / "design.bit", batch=4)
    assert np.array_equal(accelerator.infer(codes(4)), network(codes(4)))
    board.close()
    with pytest.raises(HardwareError, match="the board does not answer"):
        accelerator.infer(codes(4))
    accelerator.close()
    with open_board(deployed) as again:
        monkeypatch.setenv("LEPTON_SERIAL", again.path)
        with Accelerator(deployed / "design.bit") as accelerator:
            assert np.array_equal(accelerator.infer(codes(4)), network(codes(4)))


def test_no_device_is_named(deployed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEPTON_SERIAL", raising=False)
    with pytest.raises(DesignError, match="pass --serial DEVICE, or set LEPTON_SERIAL"):
        Accelerator(deployed / "design.bit")


def test_the_board_runs_another_design(board: SerialBoard, deployed: Path, tmp_path: Path) -> None:
    design = make(tmp_path / "design", *SHAPE)
    (tmp_path / "none.bit").write_bytes(b"none")
    ports = [Port(name=way, dtype="UINT8", shape=(7, width), layout="NWC")
             for way, width in zip(("in", "out"), SHAPE[:2], strict=True)]  # fmt: skip
    other = write_deployment(
        tmp_path / "other", tmp_path / "none.bit", design,
        InputContract(input=ports[0], output=ports[1]), BOARD, "ab" * 32,
        (codes(1).astype(np.int64), network(codes(1)).astype(np.int64)),
    )  # fmt: skip
    with pytest.raises(DesignError, match="the running design has the digest"):
        Accelerator(other / "design.bit")


def test_served_by_a_process_and_tested_by_another(deployed: Path) -> None:
    """``serve-serial`` and ``driver.py --selftest``, as a user runs them."""
    server = subprocess.Popen(
        [sys.executable, "-m", "lepton_hw.virtual", "serve-serial", str(deployed)],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        assert server.stdout is not None
        path = server.stdout.readline().split(" at ")[1].split(";")[0]
        environment = {k: v for k, v in os.environ.items() if k != "LEPTON_SERIAL"}
        done = subprocess.run(
            [sys.executable, "driver.py", "--serial", path, "--selftest"],
            cwd=deployed, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    finally:
        server.terminate()
        assert server.wait(timeout=20) == 0
    assert done.stdout.startswith("30 of 30 vectors identical"), done.stderr


def test_a_folder_that_is_no_serial_board(deployed: Path, tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="cannot be read"):
        open_board(tmp_path)
    model = deployed / "design.sim" / "model.json"
    text = model.read_text()
    values = json.loads(text)
    try:
        model.write_text(json.dumps({**values, "segments": [["idma0", 0, 65536]]}))
        with pytest.raises(BoardError, match="is not the one that the bitstream names"):
            open_board(deployed)
    finally:
        model.write_text(text)
