"""Our shell in Vivado: the plan and what its Tcl asks of Vivado, against a fake that runs the Tcl.

The fake is tclsh with Vivado's commands replaced; whether Vivado itself agrees is not shown here.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from fake_tools import Tools
from vivado_cases import same_as_golden, small_design
from vivado_texts import FULL, LICENCE, all_reports, timing_report, utilisation_7

from lepton_hw.bitstreams import zynq_vivado
from lepton_hw.bitstreams.request import Request
from lepton_hw.board import Board, load_board
from lepton_hw.design import read_design
from lepton_hw.errors import MissingTool, StageError
from lepton_hw.plan.execute import Failed, collect, run_plan
from lepton_hw.plan.plan import Plan, describe
from lepton_hw.progress import SILENT
from lepton_hw.rtl.shell import vivado as shell_vivado
from lepton_hw.tools import vivado
from lepton_hw.tools.vivado_runner import local

tcl = pytest.mark.skipif(shutil.which("tclsh") is None, reason="tclsh is not installed")
BOARDS = {"zynq7": "pynq_z2", "ultrascale": "zcu104"}


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    vivado.find.cache_clear()
    return Tools(tmp_path / "tools", all_reports())


@pytest.fixture
def board() -> Board:
    return load_board("pynq_z2")


@pytest.fixture
def plan(tmp_path: Path, board: Board) -> Plan:
    return shell_vivado.plan_vivado(small_design(tmp_path / "stitch"), board)


def build(plan: Plan, tools: Tools, folder: Path) -> None:
    run_plan(plan, folder, local(vivado.find(str(tools.folder))))


def failure(plan: Plan, tools: Tools, folder: Path, board: Board) -> Exception:
    with pytest.raises(Failed) as caught:
        build(plan, tools, folder)
    return shell_vivado.explain(caught.value, folder, board)


@pytest.mark.parametrize("family", BOARDS)
def test_the_plan(family: str, tmp_path: Path) -> None:
    folder = small_design(tmp_path / "stitch")
    plan = shell_vivado.plan_vivado(folder, load_board(BOARDS[family]))
    assert same_as_golden(f"plan_{family}.txt", describe(plan))


def test_the_plan_does_not_depend_on_its_place(tmp_path: Path, board: Board, plan: Plan) -> None:
    elsewhere = small_design(tmp_path / "some where/else")
    assert shell_vivado.plan_vivado(elsewhere, board).digest == plan.digest


@tcl
@pytest.mark.parametrize("family", BOARDS)
def test_what_the_tcl_asks_of_vivado(family: str, tmp_path: Path, tools: Tools) -> None:
    folder = tmp_path / "build"
    build(shell_vivado.plan_vivado(small_design(tmp_path / "s"), load_board(BOARDS[family])), tools,
          folder)  # fmt: skip
    text = "\n".join(tools.calls()).replace(str(folder), "BUILD") + "\n"
    assert same_as_golden(f"calls_{family}.txt", text)


@tcl
def test_a_build_and_its_results(tmp_path: Path, tools: Tools, plan: Plan, board: Board) -> None:
    folder, out = tmp_path / "a folder with spaces", tmp_path / "out"
    build(plan, tools, folder)
    collect(plan, folder, out)
    assert (out / "design.bit").is_file()
    assert 'NAME="PCW_FCLK0_PERIPHERAL_DIVISOR0"' in (out / "design.hwh").read_text()
    found = shell_vivado.read_results(out, board)
    assert (found.timing.wns, found.utilisation.lut.used, found.power.total) == (
        0.412,
        12345,
        1.623,
    )
    assert [run["argv"][:6] for run in tools.ran()] == [
        ["-mode", "batch", "-nojournal", "-log", f"vivado_{name}.log", "-source"]
        for name in ("synthesise", "implement", "bitstream")
    ]
    assert all(run["cwd"] == str(folder) for run in tools.ran())
    assert tools.ran()[0]["env"]["XILINX_VIVADO"] == str(tools.folder / "Vivado/2022.2")


@tcl
def test_memory_contents_are_found_from_anywhere(tmp_path: Path, tools: Tools, plan: Plan) -> None:
    folder = tmp_path / "with space"
    build(plan, tools, folder)
    text = (folder / "absolute/rtl/One_0/One_0.v").read_text()
    path = text.partition('.FILE("')[2].partition('"')[0]
    assert path == f"{folder}/rtl/One_0/weights.dat"
    assert Path(path).read_text() == "0f\n"


@tcl
def test_a_board_without_its_files(tmp_path: Path, tools: Tools, plan: Plan) -> None:
    tools.state["boards"] = ""
    tools.save()
    build(plan, tools, tmp_path / "b")
    calls = "\n".join(tools.calls())
    assert "set_property board_part" not in calls
    assert "set_property CONFIG.PCW_CRYSTAL_PERIPHERAL_FREQMHZ 50 ps" in calls
    assert "apply_board_preset 0" in calls


@tcl
def test_missed_timing_writes_no_bitstream(
    tmp_path: Path, tools: Tools, plan: Plan, board: Board
) -> None:
    tools.state["setup"] = "-1.25"
    tools.save()
    tools.reports(timing=timing_report(wns=-1.25))
    error = failure(plan, tools, tmp_path / "b", board)
    assert isinstance(error, StageError)
    assert "timing is missed by 1.250 ns at 100 MHz" in error.found
    assert "Setup_from_reg[3]/C to " in error.found
    assert not (tmp_path / "b/design.bit").exists()
    assert "write_bitstream" not in "\n".join(tools.calls())


@tcl
@pytest.mark.parametrize("slack", ["-0.001", "", "inf?"])
@pytest.mark.parametrize("kind", ["setup", "hold"])
def test_the_tcl_itself_refuses(
    tmp_path: Path, tools: Tools, plan: Plan, kind: str, slack: str
) -> None:
    tools.state[kind] = slack
    tools.save()
    with pytest.raises(Failed) as caught:
        build(plan, tools, tmp_path / "b")
    assert (caught.value.step.name, caught.value.code) == ("bitstream", vivado.MISSED_TIMING)
    assert f"LEPTON: {kind} slack {slack} ns" in caught.value.log.read_text()


@tcl
def test_an_over_full_part_after_routing(
    tmp_path: Path, tools: Tools, plan: Plan, board: Board
) -> None:
    tools.reports(utilization=utilisation_7(lut=60000))
    build(plan, tools, tmp_path / "b")
    with pytest.raises(StageError, match="needs 60,000 LUT and the part has 53,200"):
        shell_vivado.read_results(tmp_path / "b", board)


@tcl
@pytest.mark.parametrize(
    ("script", "text", "what"),
    [
        ("synthesise.tcl", LICENCE, "Vivado has no licence for xczu7ev"),
        ("implement.tcl", FULL, "the design needs 69,733 Slice LUTs"),
        ("implement.tcl", "ERROR: [Route 35-7] no\n", r"Vivado failed (exit code 1): [Route 35-7]"),
    ],
)
def test_what_vivado_says_becomes_a_sentence_and_the_build_goes_on(
    tmp_path: Path, tools: Tools, plan: Plan, board: Board, script: str, text: str, what: str
) -> None:
    tools.say(script, text)
    assert what in str(failure(plan, tools, tmp_path / "b", board))
    before = len(tools.ran())
    tools.state["say"] = {}
    tools.save()
    build(plan, tools, tmp_path / "b")
    again = [run["argv"][-1] for run in tools.ran()[before:]]
    names = ["synthesise.tcl", "implement.tcl", "bitstream.tcl"]
    assert again == names[names.index(script) :]


@tcl
def test_a_command_that_vivado_does_not_know_ends_the_build(
    tmp_path: Path, tools: Tools, plan: Plan, board: Board
) -> None:
    text = next(file for file in plan.files if file.name == "implement.tcl").source
    assert text is not None
    wrong = tmp_path / "implement.tcl"
    wrong.write_text(text.read_text().replace("opt_design\n", "opt_desing\n", 1))
    files = [
        vivado.source_file(file.name, wrong) if file.name == wrong.name else file
        for file in plan.files
    ]
    broken = plan.model_copy(update={"files": tuple(files)})
    error = failure(broken, tools, tmp_path / "b", board)
    assert 'invalid command name "opt_desing"' in str(error)


def test_killed_by_the_system(tmp_path: Path, tools: Tools, plan: Plan, board: Board) -> None:
    tools.say("synthesise.tcl", "INFO: working", 137)
    assert "ran out of memory" in str(failure(plan, tools, tmp_path / "b", board))


def test_no_licence_at_all(tmp_path: Path, tools: Tools, plan: Plan, board: Board) -> None:
    tools.say("synthesise.tcl", "", 42)
    assert isinstance(failure(plan, tools, tmp_path / "b", board), MissingTool)


def test_a_time_out(tmp_path: Path, tools: Tools, plan: Plan, board: Board) -> None:
    tools.say("synthesise.tcl", "INFO: working", 0, sleep=30)
    short = plan.steps[0].model_copy(update={"timeout": 1.0})
    slow = plan.model_copy(update={"steps": (short, *plan.steps[1:])})
    assert "Vivado took longer" in str(failure(slow, tools, tmp_path / "b", board))


@pytest.mark.parametrize("text", ["a", "a b", "a{b", 'q"x$y[z]', "back\\slash", ""])
def test_a_word_of_tcl_is_the_text(text: str, tmp_path: Path) -> None:
    import subprocess

    word = shell_vivado.tcl_word(text)
    if shutil.which("tclsh") is None:
        pytest.skip("tclsh is not installed")
    script = tmp_path / "x.tcl"
    script.write_text(f"puts -nonewline {word}")
    done = subprocess.run(["tclsh", str(script)], capture_output=True, text=True, check=True)
    assert done.stdout == text


@tcl
def test_the_way_of_the_bitstream_stage(
    tmp_path: Path, tools: Tools, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tools.bin}:{os.environ['PATH']}")
    monkeypatch.delenv(vivado.ROOT_VARIABLE, raising=False)
    folder = small_design(tmp_path / "stitch")
    work = tmp_path / "flow" / "work"
    work.mkdir(parents=True)
    empty = np.zeros((0, 4), np.int64)
    request = Request(
        read_design(folder), folder, board, work, work / "design.bit", (empty, empty), SILENT
    )
    figures = zynq_vivado.build(request)
    assert (figures.clock, figures.achieved) == (100.0, 104.3)
    assert figures.used == {"lut": 12345, "ff": 20000, "bram36": 3.5, "dsp": 4}
    assert figures.power == {"total": 1.623, "dynamic": 1.479, "static": 0.144}
    assert figures.power_corner == (
        "typical process, commercial, 43.7 °C junction, confidence medium"
    )
    assert figures.slack is not None
    assert (figures.slack["setup"], figures.slack["hold"]) == (0.412, 0.031)
    assert set(figures.seconds or {}) == {"synthesise", "implement", "bitstream"}
    assert {path.name for path in work.iterdir()} == {
        "design.bit", "design.hwh", "vivado.hwh", "reports", "logs",
    }  # fmt: skip

    tools.say("synthesise.tcl", LICENCE)
    assert zynq_vivado.build(request) == figures  # nothing runs again
    shutil.rmtree(tmp_path / "flow/.vivado")
    with pytest.raises(MissingTool, match="no licence for xczu7ev"):
        zynq_vivado.build(request)
