"""Zynq with Vivado: our shell in a block design, by a plan that runs here or in a container.

Timing and fit are read from the post-route reports and are required. It has never run with Vivado,
only against a fake that runs our Tcl (docs/bitstream.md).
"""

import os

from lepton_hw.bitstreams.request import Figures, Request
from lepton_hw.plan.execute import Failed, collect, run_plan, seconds_of
from lepton_hw.rtl.shell import vivado as shell_vivado
from lepton_hw.rtl.shell import wrapper
from lepton_hw.rtl.shell.address_map import divisors, processor_of
from lepton_hw.tools import vivado, vivado_runner
from lepton_hw.tools.vivado_reports import Power, Timing, Utilisation

#: Beside the stage's folder, which is new in every run: what a killed build goes on from.
FOLDER = ".vivado"


def tools() -> dict[str, str]:
    """Vivado; raises `MissingTool` without it, or without an engine for the container it needs."""
    vivado_runner.choose()
    return {"vivado": vivado.find().version}


def build(request: Request) -> Figures:
    """Writes ``design.bit``, ``design.hwh`` and the reports; raises a `LeptonError` where it fails.

    Vivado's own files stay in ``.vivado`` beside `request.workdir`, for a build that was killed to
    go on and for the user to open in Vivado.
    """
    board, folder = request.board, request.workdir.parent / FOLDER
    threads = len(os.sched_getaffinity(0))
    plan = shell_vivado.plan_vivado(request.folder, board, threads)
    runner = vivado_runner.choose()
    request.progress.say(f"  vivado {vivado.find().version}, {vivado_runner.describe(runner)}")
    try:
        run_plan(plan, folder, runner, request.progress)
    except Failed as failed:
        raise shell_vivado.explain(failed, folder, board) from None
    collect(plan, folder, request.workdir)
    found = shell_vivado.read_results(request.workdir, board)
    processor = processor_of(board.part)
    a, b = divisors(processor, board.clock)
    return Figures(
        design_digest=wrapper.design_digest(request.folder, request.design).hex(),
        clock=round(processor.pll_mhz / (a * b), 6),
        achieved=round(found.timing.achieved_mhz, 2),
        used=_used(found.utilisation),
        seconds=seconds_of(plan, folder),
        tools=tools(),
        slack=_slack(found.timing),
        power=_power(found.power),
        power_corner=_corner(found.power),
    )


def _used(use: Utilisation) -> dict[str, float]:
    return {name: entry["used"] for name, entry in use.model_dump().items() if entry is not None}


def _slack(timing: Timing) -> dict[str, float]:
    values = {"setup": timing.wns, "setup_total": timing.tns, "hold": timing.whs,
              "hold_total": timing.ths, "pulse_width": timing.wpws}  # fmt: skip
    return {name: value for name, value in values.items() if value is not None}


def _power(power: Power) -> dict[str, float]:
    return {"total": power.total, "dynamic": power.dynamic, "static": power.static}


def _corner(power: Power) -> str:
    """For a person: Vivado's estimate is for one process corner and temperature."""
    degrees = f", {power.junction:g} °C junction" if power.junction is not None else ""
    return f"{power.process} process, {power.grade}{degrees}, confidence {power.confidence.lower()}"
