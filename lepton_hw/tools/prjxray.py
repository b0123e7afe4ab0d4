"""Project X-Ray's programs: ``xc7frames2bit`` writes a ``.bit``, ``bitread`` reads one back.

Their database is found here too. How frames come from a design is `lepton_hw.xc7`'s to know.
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lepton_hw.errors import InputError, StageError
from lepton_hw.tools import open_tools
from lepton_hw.tools.open_tools import Program

WORDS = 101  # of 32 bits in a frame
_FRAME = re.compile(r"\.frame 0x([0-9a-fA-F]{1,8})\n")


@dataclass(frozen=True)
class Prjxray:
    """The two programs, of one version."""

    writer: Program
    reader: Program

    @property
    def version(self) -> str:
        """The package's version; the database's differs only where the system is half upgraded."""
        return self.writer.version

    def database(self, family: str = "zynq7") -> Path:
        """The folder of a family's database; raises `MissingTool`."""
        return open_tools.database(family)

    def write_bit(self, frm: Path, part: str, bit: Path, family: str = "zynq7") -> None:
        """Turns a ``.frm`` file into a ``.bit``; frames that it does not name are zero.

        The header gets the file's name and the time: see `xc7.bitfile.build` for another. Raises
        `StageError` with the program's reason; `bit` is then absent.
        """
        bit.unlink(missing_ok=True)
        arguments = write_arguments(frm, part, bit, self._part_file(part, family))
        code, said = self.writer.run(arguments, bit.parent, bit.with_suffix(".bit.log"))
        # Version 0.1 says why it fails, and ends with 0.
        if code or not bit.is_file() or bit.stat().st_size == 0 or _REFUSED.search(said):
            bit.unlink(missing_ok=True)
            raise _failed("xc7frames2bit", said, code)

    def read_bit(
        self, bit: Path, part: str, family: str = "zynq7"
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Addresses and words (shape (frames, `WORDS`)) of the frames that are not zero.

        Error-correcting codes are left out. Raises `StageError` with the program's reason.
        """
        with tempfile.TemporaryDirectory(prefix="lepton_bitread_") as scratch:
            table = Path(scratch) / "frames"
            arguments = read_arguments(bit, table, self._part_file(part, family))
            code, said = self.reader.run(arguments, Path(scratch), Path(scratch) / "log")
            if code or not table.is_file() or "DONE" not in said:
                raise _failed("bitread", said, code)
            return parse_frames(table.read_text())

    def _part_file(self, part: str, family: str) -> Path:
        file = self.database(family) / part / "part.yaml"
        if not file.is_file():
            raise InputError(
                f"Project X-Ray's database has no part {part}",
                f"a part below {file.parents[1]}",
                "choose another board",
            )
        return file


_REFUSED = re.compile(r"not found or invalid|Failed to write")


def find() -> Prjxray:
    """The programs; raises `MissingTool`."""
    return Prjxray(open_tools.find("xc7frames2bit"), open_tools.find("bitread"))


def write_arguments(frm: Path, part: str, bit: Path, part_file: Path) -> list[str]:
    """Arguments of ``xc7frames2bit``."""
    return [
        f"--part_file={part_file}", f"--part_name={part}", f"--frm_file={frm.resolve()}",
        f"--output_file={bit.resolve()}",
    ]  # fmt: skip


def read_arguments(bit: Path, table: Path, part_file: Path) -> list[str]:
    """Arguments of ``bitread`` that write a table of the frames that are not zero."""
    return [f"--part_file={part_file}", "-z", f"-o={table}", str(bit.resolve())]


def parse_frames(text: str) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Addresses and words of a table of ``bitread``; raises `StageError`."""
    _, *pieces = _FRAME.split(text)
    addresses = [int(each, 16) for each in pieces[::2]]
    rows = [each.split() for each in pieces[1::2]]
    try:
        if any(len(row) != WORDS for row in rows):
            raise ValueError
        words = np.array([[int(word, 16) for word in row] for row in rows], np.uint32)
    except (ValueError, OverflowError):
        raise StageError(
            "bitread wrote frames that cannot be understood",
            f"{WORDS} words of 32 bits in each",
            "run 'make open-tools' again, or report its version",
        ) from None
    return np.array(addresses, np.uint32), words.reshape(-1, WORDS)


def _failed(program: str, said: str, code: int) -> StageError:
    lines = [line for line in said.splitlines() if line.strip() and "DONE" not in line]
    reason = next((line for line in lines if re.search(r"not |[Cc]an't|ail", line)), "")
    reason = reason or (lines[-1] if lines else f"exit code {code}")
    return StageError(
        f"{program} failed: {reason.strip().rstrip('.')}",
        "a bitstream of the same part as the database",
        "build the bitstream again",
    )
