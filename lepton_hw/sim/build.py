"""From RTL to a shared library, once: the result is cached by what went in and what built it.

A library is built under a temporary name and renamed when whole. Memory contents (``.dat``) are
read when a simulation starts, so changing them needs no new library. It runs no simulation.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lepton_hw.artifacts import digest, file_digest, locked, new_folder
from lepton_hw.errors import InputError, StageError
from lepton_hw.sim import units
from lepton_hw.sim.port_model import port_table
from lepton_hw.sim.prune import LIBRARY, prune, used
from lepton_hw.tools import cxx, verilator

HERE = Path(__file__).parent
HARNESS = HERE / "harness.cpp"
#: What stands in for Verilator's waveform writer in a library that counts toggles.
TOGGLES = HERE / "toggles"
#: Nets of any width, but no contents of memories (arrays of more than 32 words) and no parameters.
COUNTED = ("--no-trace-params", "--trace-max-width", "1000000", "--trace-max-array", "32")
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
    #: Built fast rather than running fast: for large netlists that run a few cycles.
    quick: bool = False
    #: A trace of this library counts toggles (`lepton_hw.sim.activity`) instead of a waveform.
    toggles: bool = False

    @property
    def traced(self) -> bool:
        """Whether its nets can be looked at."""
        return self.trace or self.toggles

    @property
    def is_quick(self) -> bool:
        """Whether it is built fast; what is driven port by port never runs for long."""
        return self.quick or self.harness.name == "ports.cpp"

    def key(self) -> str:
        """Digest of sources, generated text, flags and tool versions."""
        return digest(
            {
                "top": self.top,
                "sources": [(path.name, _digest_of(path)) for path in self.sources],
                "generated": self.generated,
                "harness": [_digest_of(self.harness), *_headers()],
                "options": [self.options, self.trace, self.quick, cxx.STANDARD],
                **({"toggles": [COUNTED, *_counters()]} if self.toggles else {}),
                "flags": _digest_of(Path(units.__file__)),
                "tools": [verilator.find().version, cxx.find().version],
                "argv": verilator.find().argv(self.top, [], Path())[1:],
            }
        )


def default_cache() -> Path:
    """Where libraries are kept: ``$XDG_CACHE_HOME/lepton_hw/sim`` or ``~/.cache/…``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "lepton_hw" / "sim"


def library(recipe: Recipe, cache: Path | None = None, shared: Path | None = None) -> Path:
    """The shared library of a recipe, built in `cache` if need be.

    `shared` is where Verilator's run time, the same for all designs, is kept; `cache` if not
    given. A second process that wants the same library waits for the first.

    Raises `MissingTool` without compiler or Verilator, `StageError` (with the first error and
    the log's path) where the RTL or the C++ does not compile.
    """
    cache = (cache or default_cache()).resolve()
    key = recipe.key()[:32]
    made = cache / key / LIBRARY
    if used(made):
        return made
    with locked(cache / "locks" / key, lambda _: None):
        if used(made):
            return made
        runtime = _runtime(recipe, (shared or cache).resolve())
        with new_folder(made.parent) as parts, _kept_log(cache / f"failed-{key[:8]}.log") as log:
            with tempfile.TemporaryDirectory(prefix="lepton_sim_") as work:
                _build(recipe, Path(work), runtime, parts / LIBRARY, log)
            shutil.copy(log, parts / "build.log")
    prune(cache)
    return made


@contextlib.contextmanager
def _kept_log(path: Path) -> Iterator[Path]:
    """A log that stays where the block fails, and the error that points at it."""
    path.unlink(missing_ok=True)
    path.touch()
    try:
        yield path
    except StageError as error:
        raise StageError(error.found, error.expected, f"read {path}") from None
    path.unlink()


def _build(recipe: Recipe, work: Path, runtime: list[Path], target: Path, log: Path) -> None:
    tool, compiler = verilator.find(), cxx.find()
    for name, text in recipe.generated:
        (work / name).write_text(text)
    sources = [*recipe.sources, *sorted(work.glob("*.sv"))]
    options = [*recipe.options, "--output-split", "20000", "--output-split-cfuncs", "2000"]
    if recipe.traced:
        options += ["--trace-fst", "--trace-structs", "--trace-underscore"]
        options += COUNTED * recipe.toggles
    model = work / "cpp"
    cxx.run(tool.argv(recipe.top, sources, model, *options), log, tool.environment)
    if recipe.harness.name == "ports.cpp":
        (work / "table.h").write_text(port_table((model / "Vdut.h").read_text()))
    flags = [f"-I{work}", f"-I{model}", *_flags(recipe)]
    commands: list[list[str]] = []
    objects: list[Path] = []
    for unit in units.plan(
        sorted(model.glob("*.cpp")), recipe.harness, quick=recipe.is_quick,
        gcc=bool(_only_gcc(compiler)),
    ):  # fmt: skip
        source = work / f"unit_{len(objects)}.cpp"
        source.write_text("".join(f'#include "{path}"\n' for path in unit.files))
        objects.append(source.with_suffix(".o"))
        commands.append(compiler.object_argv(source, objects[-1], *unit.level, *flags))
    cxx.run_all(commands, log)
    wrap = [] if recipe.harness.name == "ports.cpp" else ["-Wl,--wrap=fopen"]  # contents.h
    cxx.run(compiler.library_argv([*objects, *runtime], target, *wrap), log)


def _runtime(recipe: Recipe, shared: Path) -> list[Path]:
    """Object files of Verilator's own run time, compiled once per tool version."""
    compiler, include = cxx.find(), verilator.find().root / "include"
    sources = [include / name for name in RUNTIME]
    if recipe.traced:
        sources.append((TOGGLES if recipe.toggles else include) / "verilated_fst_c.cpp")
    flags = [*units.OPTIMISE, *_flags(recipe), "-DVL_PRINTF=lepton_print"]
    flags += ["-include", str(HERE / "messages.h")]
    tools = [verilator.find().version, compiler.version]
    key = digest([flags, tools, _headers(), *_counters() * recipe.toggles])[:16]
    folder = shared / f"runtime-{key}"
    if not folder.is_dir():
        with locked(shared / "locks" / folder.name, lambda _: None):
            if not folder.is_dir():
                with new_folder(folder) as parts, _kept_log(shared / "failed-runtime.log") as log:
                    cxx.run_all(
                        [
                            compiler.object_argv(source, parts / f"{source.stem}.o", *flags)
                            for source in sources
                        ],
                        log,
                    )
    return [folder / f"{source.stem}.o" for source in sources]


def _flags(recipe: Recipe) -> list[str]:
    include = verilator.find().root / "include"
    return [
        *([f"-I{TOGGLES}"] if recipe.toggles else []),
        *([f"-I{HERE}"] if recipe.trace else []),  # our lz4.h and zlib.h
        f"-I{include}", f"-I{include / 'vltstd'}", "-DVERILATOR=1", "-DVM_COVERAGE=0",
        "-DVM_SC=0", "-DVM_TIMING=0", "-DVM_TRACE_VCD=0", "-DVM_TRACE_SAIF=0",
        f"-DVM_TRACE={int(recipe.traced)}", f"-DVM_TRACE_FST={int(recipe.traced)}",
        "-DVL_USER_WARN", "-DVL_USER_FATAL", "-DVL_USER_STOP", "-DVL_USER_FINISH", "-w",
        *_only_gcc(cxx.find()),
    ]  # fmt: skip


def _headers() -> list[str]:
    return [_digest_of(file) for file in sorted(HERE.glob("*.h"))]


def _counters() -> list[str]:
    return [_digest_of(file) for file in sorted(TOGGLES.iterdir()) if file.suffix in (".h", ".cpp")]


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
