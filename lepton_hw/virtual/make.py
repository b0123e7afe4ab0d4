"""Builds a bitstream for the virtual board from a stitched design: simulation, handoff, ``.bit``.

The only module of this package that runs in the environment of the flow; it runs no simulation.
"""

import shutil
from pathlib import Path

from lepton_hw.board import Board
from lepton_hw.design import Design
from lepton_hw.rtl.shell import wrapper
from lepton_hw.rtl.shell.address_map import Segment, processor_of
from lepton_hw.rtl.shell.handoff import handoff_text
from lepton_hw.sim.serial import serial_library
from lepton_hw.sim.shell import shell_library
from lepton_hw.virtual import bitstream

MAX_BURST = 16


def write_bitstream(
    path: Path, design: Design, design_folder: Path, board: Board, cache: Path | None = None
) -> str:
    """Writes `path` (``….bit``) with its ``.sim`` folder beside it, and its ``.hwh`` where the
    board has a processor.

    Returns the design's digest, in hex, which the shell's registers show. Raises `StageError` or
    `MissingTool` where the simulation does not build.
    """
    digest = wrapper.design_digest(design_folder, design)
    if board.serial is not None:
        library = serial_library(design, design_folder, digest, cache=cache)
        segments: tuple[Segment, ...] = ()  # there is no processor that could address any
    else:
        processor = processor_of(board.part)
        library = shell_library(
            design, design_folder, digest, axi3=processor.axi3, max_burst=MAX_BURST, cache=cache
        )
        segments = wrapper.segments(design)
        path.with_suffix(".hwh").write_text(
            handoff_text(board.part, processor, board.clock, segments)
        )
    folder = path.with_suffix(bitstream.SUFFIX)
    folder.mkdir(parents=True)
    shutil.copyfile(library, folder / bitstream.LIBRARY)
    for name in design.data_files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(design_folder / name, folder / name)
    values = {
        "digest": digest.hex(), "part": board.part, "board": board.name,
        "max_burst": MAX_BURST, "segments": segments,
    }  # fmt: skip
    model_digest = bitstream.write_model(folder, values)
    path.write_bytes(bitstream.bit_bytes(board.part, model_digest))
    return digest.hex()
