"""The plan that makes FINN and Vivado build a compiled model in FINN's own shell.

Plain values from files that are there; imports no FINN and starts no program.
"""

import json
from pathlib import Path

from lepton_hw.board import Board
from lepton_hw.compiler import finn_build
from lepton_hw.errors import LeptonError, StageError
from lepton_hw.plan.execute import Failed
from lepton_hw.plan.plan import Plan, Step, source_file, text_file
from lepton_hw.tools import vivado, vivado_reports

BITSTREAM, HANDOFF, PACKAGE = finn_build.BITSTREAM, finn_build.HANDOFF, finn_build.PACKAGE
REPORTS = tuple(
    f"reports/{name}"
    for name in (vivado_reports.TIMING, vivado_reports.UTILIZATION, vivado_reports.POWER)
)
#: Seconds. FINN's part is HLS of its DMA, stitching, synthesis, implementation and bitstream.
BUILD, REPORTING = 12 * 3600.0, 1800.0


def plan_finn(compiled: Path, board: Board, workers: int = 4) -> Plan:
    """FINN's steps on ``finn.onnx`` of the compile stage, then the reports that FINN leaves out.

    Folding and FIFO depths are in the model; kernels of ours are FINN's ops like any other.
    `workers` is how many processes FINN starts. FINN's part is one step: killed, it begins again.
    """
    settings = {"finn_board": board.finn_board, "clock_ns": board.clock_ns, "workers": workers}
    return Plan(
        title=f"finn {board.name}",
        files=(
            source_file(finn_build.MODEL, compiled / finn_build.MODEL),
            text_file(finn_build.SETTINGS, json.dumps(settings, indent=1) + "\n"),
            *(vivado.script_file(name) for name in ("common.tcl", "finn_reports.tcl")),
        ),
        steps=(
            Step(
                name="finn",
                argv=("python", "-m", "lepton_hw.compiler.finn_build"),
                products=(BITSTREAM, HANDOFF, PACKAGE, finn_build.RESOURCES),
                timeout=BUILD,
            ),
            Step(
                name="reports",
                argv=vivado.argv("finn_reports.tcl", "vivado_reports.log"),
                products=REPORTS,
                timeout=REPORTING,
            ),
        ),
        results=(BITSTREAM, HANDOFF, PACKAGE, finn_build.RESOURCES, *REPORTS),
    )


def explain(failed: Failed, folder: Path, board: Board) -> LeptonError:
    """The sentence for a build that failed: Vivado's own reason where its logs have one."""
    if failed.code == 0:
        return failed
    said = failed.log.read_text(errors="replace") if failed.log.is_file() else ""
    if failed.code == vivado.MISSED_TIMING:
        try:
            found = vivado_reports.parse_timing((folder / REPORTS[0]).read_text())
            vivado_reports.require_timing(found, board.clock)
        except (OSError, StageError) as error:
            if isinstance(error, StageError):
                return error
    if failed.step.name == "finn" and (ours := _sentence(said)) is not None:
        deeper = vivado.problem(finn_build.vivado_logs(folder), failed.code, failed.log, board.part)
        known = not deeper.found.startswith("Vivado failed")
        return deeper if known and isinstance(ours, StageError) else ours
    return vivado.problem(said, failed.code, failed.log, board.part)


def _sentence(said: str) -> LeptonError | None:
    """The error that `finn_build` printed last, as it was raised."""
    lines = [line for line in said.splitlines() if "; expected " in line]
    if not lines:
        return None
    found, _, rest = lines[-1].rstrip(".").partition("; expected ")
    expected, _, remedy = rest.partition("; ")
    return StageError(found, expected, remedy)
