"""The roofline of a design (Williams et al., CACM 52(4), 2009), from cycles and folding.

A dataflow design holds its weights, so that only frames pass the door; its peak is that of its own
multipliers, all at work in every cycle.
"""

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from lepton_hw.contract import Port
from lepton_hw.datatypes import bits_of

if TYPE_CHECKING:
    from lepton_hw.reporting.facts import Facts

#: Bytes a cycle of the shell's DMA ports, one way each.
WORD = 8
#: FINN's operators that multiply; a multiply-accumulate is two operations.
_MULTIPLY = ("MVAU", "VVAU")


@dataclass(frozen=True)
class Roofline:
    """`intensity` in operations a byte, `bandwidth` in bytes, the rest in operations a second."""

    intensity: float
    achieved: float
    peak: float
    bandwidth: float


def roofline(facts: "Facts") -> Roofline | None:
    """Of the frames a second that the RTL reaches at this clock; None without multipliers."""
    layers = [layer for layer in facts.layers if layer.op.startswith(_MULTIPLY)]
    folded = [(layer.pe or 1) * (layer.simd or 1) for layer in layers]
    operations = 2 * sum(layer.cycles * size for layer, size in zip(layers, folded, strict=True))
    if not operations:
        return None
    moved = _bytes(facts.contract.input) + _bytes(facts.contract.output)
    return Roofline(
        intensity=operations / moved,
        achieved=operations * facts.fps,
        peak=2 * sum(folded) * facts.clock * 1e6,
        bandwidth=WORD * facts.clock * 1e6,
    )


def _bytes(port: Port) -> float:
    """Of a frame; a code takes at least its own bits."""
    return max(1.0, prod(port.shape) * bits_of(port.dtype) / 8)
