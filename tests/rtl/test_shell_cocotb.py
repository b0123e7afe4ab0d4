"""The shell against the AXI models of cocotbext-axi, in a simulation of cocotb's own.

``LEPTON_EXAMPLES`` sets the number of batches (20 if unset).
"""

import os
import sys
from pathlib import Path

import pytest

from lepton_hw.design import Design
from lepton_hw.rtl.shell import wrapper
from lepton_hw.tools import cxx, verilator
from tests.rtl.shell_cases import make
from tests.rtl.weight_cases import PLAIN, build

runner = pytest.importorskip("cocotb_tools.runner")
pytest.importorskip("cocotbext.axi")
if pytest.importorskip("find_libpython").find_libpython() is None:
    pytest.skip("cocotb needs Python's shared library", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
SHAPE = (3, 5, 7)


def make_flags() -> str:
    """What the wheel's verilated.mk leaves empty, or names on the machine that built it."""
    compiler = cxx.find().path
    values = {
        "CXX": compiler, "LINK": compiler, "AR": "ar", "PYTHON3": sys.executable,
        "CFG_CXXFLAGS_STD": "-std=gnu++20", "CFG_CXXFLAGS_PCH_I": "-include",
        "OPT_FAST": "-O1", "OPT_GLOBAL": "-O1",
    }  # fmt: skip
    return " ".join(f"{name}={value}" for name, value in values.items())


def simulate(
    folder: Path, patch: pytest.MonkeyPatch, design: Design, place: Path, module: str, shape: str
) -> None:
    """Runs one module of cocotb's tests on the shell around a design whose files are in `place`."""
    tool = verilator.find()
    programs = folder / "bin"
    programs.mkdir()
    (programs / "verilator").symlink_to(tool.binary)
    patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    patch.setenv("VERILATOR_ROOT", str(tool.root))
    patch.setenv("MAKEFLAGS", make_flags())
    top = folder / "wrapper.v"
    top.write_text(wrapper.wrapper_text(design, bytes(32), axi3=False))
    simulation = runner.get_runner("verilator")
    simulation.build(
        sources=[*wrapper.SOURCES, *(place / source for source in design.sources), top],
        hdl_toplevel=wrapper.TOP,
        build_dir=folder / "build",
        build_args=["-Wno-fatal", "--no-timing", "--x-assign", "fast", "--x-initial", "fast"],
        log_file=folder / "build.log",
    )
    results = simulation.test(
        test_module=f"tests.rtl.{module}",
        hdl_toplevel=wrapper.TOP,
        build_dir=folder / "build",
        test_dir=folder / "build",
        seed=1,
        extra_env={
            "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
            "LEPTON_SHAPE": shape,
            "LEPTON_BATCHES": os.environ.get("LEPTON_EXAMPLES", "20"),
        },
        log_file=folder / "run.log",
    )
    tests, failures = runner.get_results(results)
    assert (tests, failures) == (1, 0), (folder / "run.log").read_text()[-3000:]


def test_random_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "design"
    design = make(place, *SHAPE)
    simulate(tmp_path, monkeypatch, design, place, "shell_cocotb", " ".join(map(str, SHAPE)))


def test_weights_read_beside_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    design, place = build(PLAIN, tmp_path / "unit")
    places = [(m.offset, m.word_bytes, m.depth, m.lanes * m.bits) for m in design.weights]
    simulate(tmp_path, monkeypatch, design, place, "weights_cocotb", str(places))
