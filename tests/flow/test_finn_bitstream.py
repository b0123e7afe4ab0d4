"""FINN's own flow to a bitstream: FINN is the real one, Vivado and Vitis HLS are fakes.

So FINN's steps run on our compiled model, generate RTL and call the programs; what those would
make of it is not shown here.
"""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from lepton_hw.compiler import finn_bitstream, finn_build
from lepton_hw.errors import InputError, MissingTool, StageError
from lepton_hw.plan.execute import Failed, collect, run_plan
from lepton_hw.plan.plan import Plan
from lepton_hw.rtl.finn_sources import ADJUSTMENTS, adjust
from lepton_hw.tools import vivado
from lepton_hw.tools.vivado_runner import local

from ..unit.fake_tools import Tools
from ..unit.vivado_texts import LICENCE, all_reports, timing_report
from .conftest import Built

pytestmark = pytest.mark.skipif(shutil.which("tclsh") is None, reason="tclsh is not installed")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    vivado.find.cache_clear()
    for name in finn_build.DEPENDENCIES:
        (tmp_path / "deps" / name).mkdir(parents=True)
    monkeypatch.setenv("FINN_DEPS", str(tmp_path / "deps"))
    tools = Tools(tmp_path / "opt", all_reports())
    tools.with_hls()
    return tools


@pytest.fixture
def plan(built: Built) -> Plan:
    return finn_bitstream.plan_finn(built.compiled.folder, built.board, workers=1)


def build(plan: Plan, tools: Tools, folder: Path) -> None:
    run_plan(plan, folder, local(vivado.find(str(tools.folder))))


def test_finn_builds_our_model_from_repaired_sources(
    plan: Plan, tools: Tools, tmp_path: Path, built: Built
) -> None:
    folder = tmp_path / "b"
    tools.state["setup"] = "-0.7"
    tools.save()
    tools.reports(timing=timing_report(wns=-0.7))
    with pytest.raises(Failed) as caught:
        build(plan, tools, folder)
    error = finn_bitstream.explain(caught.value, folder, built.board)
    assert "timing is missed by 0.700 ns at 100 MHz" in error.found

    # With timing met, the build goes on behind FINN's step.
    before = len(tools.ran())
    tools.state["setup"] = "0.1"
    tools.save()
    tools.reports(**all_reports())
    build(plan, tools, folder)
    assert [run["argv"][-1] for run in tools.ran()[before:]] == ["finn_reports.tcl"]
    collect(plan, folder, tmp_path / "out")
    names = {"design.bit", "design.hwh", "deploy.zip", "resources.json", "reports", "logs"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    with zipfile.ZipFile(tmp_path / "out/deploy.zip") as package:
        inside = set(package.namelist())
    assert {"bitfile/finn-accel.bit", "bitfile/finn-accel.hwh", "driver/settings.json"} <= inside

    # What FINN told Vivado to stitch: our kernels, and nothing of FINN's that we repair.
    stitched = (tools.folder / "stitched.txt").read_text()
    assert "mvau_lut.sv" in stitched
    used = [word for word in stitched.split() if Path(word).name in ADJUSTMENTS]
    assert used
    for word in used:
        assert Path(word).is_relative_to(folder), word
        assert adjust_again(Path(word)) == "already", word

    # The depths of the FIFOs are those that the simulation found.
    depths = {node.name: node.depth for node in built_nodes(built) if node.depth}
    for name, depth in depths.items():
        generated = next((folder / "scratch").glob(f"code_gen_ipgen_{name}_*/*.v")).read_text()
        assert f"({depth})" in generated or f"= {depth}" in generated, name

    environment = tools.ran()[0]["env"]
    assert environment["FINN_RTLLIB"] == str(folder / "finn-rtllib")
    assert environment["XILINX_VIVADO"] == str(tools.folder / "Vivado/2022.2")


def test_the_library_is_finns_with_our_repairs(tmp_path: Path) -> None:
    import finn

    finn_build.adjusted_library(tmp_path / "library")
    theirs = Path(next(iter(finn.__path__))) / "finn-rtllib"
    files = [path.relative_to(theirs) for path in theirs.rglob("*") if path.is_file()]
    changed = set()
    for name in files:
        before, after = (theirs / name).read_bytes(), (tmp_path / "library" / name).read_bytes()
        if before != after:
            assert after.decode() == adjust(name.name, before.decode())
            changed.add(name.name)
    assert changed == set(ADJUSTMENTS)
    queue = next((tmp_path / "library").rglob("mvu_vvu_axi.sv")).read_text()
    assert "SOFT_DEPTH" in queue


def adjust_again(path: Path) -> str:
    """ "already" where no adjustment finds its place any more."""
    try:
        adjust(path.name, path.read_text())
    except StageError:
        return "already"
    return "not adjusted"


def built_nodes(built: Built) -> list:  # type: ignore[type-arg]
    from lepton_hw.design import read_design

    return list(read_design(built.stitched.folder).nodes)


def test_a_source_that_is_not_repaired_is_refused(
    plan: Plan, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lepton_hw.plan import execute

    def unrepaired(target: Path) -> None:
        real(target)
        place = next(target.rglob("fifo.sv"))
        place.write_text(place.read_text() + "\n// as FINN has it\n")
        copy = target.parent / "scratch/somewhere/fifo.sv"
        copy.parent.mkdir(parents=True)
        copy.write_text("module fifo; endmodule\n")

    real = finn_build.adjusted_library
    monkeypatch.setattr(finn_build, "adjusted_library", unrepaired)
    execute._begin(plan, tmp_path / "b")
    with pytest.raises(StageError, match=r"FINN uses .*somewhere/fifo\.sv, which is not repaired"):
        finn_build.build(tmp_path / "b", ("step_hw_codegen",))


def test_a_missing_licence(plan: Plan, tools: Tools, tmp_path: Path, built: Built) -> None:
    tools.say("make_project.tcl", LICENCE)
    # FINN keeps what a program said only in that program's log.
    text = (tools.bin / "vivado").read_text()
    (tools.bin / "vivado").write_text(
        text.replace(
            "    print(said", "    open('vivado.log', 'w').write(said['text'])\n    print(said"
        )
    )
    with pytest.raises(Failed) as caught:
        build(plan, tools, tmp_path / "b")
    error = finn_bitstream.explain(caught.value, tmp_path / "b", built.board)
    assert isinstance(error, MissingTool)
    assert "no licence for xczu7ev" in error.found


def test_without_finns_dependencies(
    plan: Plan, tools: Tools, tmp_path: Path, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINN_DEPS", str(tmp_path / "nothing"))
    with pytest.raises(Failed) as caught:
        build(plan, tools, tmp_path / "b")
    error = finn_bitstream.explain(caught.value, tmp_path / "b", built.board)
    assert "there is no " in error.found
    assert "finn deps update" in error.remedy


def test_a_path_with_spaces_is_refused(plan: Plan, tools: Tools, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has a space in its path"):
        finn_build.build(tmp_path / "a b")


def test_the_plan(plan: Plan) -> None:
    settings = json.loads(next(f.text or "" for f in plan.files if f.name == "finn.json"))
    assert settings == {"finn_board": "Pynq-Z2", "clock_ns": 10.0, "workers": 1}
    assert [step.argv[0] for step in plan.steps] == ["python", "vivado"]
