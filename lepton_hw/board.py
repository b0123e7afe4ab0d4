"""A board as one frozen value, read from ``boards/<name>.toml``.

Nothing else in the code knows a board by name; a new board is a new file of values.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lepton_hw.toml_values import Frequency, Named, Values, known, load_named

ROOT = Path(__file__).resolve().parent.parent
#: What FINN is told where it does not know the part: it asks a part only for the kind of its DSPs,
#: for estimates and for the choice of DSP-based units, which such a board never gets (`has_dsp48`).
STAND_IN_PART = "xc7k160tffg676-1"
#: LUT4 for a LUT6 of an estimate. The digits CNN (12,576 by estimate) takes 26,017 LUT4 in Yosys's
#: synth_ecp5 without multipliers, 2.07 for one; a little more, to be careful.
LUT4_PER_LUT6 = 2.2
#: What is written into the files and command lines of other programs, as one word that is no
#: option, or such words with spaces between them.
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$", max_length=100)]
Words = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:+ -]*$", max_length=100)]
Some = Annotated[int, Field(gt=0, le=100_000_000)]
Many = Annotated[int, Field(ge=0, le=100_000_000)]
Clock = Annotated[Frequency, Field(ge=0.01, le=2000)]


class Resources(Values):
    """What the part has; counts of LUT6 (or LUT4), flip-flops, 36-kbit BRAM, URAM, DSP slices."""

    lut: Some
    ff: Some
    bram36: Many
    uram: Many
    dsp: Many


class Serial(Values):
    """A board that is reached by a UART: pins of the package, levels, and the bridge to USB.

    `oscillator` clocks a PLL that makes the board's `clock`; `clock` is `divisor` times `baud`.
    `device`, `package` and `speed` are nextpnr's names of the part, `loader` openFPGALoader's name
    of the board.
    """

    device: Annotated[str, Field(pattern="^(um5g-|um-)?(12|25|45|85)k$")]
    package: Word
    speed: Word
    oscillator: Clock
    clock_pin: Word
    rx_pin: Word
    tx_pin: Word
    io_type: Word
    baud: Some
    loader: Word


class Pynq(Values):
    """The newest PYNQ image of the board."""

    image: Word
    python: Word


class Board(Named):
    """Everything the flow needs to know of a board; see the comments in the files for sources."""

    title: str
    part: Word
    finn_board: Word | Literal[""] = ""
    #: Vivado's name of the board, without version; its preset is used where Vivado has its files.
    board_part: Word | Literal[""] = ""
    clock: Clock
    dsp: Literal["DSP48E1", "DSP48E2", "DSP58", "MULT18X18D"]
    shell: Literal["zynq-iodma", "vitis-xrt", "uart"]
    toolchains: tuple[Literal["vivado", "open"], ...]
    sensors: tuple[Words, ...]
    resources: Resources
    pynq: Pynq | None = None
    serial: Serial | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Board":
        """A board has a processor that runs PYNQ, or a UART."""
        uart = self.shell == "uart"
        if uart != (self.serial is not None) or uart == (self.pynq is not None):
            raise ValueError("[serial] with the shell 'uart', [pynq] with any other")
        if self.serial is not None and not self.divisor_is_whole:
            raise ValueError("a clock that is a whole multiple, of 8 at least, of serial.baud")
        return self

    @property
    def clock_ns(self) -> float:
        """Clock period in nanoseconds."""
        return 1e3 / self.clock

    @property
    def finn_part(self) -> str:
        """The part that FINN is told."""
        return self.part if self.finn_board else STAND_IN_PART

    @property
    def has_dsp48(self) -> bool:
        """Whether FINN's DSP-based units can be built here; it has none for other multipliers."""
        return self.dsp != "MULT18X18D"

    @property
    def supply(self) -> Resources:
        """The resources in the units of the estimates, which count LUT6."""
        if self.has_dsp48:
            return self.resources
        lut = int(self.resources.lut / LUT4_PER_LUT6)
        return self.resources.model_copy(update={"lut": lut})

    @property
    def divisor(self) -> int:
        """Cycles of the clock to a bit of the UART."""
        return round(self.clock * 1e6 / self.serial.baud) if self.serial else 0

    @property
    def divisor_is_whole(self) -> bool:
        """Whether the UART's bits are exact."""
        exact = self.divisor * self.serial.baud * 1e-6 if self.serial else 0.0
        return self.divisor >= 8 and abs(exact - self.clock) < 1e-6 * self.clock


def known_boards() -> list[str]:
    """Names of all board files, sorted."""
    return known("boards")


def load_board(name: str) -> Board:
    """Reads a board by name or by the path of its file; raises `InputError`."""
    return load_named(name, Board, "boards")
