"""Compares the RTL with FINN's graph layer by layer, by tapping every stream.

Finds faults that the output hides, and names the layer of those that it shows.
"""

import numpy as np
from numpy.typing import NDArray

from lepton_hw.certificate import Divergence
from lepton_hw.design import Design
from lepton_hw.executors.compare import first_difference
from lepton_hw.executors.finn_executor import FinnExecutor
from lepton_hw.executors.reference_executor import ReferenceExecutor
from lepton_hw.executors.rtl_executor import RtlExecutor

Ints = NDArray[np.int64]
DOOR = "input"


def layers_of(design: Design) -> list[tuple[str, str, str]]:
    """(layer, operator, tensor) for every stream that carries a tensor, inputs before outputs."""
    nodes = {node.name: node for node in design.nodes}
    found = [(DOOR, "door", s.tensor) for s in design.streams if s.tensor and not s.producer]
    for stream in design.streams:
        if stream.tensor and stream.producer:
            node = nodes[stream.producer]
            found.append((node.name, node.op.removesuffix("_rtl"), stream.tensor))
    return found


def compare_reference(
    integers: ReferenceExecutor, finn: FinnExecutor, design: Design, codes: Ints, frame: int
) -> Divergence | None:
    """The first layer whose output in the integer path is not that of FINN's graph."""
    expected = finn.graph.taps(codes[frame])
    known = {name: value[0] for name, value in integers.taps(codes[frame : frame + 1]).items()}
    shaped = {
        name: value.reshape(expected[name].shape)
        for name, value in known.items()
        if name in expected and value.size == expected[name].size
    }
    layers = [row for row in layers_of(design) if row[2] in shaped]
    return first_difference(integers.name, finn.name, frame, layers, expected, shaped)


def compare_layers(
    rtl: RtlExecutor, finn: FinnExecutor, codes: Ints, frames: range
) -> Divergence | None:
    """The first layer output that differs in any of `frames`, or None.

    All frames before the last one run too, for the state that they leave behind.
    """
    design = rtl.design
    streams = [stream for stream in design.streams if stream.tensor]
    taps = rtl.taps(codes[: frames.stop], tuple(stream.name for stream in streams))
    for frame in frames:
        got = {s.tensor: taps[s.name][frame] for s in streams}
        expected = finn.graph.taps(codes[frame])
        found = first_difference(rtl.name, finn.name, frame, layers_of(design), expected, got)
        if found is not None:
            return found
    return None
