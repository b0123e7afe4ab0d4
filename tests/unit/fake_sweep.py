"""A builder that builds nothing: it writes down who was asked for what, and does as it is told.

A file ``POINT.do`` in the sweep's folder holds one of the words of `build`; it serves once.
"""

import os
import signal
import time
from pathlib import Path

from lepton_hw.board import load_board
from lepton_hw.errors import MissingTool
from lepton_hw.flow import Flow, load_flow
from lepton_hw.progress import Progress
from lepton_hw.sweep.build import Place
from lepton_hw.sweep.grid import Point
from lepton_hw.sweep.run import Settings, sweep_folder
from lepton_hw.sweep_results import Figures, Row

BOARD = load_board("pynq_z2")


def flow() -> Flow:
    return load_flow("digits_cnn")


def build(point: Point, place: Place, progress: Progress) -> Row:
    """Figures that follow from the values, or what ``POINT.do`` says."""
    with (place.folder / "asked").open("a") as file:
        file.write(f"{point.name} {os.getpid()}\n")
    told = place.folder / f"{point.name}.do"
    word = told.read_text() if told.is_file() else ""
    if word != "wait":
        told.unlink(missing_ok=True)
    row = Row(
        name=point.name, values=dict(point.values), state="failed", reason="told to", host="h"
    )
    match word:
        case "fail":
            return row
        case "differ":
            return row.model_copy(update={"state": "mismatch", "exact": False})
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "miss":
            raise MissingTool("no hammer", "a hammer", "buy one")
        case "interrupt":
            raise KeyboardInterrupt
        case "break":
            raise RuntimeError("what no builder should do")
    while told.is_file():
        time.sleep(0.02)
    progress.say("built")
    return row.model_copy(update={"state": "done", "exact": True, "reason": "",
                                  "figures": figures(point)})  # fmt: skip


def figures(point: Point) -> Figures:
    bits = int(point.values.get("bits", 4))
    return Figures(
        accuracy=0.9 + bits / 100, frames_per_second=1e5, latency_us=10.0 * bits,
        cycles_per_frame=1000, latency_cycles=1000 * bits, lut=100 * bits, bram36=bits, uram=0,
        dsp=0, fullest="LUT", share=bits / 500, vectors=360, seconds=1.0,
    )  # fmt: skip


def folder(build_dir: Path) -> Path:
    """The sweep's folder, made."""
    found = sweep_folder(flow(), BOARD, build_dir)
    found.mkdir(parents=True, exist_ok=True)
    return found


def tell(build_dir: Path, bits: int, word: str) -> Path:
    """What the builder is to do with a point."""
    path = folder(build_dir) / f"digits_cnn_bits{bits}.do"
    path.write_text(word)
    return path


def asked(build_dir: Path) -> list[str]:
    """The points that were built so far, in order, without the flow's name."""
    file = folder(build_dir) / "asked"
    lines = file.read_text().splitlines() if file.is_file() else []
    return [line.split()[0].removeprefix("digits_cnn_") for line in lines]


def pids(build_dir: Path) -> set[int]:
    """The processes that built."""
    lines = (folder(build_dir) / "asked").read_text().splitlines()
    return {int(line.split()[1]) for line in lines}


def settings(build_dir: Path, **rest: object) -> Settings:
    return Settings(**{"build_dir": build_dir, "jobs": 2, "builder": build, **rest})  # type: ignore[arg-type]
