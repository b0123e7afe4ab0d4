"""FIFO depths that FINN's own sizing gives, to compare ours with; never built.

The rule is AMD FINN's default, ``InsertAndSetFIFODepths`` with ``largefifo_rtlsim``: FIFOs as deep
as their tensors, frames as fast as they are taken, the fullest moment of each, rounded up.
"""

from lepton_hw.compiler.fifo_search import Depths, random_frames
from lepton_hw.compiler.graph import Graph
from lepton_hw.progress import Progress
from lepton_hw.sim.deadlock import Deadlock
from lepton_hw.sim.gauges import GaugedDesign

#: Depth up to which FINN builds a shift register, and the least that it gives it.
SHIFT_REGISTER = 32
#: Depth up to which it builds its own FIFO; deeper ones are Vivado's, powers of two.
OWN = 256
#: Frames for a network with convolutions; others get half as many as they have nodes.
FRAMES = 2


def finn_depths(gauged: GaugedDesign, graph: Graph, progress: Progress) -> Depths:
    """Simulates as FINN would; returns depths in beats by FIFO."""
    tensors = {edge.tensor: edge for edge in graph.edges}
    deep = {k.name: tensors[k.outputs[0].tensor].beats for k in graph.kernels if k.depth}
    windows = any(k.op.startswith("ConvolutionInputGenerator") for k in graph.kernels)
    frames = FRAMES if windows else max(FRAMES, len(graph.kernels) // 2)
    try:
        result = gauged.run(random_frames(gauged.design, frames), deep, progress=progress)
    except Deadlock:  # a branch must hold more than a frame: FINN's depths stay at the tensors'
        return {name: rounded(depth) for name, depth in deep.items()}
    return {name: rounded(result.fifos[name].max_fill) for name in deep}


def rounded(fill: int) -> int:
    """FINN's depth in beats for a FIFO that held `fill`; its rule is ``optimize_depth``."""
    if fill <= 2:
        return 2
    if fill <= OWN:
        return max(SHIFT_REGISTER, fill)
    return 1 << (fill - 1).bit_length()
