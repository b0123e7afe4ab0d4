"""Whether a design fits a board by estimate, and if not, which folding would.

Estimates only; the truth comes from synthesis.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from lepton_hw.board import Board
from lepton_hw.errors import StageError


class Estimate(Protocol):
    """The estimate for one kernel, in whole LUT, 18-kbit BRAM, URAM and DSP."""

    @property
    def lut(self) -> int: ...
    @property
    def bram18(self) -> int: ...
    @property
    def uram(self) -> int: ...
    @property
    def dsp(self) -> int: ...


@dataclass(frozen=True)
class Use:
    """LUT, 36-kbit BRAM, URAM and DSP that a design needs, by estimate."""

    lut: int
    bram36: int
    uram: int
    dsp: int


def total(kernels: Iterable[Estimate]) -> Use:
    """Sum over all kernels; two 18-kbit BRAMs make one of 36."""
    many = list(kernels)
    return Use(
        lut=sum(kernel.lut for kernel in many),
        bram36=-(-sum(kernel.bram18 for kernel in many) // 2),
        uram=sum(kernel.uram for kernel in many),
        dsp=sum(kernel.dsp for kernel in many),
    )


def overflow(use: Use, board: Board) -> tuple[str, int, int] | None:
    """(resource, demand, supply) of the resource that is over by the largest factor, or None."""
    rows = [
        (name, getattr(use, name), getattr(board.supply, name))
        for name in ("lut", "bram36", "uram", "dsp")
    ]
    over = [row for row in rows if row[1] > row[2]]
    return max(over, key=lambda row: row[1] / max(row[2], 1), default=None)


def require_fit(use: Use, board: Board, fitting_fps: Callable[[], int | None]) -> None:
    """Raises `StageError` if the design is too large; the remedy names a folding that fits.

    Args:
        use: what the design needs.
        board: the supply.
        fitting_fps: finds the frames per second of the fastest folding that fits, None if
            none does.
    """
    over = overflow(use, board)
    if over is None:
        return
    resource, demand, supply = over
    fps = fitting_fps()
    remedy = "choose a larger board or a smaller network, since no folding fits"
    if fps is not None:
        remedy = f"lower compile.target_fps to {fps}, which fits by estimate"
    raise StageError(
        f"the design needs {demand:,} {resource.upper()} by estimate, "
        f"{demand - supply:,} more than the {board.title} has",
        f"at most {supply:,}",
        remedy,
    )
