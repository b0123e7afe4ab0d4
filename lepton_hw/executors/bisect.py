"""Names the first layer at which the RTL leaves FINN's graph, by tapping every stream.

Runs only after a mismatch; the comparison itself is `lepton_hw.executors.compare`.
"""

import numpy as np
from numpy.typing import NDArray

from lepton_hw.certificate import Divergence
from lepton_hw.design import Design
from lepton_hw.executors.compare import first_difference
from lepton_hw.executors.finn_executor import FinnExecutor
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


def bisect_rtl(rtl: RtlExecutor, finn: FinnExecutor, codes: Ints, frame: int) -> Divergence | None:
    """The first divergence of `frame`; the frames before it run too, for the state they leave.

    Returns None where all taps of that frame agree.
    """
    design = rtl.design
    streams = [stream for stream in design.streams if stream.tensor]
    taps = rtl.taps(codes[: frame + 1], tuple(stream.name for stream in streams))
    got = {s.tensor: taps[s.name][frame] for s in streams if len(taps[s.name]) > frame}
    return first_difference(
        rtl.name, finn.name, frame, layers_of(design), finn.graph.taps(codes[frame]), got
    )
