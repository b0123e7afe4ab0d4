"""A board as one frozen value, read from ``boards/<name>.toml``.

Nothing else in the code knows a board by name; a new board is a new file of values.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from lepton_hw.errors import InputError
from lepton_hw.toml_values import Frequency, Values, read_toml

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


class Board(Values):
    """Everything the flow needs to know of a board; see the comments in the files for sources."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str
    part: str
    finn_board: str
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


def board_dirs() -> list[Path]:
    """Folders searched for board files: the working folder's first, then the project's own."""
    return [path for path in (Path("boards"), ROOT / "boards") if path.is_dir()]


def known_boards() -> list[str]:
    """Names of all board files, sorted."""
    return sorted({file.stem for folder in board_dirs() for file in folder.glob("*.toml")})


def load_board(name: str) -> Board:
    """Reads a board by name or by the path of its file; raises `InputError`."""
    path = Path(name)
    if path.suffix != ".toml":
        files = [folder / f"{name}.toml" for folder in board_dirs()]
        path = next((file for file in files if file.is_file()), path)
    if not path.is_file():
        raise InputError(
            f"there is no board '{name}'",
            f"one of {', '.join(known_boards())}",
            "pass one of these, or the path of a board file",
        )
    board = read_toml(path, Board)
    if board.name != path.stem:
        raise InputError(
            f"{path}: key 'name' is '{board.name}'", f"'{path.stem}', as the file", "rename one"
        )
    return board
