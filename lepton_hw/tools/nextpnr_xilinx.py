"""nextpnr for Zynq-7000: place and route of a netlist, its report, and why it refused a design.

The clock of a design is the one that the report says was reached, never the one asked for. It
writes FASM; making a bitstream of that is `lepton_hw.xc7`'s and `prjxray`'s work.

Version 0.11.1 leaves pins out of its timing (see `nextpnr_netlist.untimed`), and delays of LUTs and
flip-flops are constants in its model, not the vendor's figures.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from lepton_hw.errors import StageError
from lepton_hw.tools import nextpnr_report, open_tools
from lepton_hw.tools.nextpnr_report import Clock, Run
from lepton_hw.tools.open_tools import Program

#: Names of nextpnr's cells → names of the resources in board files, and how many of them one is.
RESOURCES = {
    "SLICE_FFX": ("ff", 1.0), "CARRY4": ("carry4", 1.0),
    "RAMB36E1_RAMB36E1": ("bram36", 1.0), "RAMB18E1_RAMB18E1": ("bram36", 0.5),
    "DSP48E1_DSP48E1": ("dsp", 1.0),
}  # fmt: skip
#: How fast the analytical placer pulls cells to where they may lie, against its own 0.1. The digits
#: CNN reaches 95 MHz instead of 69 with it, in less time.
ALPHA = 0.3
_LUT = re.compile(r"^(\S+\.[ABCD]LUT)\.", re.MULTILINE)
_HOLD_END = re.compile(r"^Info:\s+hold\s+\S+\s+(-?[\d.]+) Source (.+)$", re.MULTILINE)
_LEGAL = re.compile(r"Unable to find (?:legal placement|a placement location)")
_CRASH = re.compile(r"^\s+what\(\):\s+(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Routed(Run):
    """What one run made.

    `fasm` is a file in the run's folder, `luts` those that it fills: nextpnr's own count is of
    halves, of which a LUT has two. `worst_hold` names the end of the worst violation, and how much.
    """

    fasm: str
    luts: int = 0
    worst_hold: str = ""

    @property
    def violations(self) -> str:
        """The hold violations in words, after 'at least'."""
        return f"{self.hold}: {self.worst_hold}"

    @property
    def resources(self) -> dict[str, float]:
        """Use by the names of board files; two 18 kb memories are one ``bram36``."""
        return {"lut": float(self.luts)} | nextpnr_report.resources(self.used, RESOURCES)


@dataclass(frozen=True)
class Nextpnr:
    """The program and its version."""

    program: Program

    @property
    def version(self) -> str:
        """The version of its package."""
        return self.program.version

    def run(
        self, netlist: Path, constraints: Path, part: str, mhz: float, seed: int, folder: Path,
        log: Path | None = None,
    ) -> Routed:  # fmt: skip
        """Places and routes with one seed; writes ``seed<n>.fasm``, ``.json`` and the log.

        `netlist` comes from `nextpnr_netlist.prepared`, `constraints` is an XDC file with pins and
        standards. Raises `StageError` where the design does not fit or is refused, or the program
        ends without a report.
        """
        fasm, report = folder / f"seed{seed}.fasm", folder / f"seed{seed}.json"
        log = log or folder / f"seed{seed}.log"
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
        return Routed(seed, clocks, used, hold, fasm.name, luts(fasm.read_text()), worst)


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
        "--placer-heap-alpha", f"{ALPHA:g}", "--report", str(report.resolve()),
    ]  # fmt: skip


def parse_report(text: str) -> tuple[tuple[Clock, ...], dict[str, tuple[int, int]]]:
    """Clocks, and cells as (used, available), of the JSON report; raises `StageError`."""
    return nextpnr_report.parse_report(text, "use nextpnr 0.11")


def luts(fasm: str) -> int:
    """LUTs of six inputs that have any feature: logic, memory, or a way through."""
    return len(set(_LUT.findall(fasm)))


def hold_violations(log: str) -> tuple[int, str]:
    """How many paths are too fast by the last analysis in the log, and the end of the worst."""
    counts = list(nextpnr_report.HOLD.finditer(log))
    if not counts:
        return 0, ""
    ends = [(float(slack), end) for slack, end in _HOLD_END.findall(log, counts[-1].end())]
    worst = f"{min(ends)[1]} by {-min(ends)[0]:.2f} ns" if ends else ""
    return int(counts[-1][1]), worst


def refusal(log: str, code: int, file: Path) -> StageError:
    """Why nextpnr made nothing: the design is too large, a cell unknown, or its own first error."""
    table, less = nextpnr_report.utilisation(log), "fold it more"
    if full := nextpnr_report.too_large(table, less):
        return full
    kind = nextpnr_report.NO_ROOM.search(log)
    if kind and table.get(kind[1], (0, 0))[1] == 0:
        return StageError(
            f"nextpnr knows no cell {kind[1]}",
            "cells of Xilinx's 7 series",
            "have Yosys map the design with synth_xilinx -family xc7",
        )
    if kind or _LEGAL.search(log):
        return nextpnr_report.crowded(table, less)
    return nextpnr_report.failed(log, code, file, _CRASH)
