"""The folder that is copied to a board: bitstream, ``design.json``, driver, golden vectors.

It writes what `onboard` reads, and imports nothing of it, nor of any tool or stage.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.artifacts import digest, file_digest, new_folder, write_atomically
from lepton_hw.board import Board
from lepton_hw.contract import InputContract
from lepton_hw.design import WEIGHTS, Design, Stream
from lepton_hw.errors import InputError
from lepton_hw.finn_settings import FILE as SETTINGS
from lepton_hw.finn_settings import finn_settings

MANIFEST, BITSTREAM, VECTORS, DRIVER = "design.json", "design.bit", "vectors.npz", "driver.py"
#: The format of ``design.json`` and the shell's major version that go with this driver.
FORMAT, SHELL_MAJOR = 1, 1
#: What pynq reads beside a bitstream.
HANDOFFS = (".hwh", ".xsa", ".tcl", ".dtbo")
ONBOARD = Path(__file__).resolve().parent / "onboard"
_SCRIPT = '''"""Runs the design beside this file: python driver.py --help."""

import sys
from pathlib import Path

from onboard import Accelerator
from onboard.command import main

__all__ = ["Accelerator"]

if __name__ == "__main__":
    sys.exit(main(folder=Path(__file__).resolve().parent))
'''


def manifest(
    design: Design, contract: InputContract, board: Board, design_digest: str, files: dict[str, str]
) -> dict[str, Any]:
    """What ``design.json`` holds.

    `design_digest` is the SHA-256, in hex, that the shell's registers show; `files` maps the other
    files of the folder to their SHA-256. `checksum` is over all other values.
    """
    if len(design.inputs) != 1 or len(design.outputs) != 1:
        raise InputError(
            f"the design has {len(design.inputs)} inputs and {len(design.outputs)} outputs",
            "one of each",
            "deploy a network with one input and one output",
        )
    if not re.fullmatch(r"[0-9a-f]{64}", design_digest):
        raise InputError(
            f"the design's digest is '{design_digest}'", "a SHA-256 in hex", "stitch it again"
        )
    values: dict[str, Any] = {
        "format": FORMAT,
        "digest": design_digest,
        "shell_major": SHELL_MAJOR,
        "board": board.title,
        "board_names": [name for name in (board.name, board.finn_board) if name],
        "part": board.part,
        "clock_mhz": board.clock,
        "baud": board.serial.baud if board.serial else 0,
        "input": _stream(design.stream(design.inputs[0])),
        "output": _stream(design.stream(design.outputs[0])),
        "contract": contract.model_dump(mode="json"),
        "sensors": list(board.sensors),
        "files": files,
    }
    if design.weights:
        values["weights"] = [memory.model_dump(mode="json") for memory in design.weights]
        values["fixed_weights"] = list(design.fixed_weights)
    return {**values, "checksum": digest(values)}


def _stream(stream: Stream) -> dict[str, Any]:
    return {
        "dtype": stream.dtype,
        "beats": stream.beats,
        "elements": stream.folded_shape[-1],
        "beat_bytes": stream.width // 8,
    }


def write_deployment(
    folder: Path,
    bitstream: Path,
    design: Design,
    contract: InputContract,
    board: Board,
    design_digest: str,
    vectors: tuple[NDArray[np.int64], NDArray[np.int64]],
    weights: Path | None = None,
) -> Path:
    """Writes the whole folder, in place of an older one, and returns it.

    `vectors` are input codes (N, *input shape) and the output codes that the hardware must give.
    `weights` is the ``weights.npz`` of a design whose weights can be rewritten. A ``.hwh`` or
    ``.xsa`` beside the bitstream, which pynq reads, is copied too, and so is the ``.sim`` folder
    of the virtual board. Raises `InputError` where the bitstream is missing.
    """
    if not bitstream.is_file():
        raise InputError(
            f"there is no bitstream {bitstream}", "a file", "build the bitstream first"
        )
    with new_folder(folder) as new:
        shutil.copyfile(bitstream, new / BITSTREAM)
        for suffix in HANDOFFS:
            beside = bitstream.with_suffix(suffix)
            if beside.is_file():
                shutil.copyfile(beside, (new / BITSTREAM).with_suffix(suffix))
        simulation = bitstream.with_suffix(".sim")
        if simulation.is_dir():
            shutil.copytree(simulation, (new / BITSTREAM).with_suffix(".sim"))
        (new / ONBOARD.name).mkdir()
        for source in sorted(ONBOARD.glob("*.py")):
            shutil.copyfile(source, new / ONBOARD.name / source.name)
        (new / DRIVER).write_text(_SCRIPT)
        settings = json.dumps(finn_settings(design, contract, board.clock), indent=2)
        (new / SETTINGS).write_text(settings + "\n")
        if weights is not None:
            shutil.copyfile(weights, new / WEIGHTS)
        np.savez_compressed(new / VECTORS, inputs=vectors[0], outputs=vectors[1])
        paths = sorted(path for path in new.rglob("*") if path.is_file())
        files = {path.relative_to(new).as_posix(): file_digest(path) for path in paths}
        values = manifest(design, contract, board, design_digest, files)
        write_atomically(new / MANIFEST, json.dumps(values, indent=1) + "\n")
    return folder
