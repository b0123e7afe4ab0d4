"""nextpnr for Zynq-7000: place and route of a netlist, its report, and why it refused a design.

The clock of a design is the one that the report says was reached, never the one asked for. It
writes FASM; making a bitstream of that is `lepton_hw.xc7`'s and `prjxray`'s work.

Version 0.11.1 leaves pins out of its timing (see `nextpnr_netlist.untimed`), and delays of LUTs and
flip-flops are constants in its model, not the vendor's figures.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lepton_hw.errors import StageError
from lepton_hw.tools import open_tools
from lepton_hw.tools.open_tools import Program

#: Names of nextpnr's cells → names of the resources in board files, and how many of them one is.
RESOURCES = {
    "SLICE_LUTX": ("lut", 1.0), "SLICE_FFX": ("ff", 1.0), "CARRY4": ("carry4", 1.0),
    "RAMB36E1_RAMB36E1": ("bram36", 1.0), "RAMB18E1_RAMB18E1": ("bram36", 0.5),
    "DSP48E1_DSP48E1": ("dsp", 1.0),
}  # fmt: skip
_USED = re.compile(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%$", re.MULTILINE)
_HOLD = re.compile(r"^Info: (\d+) Hold/min time violations", re.MULTILINE)
_HOLD_END = re.compile(r"^Info:\s+hold\s+\S+\s+(-?[\d.]+) Source (.+)$", re.MULTILINE)
_NO_ROOM = re.compile(r"no BELs remaining to implement cell type '([^']+)'")
_LEGAL = re.compile(r"Unable to find (?:legal placement|a placement location)")
_ERROR = re.compile(r"^ERROR: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Clock:
    """One clock net: MHz that the routed design reaches, and MHz that was asked for."""

    name: str
    achieved: float
    asked: float


@dataclass(frozen=True)
class Routed:
    """What one run made: clocks, cells by nextpnr's names as (used, available), and violations.

    `hold` counts paths that are too fast for what they end in: such a design works at no clock.
    `worst_hold` names the end of the worst one, and by how much.
    """

    seed: int
    clocks: tuple[Clock, ...]
    used: dict[str, tuple[int, int]]
    hold: int
    fasm: Path
    worst_hold: str = ""

    @property
    def mhz(self) -> float:
        """The slowest clock in MHz; 0 for a design without one."""
        return min((clock.achieved for clock in self.clocks), default=0.0)

    @property
    def resources(self) -> dict[str, float]:
        """Use by the names of board files; two 18 kb memories are one ``bram36``."""
        found: dict[str, float] = {}
        for cell, (name, share) in RESOURCES.items():
            found[name] = found.get(name, 0.0) + share * self.used.get(cell, (0, 0))[0]
        return found


@dataclass(frozen=True)
class Nextpnr:
    """The program and its version."""

    program: Program

    @property
    def version(self) -> str:
        """The version of its package."""
        return self.program.version

    def run(
        self, netlist: Path, constraints: Path, part: str, mhz: float, seed: int, folder: Path
    ) -> Routed:
        """Places and routes with one seed; writes ``seed<n>.fasm``, ``.json`` and ``.log``.

        `netlist` comes from `nextpnr_netlist.prepared`, `constraints` is an XDC file with pins and
        standards. Raises `StageError` where the design does not fit or is refused, or the program
        ends without a report.
        """
        fasm, report = folder / f"seed{seed}.fasm", folder / f"seed{seed}.json"
        log = folder / f"seed{seed}.log"
        for file in (fasm, report, log):
            file.unlink(missing_ok=True)
        chipdb = open_tools.chipdb(part)
        code, said = self.program.run(
            arguments(netlist, constraints, part, chipdb, mhz, seed, fasm, report), folder, log
        )
        if code or not fasm.is_file() or not report.is_file():
            raise refusal(said, code, log)
        clocks, used = parse_report(report.read_text())
        hold, worst = hold_violations(said)
        return Routed(seed, clocks, used, hold, fasm, worst)


def find() -> Nextpnr:
    """The program; raises `MissingTool`."""
    return Nextpnr(open_tools.find(open_tools.NEXTPNR))


def arguments(
    netlist: Path, constraints: Path, part: str, chipdb: Path, mhz: float, seed: int,
    fasm: Path, report: Path,
) -> list[str]:  # fmt: skip
    """Arguments of one run. A missed clock is reported and does not end it."""
    return [
        "--device", part, "--chipdb", str(chipdb), "--json", str(netlist.resolve()),
        "-o", f"xdc={constraints.resolve()}", "-o", f"fasm={fasm.resolve()}",
        "--freq", f"{mhz:g}", "--seed", str(seed), "--timing-allow-fail",
        "--report", str(report.resolve()),
    ]  # fmt: skip


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
            "use nextpnr 0.11",
        ) from None
    return clocks, used


def hold_violations(log: str) -> tuple[int, str]:
    """How many paths are too fast by the last analysis in the log, and the end of the worst."""
    counts = list(_HOLD.finditer(log))
    if not counts:
        return 0, ""
    ends = [(float(slack), end) for slack, end in _HOLD_END.findall(log, counts[-1].end())]
    worst = f"{min(ends)[1]} by {-min(ends)[0]:.2f} ns" if ends else ""
    return int(counts[-1][1]), worst


def best(routed: Sequence[Routed]) -> Routed:
    """The run whose slowest clock is fastest, of those without hold violations.

    Equal runs: the lower seed. Raises `StageError` where every run has a violation.
    """
    sound = [each for each in routed if not each.hold]
    if not sound:
        least = min(routed, key=lambda each: each.hold, default=None)
        where = f", at least {least.hold}: {least.worst_hold}" if least else ""
        raise StageError(
            f"each of {len(routed)} seeds has paths that are too fast{where}",
            "one without hold violations",
            "try more seeds",
        )
    return max(sound, key=lambda each: (each.mhz, -each.seed))


def refusal(log: str, code: int, file: Path) -> StageError:
    """Why nextpnr made nothing: the design is too large, a cell unknown, or its own first error."""
    table = {name: (int(used), int(all_)) for name, used, all_ in _USED.findall(log)}
    full = [(used / all_, name) for name, (used, all_) in table.items() if all_ and used > all_]
    kind = _NO_ROOM.search(log)
    if full:
        name = max(full)[1]
        used, available = table[name]
        return StageError(
            f"the design does not fit: it needs {used:,} {name}",
            f"at most {available:,}",
            "fold it more, or choose a larger board",
        )
    if kind and table.get(kind[1], (0, 0))[1] == 0:
        return StageError(
            f"nextpnr knows no cell {kind[1]}",
            "cells of Xilinx's 7 series",
            "have Yosys map the design with synth_xilinx -family xc7",
        )
    first = _ERROR.search(log)
    if kind or _LEGAL.search(log):
        shares = sorted(((used / all_, name) for name, (used, all_) in table.items()
                         if all_ > 1), reverse=True)  # fmt: skip
        fullest = ", ".join(f"{share:.0%} of {name}" for share, name in shares[:2])
        return StageError(
            f"the design cannot be placed although it would fit ({fullest})",
            "room to place it",
            "fold it more, or try another seed",
        )
    crash = re.search(r"^\s+what\(\):\s+(.+)$", log, re.MULTILINE) or first
    reason = crash[1] if crash else f"exit code {code} and no error message"
    return StageError(
        f"nextpnr failed: {reason.strip().rstrip('.')}", "a routed design", f"read {file}"
    )
