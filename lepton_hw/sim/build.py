"""From RTL to a shared library, once: the result is cached by what went in and what built it.

A library is built under a temporary name and renamed when whole. Memory contents (``.dat``) are
read when a simulation starts, so changing them needs no new library. It runs no simulation.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lepton_hw.artifacts import digest, file_digest, new_folder
from lepton_hw.errors import InputError, StageError
from lepton_hw.sim.port_model import port_table
from lepton_hw.tools import cxx, verilator

HERE = Path(__file__).parent
HARNESS = HERE / "harness.cpp"
OPTIMISE = ("-O2", "-fno-plt", "-fno-semantic-interposition")
OPTIMISE_HARNESS = ("-O3", "-fno-plt", "-fno-semantic-interposition")  # its loops are vectors
# Cold code is the design's set-up, run once; optimising it would double the build time.
OPTIMISE_ONCE = ("-O0",)
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")


@dataclass(frozen=True)
class Recipe:
    """Everything that makes one library; equal recipes make equal libraries.

    `sources` are absolute paths in compilation order, `generated` maps file names to their text
    (``*.sv`` is compiled after the sources, ``*.cpp`` and ``*.h`` go to the C++ compiler).
    """

    top: str
    sources: tuple[Path, ...]
    generated: tuple[tuple[str, str], ...]
    harness: Path = HARNESS
    options: tuple[str, ...] = ()
    trace: bool = False

    def key(self) -> str:
        """Digest of sources, generated text, flags and tool versions."""
        return digest(
            {
                "top": self.top,
                "sources": [(path.name, _digest_of(path)) for path in self.sources],
                "generated": self.generated,
                "harness": [_digest_of(file) for file in (self.harness, *sorted(HERE.glob("*.h")))],
                "options": [self.options, self.trace, cxx.STANDARD],
                "flags": [OPTIMISE, OPTIMISE_HARNESS, OPTIMISE_ONCE],
                "tools": [verilator.find().version, cxx.find().version],
                "argv": verilator.find().argv(self.top, [], Path())[1:],
            }
        )


def default_cache() -> Path:
    """Where libraries are kept: ``$XDG_CACHE_HOME/lepton_hw/sim`` or ``~/.cache/…``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "lepton_hw" / "sim"


def library(recipe: Recipe, cache: Path | None = None) -> Path:
    """The shared library of a recipe, built if need be.

    Raises `MissingTool` without compiler or Verilator, `StageError` (with the first error and
    the log's path) where the RTL or the C++ does not compile.
    """
    folder = (cache or default_cache()).resolve() / recipe.key()[:32]
    made = folder / "sim.so"
    if made.is_file():
        return made
    with new_folder(folder) as parts, tempfile.TemporaryDirectory(prefix="lepton_sim_") as scratch:
        log = parts / "build.log"
        try:
            _build(recipe, Path(scratch), parts / "sim.so", log)
        except StageError as error:
            kept = folder.parent / f"failed-{folder.name[:8]}.log"
            shutil.copy(log, kept)
            raise StageError(error.found, error.expected, f"read {kept}") from None
    return made


def _build(recipe: Recipe, work: Path, target: Path, log: Path) -> None:
    tool, compiler = verilator.find(), cxx.find()
    for name, text in recipe.generated:
        (work / name).write_text(text)
    sources = [*recipe.sources, *sorted(work.glob("*.sv"))]
    options = [*recipe.options, "--output-split", "20000", "--output-split-cfuncs", "2000"]
    if recipe.trace:
        options += ["--trace-fst", "--trace-structs", "--trace-underscore"]
    model = work / "cpp"
    cxx.run(tool.argv(recipe.top, sources, model, *options), log, tool.environment)
    include = tool.root / "include"
    runtime = [include / name for name in RUNTIME]
    if recipe.trace:
        runtime.append(include / "verilated_fst_c.cpp")
    if recipe.harness.name == "ports.cpp":
        (work / "table.h").write_text(port_table((model / "Vdut.h").read_text()))
    flags = [
        *([f"-I{HERE}"] if recipe.trace else []),  # our lz4.h and zlib.h
        f"-I{include}", f"-I{include / 'vltstd'}", f"-I{work}", f"-I{model}",
        "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0", "-DVM_TRACE_VCD=0",
        "-DVM_TRACE_SAIF=0", f"-DVM_TRACE={int(recipe.trace)}",
        f"-DVM_TRACE_FST={int(recipe.trace)}", "-DVL_USER_WARN", "-DVL_USER_FATAL",
        "-DVL_USER_STOP", "-DVL_USER_FINISH", "-w", *_only_gcc(compiler),
    ]  # fmt: skip
    units = [*sorted(model.glob("*.cpp")), *runtime, recipe.harness, *sorted(work.glob("*.cpp"))]
    # The largest first: the last to end decides.
    units.sort(key=lambda path: (_is_cold(path), -path.stat().st_size))
    objects = [work / f"{path.stem}.o" for path in units]
    cxx.run_all(
        [
            compiler.object_argv(unit, made, *_level(unit, recipe), *flags)
            for unit, made in zip(units, objects, strict=True)
        ],
        log,
    )
    wrap = ["-Wl,--wrap=fopen"] if recipe.harness == HARNESS else []
    cxx.run(compiler.library_argv(objects, target, *wrap), log)


def _level(unit: Path, recipe: Recipe) -> tuple[str, ...]:
    if unit == recipe.harness:
        return OPTIMISE_HARNESS
    return OPTIMISE_ONCE if _is_cold(unit) else OPTIMISE


def _is_cold(unit: Path) -> bool:
    return "__Slow" in unit.name or "__Syms" in unit.name


def _only_gcc(compiler: cxx.Cxx) -> tuple[str, ...]:
    # Without this, inline statics of two designs in one process become one object.
    return ("-fno-gnu-unique",) if compiler.version.startswith("g++") else ()


def _digest_of(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise InputError(
            f"the source {path} cannot be read ({error.strerror})",
            "every source that the design lists",
            "run 'lepton stitch' again",
        ) from None
