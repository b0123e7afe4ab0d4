"""A board as one frozen value, read from ``boards/<name>.toml``.

Nothing else in the code knows a board by name; a new board is a new file of values.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from lepton_hw.toml_values import Frequency, Named, Values, known, load_named

ROOT = Path(__file__).resolve().parent.parent


class Resources(Values):
    """What the part has; counts of LUT6 (or LUT4), flip-flops, 36-kbit BRAM, URAM, DSP slices."""

    lut: int = Field(gt=0)
    ff: int = Field(gt=0)
    bram36: int = Field(ge=0)
    uram: int = Field(ge=0)
    dsp: int = Field(ge=0)


class Pynq(Values):
    """The newest PYNQ image of the board."""

    image: str
    python: str


class Board(Named):
    """Everything the flow needs to know of a board; see the comments in the files for sources."""

    title: str
    part: str
    finn_board: str
    #: Vivado's name of the board, without version; its preset is used where Vivado has its files.
    board_part: str = ""
    clock: Frequency
    dsp: Literal["DSP48E1", "DSP48E2", "DSP58"]
    shell: Literal["zynq-iodma", "vitis-xrt"]
    toolchains: tuple[Literal["vivado", "open"], ...]
    sensors: tuple[str, ...]
    resources: Resources
    pynq: Pynq

    @property
    def clock_ns(self) -> float:
        """Clock period in nanoseconds."""
        return 1e3 / self.clock


def known_boards() -> list[str]:
    """Names of all board files, sorted."""
    return known("boards")


def load_board(name: str) -> Board:
    """Reads a board by name or by the path of its file; raises `InputError`."""
    return load_named(name, Board, "boards")
