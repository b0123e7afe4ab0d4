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


class Identity(NamedTuple):
    """`pynq_name` is what PYNQ calls the board."""

    name: str
    title: str
    part: str
    pynq_name: str


def wanted() -> str:
    """The board that the variable LEPTON_VIRTUAL_BOARD names; empty: that of the bitstream."""
    return os.environ.get(VARIABLE, "")


def identity(name: str) -> Identity:
    """The board of that name."""
    known = sorted(path.stem for path in BOARDS.glob("*.toml"))
    if name not in known:
        raise BoardError(
            f"the virtual board is to be '{name}'",
            f"one of {', '.join(known)}",
            f"set {VARIABLE} to one of these, or leave it out",
        )
    values = tomllib.loads((BOARDS / f"{name}.toml").read_text())
    return Identity(values["name"], values["title"], values["part"], values.get("finn_board", ""))
