"""The shell against the AXI models of cocotbext-axi, in a simulation of cocotb's own.

``LEPTON_EXAMPLES`` sets the number of batches (20 if unset).
"""

import os
import sys
from pathlib import Path

import pytest

from lepton_hw.rtl.shell import wrapper
from lepton_hw.tools import cxx, verilator
from tests.rtl.shell_cases import make

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
        "CFG_CXXFLAGS_STD": "-std=gnu++20", "OPT_FAST": "-O1", "OPT_GLOBAL": "-O1",
    }  # fmt: skip
    return " ".join(f"{name}={value}" for name, value in values.items())


def test_random_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = verilator.find()
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "verilator").symlink_to(tool.binary)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("VERILATOR_ROOT", str(tool.root))
    monkeypatch.setenv("MAKEFLAGS", make_flags())
    design = make(tmp_path / "design", *SHAPE)
    top = tmp_path / "wrapper.v"
    top.write_text(wrapper.wrapper_text(design, bytes(32), axi3=False))
    simulation = runner.get_runner("verilator")
    simulation.build(
        sources=[*wrapper.SOURCES, *(tmp_path / "design" / s for s in design.sources), top],
        hdl_toplevel=wrapper.TOP,
        build_dir=tmp_path / "build",
        build_args=["-Wno-fatal", "--no-timing", "--x-assign", "fast", "--x-initial", "fast"],
        log_file=tmp_path / "build.log",
    )
    results = simulation.test(
        test_module="tests.rtl.shell_cocotb",
        hdl_toplevel=wrapper.TOP,
        build_dir=tmp_path / "build",
        test_dir=tmp_path / "build",
        seed=1,
        extra_env={
            "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
            "LEPTON_SHAPE": " ".join(map(str, SHAPE)),
            "LEPTON_BATCHES": os.environ.get("LEPTON_EXAMPLES", "20"),
        },
        log_file=tmp_path / "run.log",
    )
    tests, failures = runner.get_results(results)
    assert (tests, failures) == (1, 0), (tmp_path / "run.log").read_text()[-3000:]
