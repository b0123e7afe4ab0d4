"""Vivado: where it is found, and what its log is said to mean."""

from pathlib import Path

import pytest
from fake_tools import Tools
from vivado_texts import FULL, FULL_DRC, LICENCE, all_reports

from lepton_hw.errors import LeptonError, MissingTool, StageError
from lepton_hw.tools import vivado

PLACE = Path("logs/1_implement.log")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    monkeypatch.delenv(vivado.ROOT_VARIABLE, raising=False)
    vivado.find.cache_clear()
    return Tools(tmp_path / "a b", all_reports())


def problem(log: str, code: int | None = 1) -> LeptonError:
    return vivado.problem(log, code, PLACE, "xc7z020clg400-1")


def test_it_is_found_below_the_root(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    tools.with_hls()
    old = tools.folder / "Vivado/2019.1/bin"
    old.mkdir(parents=True)
    (old / "vivado").write_text("")
    monkeypatch.setenv(vivado.ROOT_VARIABLE, str(tools.folder))
    found = vivado.find()
    assert (found.version, found.home.name) == ("2022.2", "2022.2")
    assert found.hls == tools.folder / "Vitis_HLS/2022.2"
    assert found.environment()["XILINX_VIVADO"] == str(tools.folder / "Vivado/2022.2")
    assert found.path() == [str(found.home / "bin"), str(found.hls / "bin")]


def test_the_newer_layout(tmp_path: Path) -> None:
    for name in ("2025.1/Vivado/bin/vivado", "Vivado/2024.2/bin/vivado"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("")
    homes = [home.relative_to(tmp_path).as_posix() for home in vivado.homes_below(tmp_path)]
    assert homes == ["Vivado/2024.2", "2025.1/Vivado"]


def test_it_is_found_on_path(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tools.bin))
    assert vivado.find().program == tools.bin / "vivado"


def test_it_is_absent(tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match=r"Vivado is not installed; expected Vivado 2022\.1"):
        vivado.find()
    with pytest.raises(MissingTool, match="there is no Vivado below"):
        vivado.find(str(tmp_path / "nowhere"))


def test_it_is_too_old(tools: Tools) -> None:
    tools.state["version"] = "Vivado v2018.3 (64-bit)"
    tools.save()
    with pytest.raises(MissingTool, match=r"Vivado 2018\.3 is installed; expected 2022\.1"):
        vivado.find(str(tools.folder))


def test_it_does_not_start(tools: Tools) -> None:
    tools.state["version"] = "libtinfo.so.5: cannot open shared object file"
    tools.save()
    with pytest.raises(MissingTool, match=r"does not tell its version \(libtinfo"):
        vivado.find(str(tools.folder))


@pytest.mark.parametrize(
    "log",
    [
        LICENCE,
        "ERROR: [Common 17-345] A valid license was not found for feature 'Implementation'\n",
        "FLEXnet Licensing error:-15,570\nCannot connect to license server system.\n",
        "WARNING: [Common 17-348] Failed to get the license for feature 'Synthesis'\n",
    ],
)
def test_a_missing_licence(log: str) -> None:
    error = problem(log)
    assert isinstance(error, MissingTool)
    assert error.found.startswith("Vivado has no licence")


def test_the_licence_of_a_device() -> None:
    assert problem(LICENCE).found.startswith("Vivado has no licence for xczu7ev ([Common 17-345]")
    assert problem("", 42).found == "Vivado has no licence (exit code 42)"


def test_a_licence_that_was_only_looked_for_is_not_the_reason() -> None:
    log = (
        "WARNING: [Common 17-348] Failed to get the license for feature 'x'\nERROR: [Synth 8] no\n"
    )
    assert problem(log).found == "Vivado failed (exit code 1): [Synth 8] no"


@pytest.mark.parametrize(
    ("log", "what"),
    [
        (FULL, "69,733 Slice LUTs and the part has 53,200"),
        (FULL_DRC, "301 DSPs and the part has 220"),
    ],
)
def test_an_over_full_part(log: str, what: str) -> None:
    error = problem(log)
    assert error.found == f"the design needs {what}"
    assert "larger board" in error.remedy


def test_what_is_not_installed() -> None:
    part = "WARNING: [Device 21-436] No parts matched 'x'\nERROR: [Coretcl 2-106] Specified part\n"
    assert problem(part).found == "this Vivado does not know the part xc7z020clg400-1"
    board = "ERROR: [Board 49-71] The board_part definition was not found for a:b:part0:1.0. The\n"
    assert problem(board).found == "this Vivado does not know the board a:b:part0:1.0"
    assert isinstance(problem(board), MissingTool)


@pytest.mark.parametrize("log", ["terminate: std::bad_alloc", "Cannot allocate memory", "Killed"])
def test_out_of_memory(log: str) -> None:
    code = 137 if log == "Killed" else 1
    assert problem(log, code).found == "Vivado ran out of memory or was killed"
    assert problem("", -9).found == "Vivado ran out of memory or was killed"


def test_a_full_disk_and_a_time_out() -> None:
    assert problem("write: No space left on device").found == "the disk is full"
    assert problem("INFO: routing", None).found == "Vivado took longer than it may"


def test_missed_timing_without_a_report() -> None:
    error = problem("LEPTON: setup slack -0.25 ns from a/C to b/D\n", vivado.MISSED_TIMING)
    assert error.found == "timing is missed: the setup slack is -0.25 ns from a/C to b/D"
    unconstrained = problem("LEPTON: there is no constrained setup path\n", vivado.MISSED_TIMING)
    assert unconstrained.found == "timing is missed: there is no constrained setup path"


def test_anything_else_is_its_first_error() -> None:
    log = "INFO: x\nERROR: [Synth 8-439] module 'dot' not found [/b/design.sv:3]\nERROR: second\n"
    error = problem(log)
    assert isinstance(error, StageError)
    assert str(error) == (
        "Vivado failed (exit code 1): [Synth 8-439] module 'dot' not found [/b/design.sv:3];"
        " expected a design that it implements; read logs/1_implement.log."
    )
    assert problem("something odd\n").found == "Vivado failed (exit code 1): something odd"
    assert problem("").found == "Vivado failed (exit code 1): it said nothing"
