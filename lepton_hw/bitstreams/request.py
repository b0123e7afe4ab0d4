"""What every way to a bitstream is given, and what it returns; plain values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.board import Board
from lepton_hw.design import Design
from lepton_hw.progress import Progress


@dataclass(frozen=True)
class Request:
    """A design, its board, golden vectors, and where to write.

    `folder` holds the design's files, `workdir` is empty; `bit` is the file to make in it.
    `vectors` are input codes (N, *shape of the input) and output codes (N, *shape of the output),
    certified, each in `cycles_per_frame` cycles. `seeds` are those of place and route.
    """

    design: Design
    folder: Path
    board: Board
    workdir: Path
    bit: Path
    vectors: tuple[NDArray[Any], NDArray[np.int64]]
    progress: Progress
    cycles_per_frame: int = 0
    seeds: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Figures:
    """What was made. Zeros and empty where a way knows none.

    `clock` is what the design runs at, `achieved` what place and route reached with the best
    `seed`, both in MHz. `used` are counts by the names of board files, measured after place and
    route. `netlist_vectors` of the netlist were simulated, all exact, or nothing would be here.
    `features` of the fabric were set and read back. `untimed` counts cells of kinds whose timing
    the tool does not know. `seconds` by step, `tools` by name with version. `slack` in ns and
    `power` in watts are those of the vendor's reports, for the corner that `power_corner` names.
    """

    design_digest: str
    clock: float
    achieved: float = 0.0
    seed: int = 0
    used: dict[str, float] | None = None
    netlist_vectors: int = 0
    features: int = 0
    untimed: dict[str, int] | None = None
    seconds: dict[str, float] | None = None
    tools: dict[str, str] | None = None
    slack: dict[str, float] | None = None
    power: dict[str, float] | None = None
    power_corner: str = ""
