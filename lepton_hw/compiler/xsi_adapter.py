"""The functions of ``finn.xsi``: FINN calls them to compile, load, run and close a simulation.

Names, arguments and returned paths are FINN 1.6.1's; the simulator is Verilator.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lepton_hw.compiler.xsi_engine import SimEngine
from lepton_hw.errors import StageError
from lepton_hw.rtl.finn_sources import adjust
from lepton_hw.sim import build

__all__ = [
    "SimEngine", "close_rtlsim", "compile_sim_obj", "ensure_available", "get_simkernel_so",
    "is_available", "load_sim_obj", "locate_glbl", "reset_rtlsim", "rtlsim_multi_io",
]  # fmt: skip


def is_available() -> bool:
    """Always: Verilator comes with this package; a broken one is reported when it is used."""
    return True


def ensure_available() -> bool:
    """Always, see `is_available`."""
    return True


def locate_glbl() -> None:
    """Verilator needs no ``glbl.v``."""
    return


def get_simkernel_so() -> str:
    """What FINN hands on to `load_sim_obj`, which needs no kernel beside the library."""
    return "verilator"


def compile_sim_obj(
    top_module_name: str,
    source_list: list[str],
    sim_out_dir: Path,
    debug: bool = False,
    behav: bool = False,
    fifosim: bool = False,
) -> tuple[Path, Path]:
    """Builds the simulation of a module and returns (folder, path of the library in it).

    `debug` builds one that can write a waveform, `behav` defines FINN_SIMULATION. The relative
    path starts with ``xsim.dir``, at which FINN splits paths. `fifosim`, FINN's FIFO simulation
    in C++, is refused.
    """
    if fifosim:
        raise StageError(
            "FINN asks for its compiled FIFO simulation, which links Vivado's simulator",
            "a step that runs without Vivado",
            "choose FIFO depths by another method than FINN's compiled simulation",
        )
    folder = Path(sim_out_dir).resolve()
    copies = folder / "rtl"
    copies.mkdir(parents=True, exist_ok=True)
    headers = {str(Path(name).parent) for name in source_list if name.endswith((".vh", ".svh"))}
    recipe = build.Recipe(
        top_module_name,
        tuple(_adjusted(Path(name), copies) for name in _ordered(source_list)),
        (),
        harness=build.HERE / "ports.cpp",
        options=(*(f"-I{name}" for name in sorted(headers)), *["-DFINN_SIMULATION"] * behav),
        trace=debug,
    )
    with _missing_primitives():
        made = build.library(recipe, folder / "cache", shared=build.default_cache())
    relative = Path("xsim.dir", top_module_name, "xsimk.so")
    target = folder / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.hardlink_to(made)
    return folder, relative


@contextmanager
def _missing_primitives() -> Iterator[None]:
    """Names the vendor's cell that FINN's RTL instantiates and no open model exists of."""
    try:
        yield
    except StageError as error:
        cell = re.search(r"Cannot find file containing module: '(\w+)'", error.found)
        if cell is None:
            raise
        raise StageError(
            f"the layer's RTL instantiates {cell[1]}, which none of its sources defines",
            "RTL without cells that exist only in Vivado's library",
            "choose another implementation of that layer, or simulate it with Vivado",
        ) from None


def _ordered(names: list[str]) -> list[str]:
    """Packages first, each file once, headers left to the include path."""
    for name in names:
        if not name.endswith((".v", ".sv", ".vh", ".svh")):
            raise StageError(
                f"the source {name} is no Verilog",
                "Verilog or SystemVerilog",
                "choose the RTL implementation of that layer",
            )
    sources = list(dict.fromkeys(name for name in names if name.endswith((".v", ".sv"))))
    return sorted(sources, key=lambda name: not Path(name).stem.endswith("_pkg"))


def _adjusted(source: Path, folder: Path) -> Path:
    try:
        text = source.read_text()
    except OSError as error:
        raise StageError(
            f"the source {source} cannot be read ({error.strerror})",
            "every file that the layer lists",
            "generate its RTL again (PrepareIP)",
        ) from None
    changed = adjust(source.name, text)
    if changed == text:
        return source.resolve()
    copy = folder / source.name
    copy.write_text(changed)
    return copy


def load_sim_obj(
    sim_out_dir: Path,
    out_so_relative_path: Path,
    tracefile: str | None = None,
    simkernel_so: str | None = None,
) -> SimEngine:
    """Opens a library that `compile_sim_obj` built; several may be open at once.

    `tracefile`, relative to `sim_out_dir`, receives an FST waveform whatever its suffix.
    """
    library = Path(sim_out_dir) / out_so_relative_path
    if not library.is_file():
        raise FileNotFoundError(f"no simulation at {library}")
    trace = str(Path(sim_out_dir) / tracefile) if tracefile else None
    return SimEngine(simkernel_so or get_simkernel_so(), library, wdb=trace)


def reset_rtlsim(sim: SimEngine, *_: object, **__: object) -> None:
    """Resets the design, which takes 17 cycles."""
    sim.do_reset()
    sim.run()


def close_rtlsim(sim: SimEngine) -> None:
    """Ends the simulation; modules with a ``sim_finish`` input first write what they recorded."""
    finish = sim.find_port("sim_finish") if sim.is_open() else None
    if finish is not None:
        sim.cycle({finish: "1"})
    sim.close()


def rtlsim_multi_io(
    sim: SimEngine,
    io_dict: dict[str, dict[str, list[int]]],
    num_out_values: Any,
    sname: str = "_V_V",
    liveness_threshold: int = 10000,
    liveness_estimate: float | None = None,
) -> int:
    """Feeds ``io_dict["inputs"]`` and fills ``io_dict["outputs"]``, beats as integers.

    `num_out_values`: beats expected of the one output, or by output. Returns the cycles that it
    took. Raises `StageError` where an output is silent for `liveness_threshold` cycles.
    """
    outputs = io_dict["outputs"]
    if isinstance(num_out_values, Mapping):
        expected = {name: int(num_out_values[name]) for name in outputs}
    else:
        (only,) = outputs
        expected = {only: int(num_out_values)}
    for name, beats in io_dict["inputs"].items():
        sim.stream_input(name + sname, (f"{beat:x}" for beat in beats))
    watchdogs = {
        name: sim.create_watchdog(f"{name}{sname}", liveness_threshold) for name in outputs
    }
    collected = {
        name: sim.collect_output(name + sname, expected[name], watchdogs[name]) for name in outputs
    }
    start = sim.ticks
    try:
        woken = sim.run()
    finally:
        for watchdog in watchdogs.values():
            sim.remove_watchdog(watchdog)
    if woken:
        silent = ", ".join(
            f"{name} ({len(collected[name])} of {expected[name]} beats)"
            for name, watchdog in watchdogs.items()
            if watchdog in woken
        )
        raise StageError(
            f"no output for {liveness_threshold} cycles on {silent}",
            f"outputs every {liveness_estimate or 'few'} cycles",
            "look at the layer's waveform, or set LIVENESS_THRESHOLD higher if it is only slow",
        )
    for name in outputs:
        outputs[name] = [int(beat, 16) for beat in collected[name]]
    return sim.ticks - start
