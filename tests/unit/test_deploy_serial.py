"""`lepton deploy --serial`: loads the bitstream over USB, then the self-test over the line.

Loader and driver are fakes; the driver is started as the real one is.
"""

from pathlib import Path
from types import SimpleNamespace

import pytest

from lepton_hw.cli import hardware
from tests.flow.lepton import Said, lepton

Capture = pytest.CaptureFixture[str]
DRIVER = """import sys
print("driver", *sys.argv[1:])
"""
LOADER = """#!/bin/sh
echo "$@" > "$(dirname "$0")/loaded"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployment, and openFPGALoader on PATH beside it."""
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "design.bit").touch()
    loader = tmp_path / "openFPGALoader"
    loader.write_text(LOADER)
    loader.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    built: list[str] = []

    def deployed(_: str, __: str, toolchain: str, *___: object) -> SimpleNamespace:
        built.append(toolchain)
        return SimpleNamespace(deployment=tmp_path, built=built)

    monkeypatch.setattr(hardware, "_deployed", deployed)
    return tmp_path


def deploy(capsys: Capture, *arguments: str) -> Said:
    return lepton(capsys, "deploy", "digits_cnn", "--serial", "/dev/ttyUSB0", *arguments)


def test_the_bitstream_is_loaded_and_tested(capsys: Capture, folder: Path) -> None:
    said = deploy(capsys, "--board", "ulx3s")
    assert said.code == 0, said.err
    assert (folder / "loaded").read_text() == f"--board ulx3s --write-sram {folder}/design.bit\n"
    assert said.out == (
        "self-test on serial:/dev/ttyUSB0: driver --serial /dev/ttyUSB0 --selftest\n"
    )


def test_nothing_is_loaded_into_a_virtual_board(capsys: Capture, folder: Path) -> None:
    assert deploy(capsys, "--board", "ulx3s", "--toolchain", "virtual").code == 0
    assert not (folder / "loaded").exists()


def test_ways_that_a_board_does_not_have(capsys: Capture, folder: Path) -> None:
    said = deploy(capsys, "--board", "pynq_z2")
    assert (said.code, "is not loaded over USB" in said.error) == (1, True)
    said = deploy(capsys, "--board", "ulx3s", "--host", "board")
    assert (
        said.error == "both --host and --serial are given; expected one way to the board; drop one."
    )
