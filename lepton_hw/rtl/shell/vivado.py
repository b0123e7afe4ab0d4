"""The plan that makes Vivado build a stitched design in our shell, and what it made.

Plain values from files that are there; it starts no program.
"""

from pathlib import Path

from lepton_hw.board import Board
from lepton_hw.design import Design, read_design
from lepton_hw.errors import LeptonError, StageError
from lepton_hw.plan.execute import Failed
from lepton_hw.plan.plan import File, Plan, Step, source_file, text_file
from lepton_hw.rtl.shell import wrapper
from lepton_hw.rtl.shell.address_map import processor_of
from lepton_hw.rtl.shell.handoff import handoff_text
from lepton_hw.tools import vivado, vivado_reports
from lepton_hw.tools.vivado_reports import Implementation

BITSTREAM, HANDOFF, VIVADO_HANDOFF = "design.bit", "design.hwh", "vivado.hwh"
REPORTS = tuple(
    f"reports/{name}"
    for name in (vivado_reports.TIMING, vivado_reports.UTILIZATION, vivado_reports.POWER)
)
#: Seconds; a design that fills a Zynq-7020 takes about an hour for both.
SYNTHESIS, IMPLEMENTATION, WRITING = 4 * 3600.0, 8 * 3600.0, 1800.0


def plan_vivado(folder: Path, board: Board, threads: int = 4) -> Plan:
    """Block design, synthesis, implementation and bitstream of the stitched design in `folder`.

    Three steps, each with a checkpoint, so that a killed build goes on behind the last one.
    `threads` is Vivado's limit of its own threads, at most 32. Raises what `wrapper_text` and
    `processor_of` do.
    """
    design = read_design(folder)
    scripts = ("common.tcl", "synthesise.tcl", "implement.tcl", "bitstream.tcl")
    top = f"{wrapper.TOP}.v"
    # AXI4, as SmartConnect turns it into the AXI3 of Zynq-7000; with bursts that need no splitting.
    text = wrapper.wrapper_text(
        design, wrapper.design_digest(folder, design), axi3=False, max_burst=16
    )
    shell = [f"shell/{source.name}" for source in wrapper.SOURCES]
    files: list[File] = [
        *(source_file(name, folder / name) for name in (*design.sources, *design.data_files)),
        *(source_file(f"shell/{source.name}", source) for source in wrapper.SOURCES),
        text_file(top, text),
        text_file("settings.tcl", settings_text(design, shell, board, threads)),
        text_file(HANDOFF, _handoff(design, board)),
        *(vivado.script_file(name) for name in scripts),
    ]
    return Plan(
        title=f"vivado {board.name}",
        files=tuple(files),
        steps=(
            _step("synthesise", SYNTHESIS, "post_synth.dcp", VIVADO_HANDOFF),
            _step("implement", IMPLEMENTATION, "post_route.dcp", *REPORTS),
            _step("bitstream", WRITING, BITSTREAM),
        ),
        results=(BITSTREAM, HANDOFF, VIVADO_HANDOFF, *REPORTS),
    )


def settings_text(design: Design, shell: list[str], board: Board, threads: int) -> str:
    """``settings.tcl``: every value that the scripts use."""
    processor = processor_of(board.part)
    values = {
        "part": board.part,
        "board_part": board.board_part,
        "processor": processor.ip,
        "reference_mhz": f"{processor.reference_mhz:g}",
        "clock_mhz": f"{board.clock:g}",
        "base": f"0x{processor.base:08X}",
        "range": f"{(1 << wrapper.address_bits(design)) // 1024}K",
        "top": wrapper.TOP,
        "threads": str(min(threads, 32)),
    }
    lines = ["# Generated; change the flow or the board, not this file."]
    lines += [f"set {name} {tcl_word(value)}" for name, value in values.items()]
    sources = [*shell, *design.sources, f"{wrapper.TOP}.v"]
    lines += ["set sources {", *(f"    {tcl_word(name)}" for name in sources), "}"]
    return "\n".join(lines) + "\n"


def read_results(folder: Path, board: Board) -> Implementation:
    """Timing, utilisation and power of a finished build, from its reports.

    Raises `StageError` where a path misses its time or the part is over-full, which no bitstream
    should have come from.
    """
    found = vivado_reports.read_reports(folder / "reports")
    vivado_reports.require_fit(found.utilisation)
    vivado_reports.require_timing(found.timing, board.clock)
    return found


def explain(failed: Failed, folder: Path, board: Board) -> LeptonError:
    """The sentence for a build that failed: from its reports where there are any, else its log."""
    log = failed.log.read_text(errors="replace") if failed.log.is_file() else ""
    if failed.code == vivado.MISSED_TIMING:
        try:
            read_results(folder, board)
        except StageError as error:
            return error
    if failed.code == 0:
        return failed
    return vivado.problem(log, failed.code, failed.log, board.part)


def tcl_word(text: str) -> str:
    """One word of Tcl that stands for exactly this text."""
    if text and not set(text) & set(' \t\n"{}[]$\\;#'):
        return text
    if "\\" not in text and "{" not in text and "}" not in text:
        return "{" + text + "}"
    return "".join(f"\\{letter}" if not letter.isalnum() else letter for letter in text)


def _handoff(design: Design, board: Board) -> str:
    processor = processor_of(board.part)
    return handoff_text(board.part, processor, board.clock, wrapper.segments(design))


def _step(name: str, timeout: float, *products: str) -> Step:
    return Step(
        name=name,
        argv=vivado.argv(f"{name}.tcl", f"vivado_{name}.log"),
        products=products,
        timeout=timeout,
    )
