"""Which board the virtual one is: name, title and part, from ``boards/<name>.toml``.

Only these values are read here; the flow checks the whole file.
"""

import os
import tomllib
from pathlib import Path
from typing import NamedTuple

from lepton_hw.virtual.errors import BoardError

BOARDS = Path(__file__).resolve().parents[2] / "boards"
VARIABLE = "LEPTON_VIRTUAL_BOARD"
DEFAULT = "pynq_z2"


class Identity(NamedTuple):
    """`pynq_name` is what PYNQ calls the board."""

    name: str
    title: str
    part: str
    pynq_name: str


def identity(name: str | None = None) -> Identity:
    """The board of that name, by default of the variable LEPTON_VIRTUAL_BOARD, else a PYNQ-Z2."""
    wanted = name or os.environ.get(VARIABLE) or DEFAULT
    known = sorted(path.stem for path in BOARDS.glob("*.toml"))
    if wanted not in known:
        raise BoardError(
            f"the virtual board is to be '{wanted}'",
            f"one of {', '.join(known)}",
            f"set {VARIABLE} to one of these",
        )
    values = tomllib.loads((BOARDS / f"{wanted}.toml").read_text())
    return Identity(values["name"], values["title"], values["part"], values["finn_board"])
