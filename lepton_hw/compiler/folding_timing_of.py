"""Reads the timing of a layer off its FINN operator, at the folding that it has at the moment.

The one place that knows which kernel has which pipeline; it changes no attribute and asks for no
estimate.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.compiler.folding_timing import (
    Concatenated,
    Cut,
    Grouped,
    Matrix,
    Port,
    Selected,
    Steady,
    Taken,
    Timing,
    WholeImage,
)
from lepton_hw.compiler.folding_timing_window import Geometry, Window
from lepton_hw.compiler.kernels import dot_formats as formats

#: Bits that our dot products add in a cycle, and numbers after that (dot_pkg.sv).
BITS_PER_STAGE, FAN_IN = 32, 8


@dataclass(frozen=True)
class Layer:
    """A layer's timing and its streams, constants left out."""

    timing: Timing
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def layer_of(model: ModelWrapper, op: Any) -> Layer:
    """The layer of this operator, as it is folded now."""
    node = op.onnx_node
    kind = node.op_type.removesuffix("_rtl").removesuffix("_hls")
    inputs = tuple(
        _port(op, index, "input", op.get_instream_width(index))
        for index in streams_into(model, node)
    )
    outputs = tuple(
        _port(op, index, "output", op.get_outstream_width(index))
        for index in range(len(node.output))
    )
    timing = TIMINGS.get(kind, _unknown)(op, outputs)
    return Layer(timing, inputs, outputs)


def streams_into(model: ModelWrapper, node: Any) -> list[int]:
    """Numbers of the inputs that are no constants."""
    constants = {tensor.name for tensor in model.graph.initializer}  # whose values take long
    return [i for i, name in enumerate(node.input) if name not in constants]


def _port(op: Any, index: int, side: str, width: int) -> Port:
    normal = getattr(op, f"get_normal_{side}_shape")(index)
    folded = getattr(op, f"get_folded_{side}_shape")(index)
    vectors = math.prod(int(n) for n in normal[:-1])
    beats = math.prod(int(n) for n in folded[:-1])
    return Port(vectors, max(1, beats // vectors), width)


def dot_cycles(elements: int, planes: int) -> int:
    """Cycles of a dot product of so many elements, of activation bits × weight bits: `latency` of
    dot_pkg.sv at its own BITS_PER_STAGE; another compile.bits_per_stage moves it by a cycle or two.
    """
    left = math.ceil(elements / min(elements, max(1, BITS_PER_STAGE // planes)))
    cycles = 1
    while left > 1:
        left, cycles = math.ceil(left / FAN_IN), cycles + 1
    return cycles


def _lut_delay(op: Any, elements: int, shared: bool) -> int:
    """From the beat's step to the sum: operands, `dot_cycles`, accumulator; a register more behind
    block RAM (AGAIN), and one where the part of the activations alone is added (`has_common`).
    """
    xnor = bool(op.get_nodeattr("binaryXnorMode"))
    a_type, w_type = op.get_input_datatype(0), op.get_input_datatype(1)
    a_bits = a_type.bitwidth()
    a_kind, w_kind = formats.activation_kind(a_type, xnor), formats.weight_kind(w_type, xnor)
    again = op.get_nodeattr("mem_mode") == "internal_embedded"
    again = again and op.get_nodeattr("ram_style") == "block"
    mixed = (a_kind == formats.BIPOLAR) != (w_kind == formats.BIPOLAR)
    by_table = w_kind == formats.BIPOLAR and a_bits <= 2
    common = shared and op.get_nodeattr("PE") > 1 and mixed and not by_table
    return 2 + dot_cycles(elements, a_bits * w_type.bitwidth()) + int(again) + int(common)


def _dsp_delay(elements: int) -> int:
    """PIPELINE_DEPTH of mvu.sv, and the queue of results behind it (mvu_vvu_axi.sv)."""
    return 4 + math.ceil(math.log2(elements)) + int(elements == 1) + 2


def _mvau(op: Any, _: tuple[Port, ...]) -> Timing:
    simd, pe = op.get_nodeattr("SIMD"), op.get_nodeattr("PE")
    fold, groups = op.get_nodeattr("MW") // simd, op.get_nodeattr("MH") // pe
    if op.get_nodeattr("resType") == "lut":
        return Matrix(fold, groups, _lut_delay(op, simd, True) + int(groups > 1))
    return Matrix(fold, groups, _dsp_delay(simd) + 2 * int(groups > 1))


def _vvau(op: Any, _: tuple[Port, ...]) -> Timing:
    simd = op.get_nodeattr("SIMD")
    fold = math.prod(op.get_nodeattr("Kernel")) // simd
    ours = op.get_nodeattr("resType") == "lut"
    delay = _lut_delay(op, simd, False) if ours else _dsp_delay(simd)
    return Grouped(fold, op.get_nodeattr("Channels") // op.get_nodeattr("PE"), delay)


def _window(op: Any, _: tuple[Port, ...]) -> Timing:
    names = ("IFMDim", "OFMDim", "ConvKernelDim", "Stride", "Dilation")
    geometry = Geometry(*((int(a), int(b)) for a, b in map(op.get_nodeattr, names)))
    parts = op.get_nodeattr("IFMChannels") // op.get_nodeattr("SIMD")
    parallel = op.select_impl_style() == "parallel"
    depthwise = bool(op.get_nodeattr("depthwise"))
    return Window(geometry, parts, op.get_buffer_depth() // parts, depthwise, parallel)


def _padding(op: Any, _: tuple[Port, ...]) -> Timing:
    return Taken(_padded(*op.get_nodeattr("ImgDim"), *op.get_nodeattr("Padding")), 1)


@lru_cache
def _padded(height: int, width: int, *pad: int) -> tuple[int, ...]:
    """Number of each pixel's source, -1 for a zero; `pad`: top, left, bottom, right."""
    top, left, bottom, right = pad
    return tuple(
        row * width + column if 0 <= row < height and 0 <= column < width else -1
        for row in range(-top, height + bottom)
        for column in range(-left, width + right)
    )


def _upsample(op: Any, _: tuple[Port, ...]) -> Timing:
    return Taken(_enlarged(*(op.get_nodeattr(name) for name in ("HO", "WO", "HI", "WI"))), 2)


@lru_cache
def _enlarged(high: int, wide: int, height: int, width: int) -> tuple[int, ...]:
    """Number of each pixel's source."""
    return tuple(
        (row * height // high) * width + column * width // wide
        for row in range(high)
        for column in range(wide)
    )


def _thresholds(op: Any, _: tuple[Port, ...]) -> Timing:
    """A stage a bit of the result, of two registers if `deep_pipeline`, and a queue of two
    (thresholding.sv).
    """
    stages = math.ceil(math.log2(op.get_nodeattr("numSteps") + 1))
    return Steady(stages * (1 + op.get_nodeattr("deep_pipeline")) + 2)


def _pool(op: Any, _: tuple[Port, ...]) -> Timing:
    size = math.prod(op.get_nodeattr("KernelSize"))
    groups = op.get_nodeattr("Channels") // op.get_nodeattr("PE")
    return Grouped(size, groups, 1 + int(op.get_nodeattr("Function") == "AvgPool"))


def _select(op: Any, _: tuple[Port, ...]) -> Timing:
    return Selected(op.get_nodeattr("K"), math.ceil(math.log2(op.get_nodeattr("PE"))) + 2)


def _unknown(_: Any, outputs: tuple[Port, ...]) -> Timing:
    """A layer that has no rule: as one that passes beats on, in some cycles."""
    return Steady(4) if outputs[0].vectors > 1 else WholeImage(4)


def _steady(delay: int) -> Callable[[Any, tuple[Port, ...]], Timing]:
    return lambda _op, _outputs: Steady(delay)


#: Kind of layer → its rule. `Steady` delays are registers between input and output of the module.
TIMINGS: dict[str, Callable[[Any, tuple[Port, ...]], Timing]] = {
    "MVAU": _mvau,
    "VVAU": _vvau,
    "ConvolutionInputGenerator": _window,
    "FMPadding": _padding,
    "UpsampleNearestNeighbour": _upsample,
    "Thresholding": _thresholds,
    "Pool": _pool,
    "GlobalAccPool": lambda _op, _outputs: WholeImage(1),
    "LabelSelect": _select,
    "StreamingConcat": lambda _op, outputs: Concatenated(outputs[0].beats),
    "StreamingSplit": lambda _op, outputs: Cut(max(port.beats for port in outputs)),
    "ElementwiseAdd": _steady(2),
    "ElementwiseSub": _steady(2),
    "ElementwiseMul": _steady(2),
    "Lookup": _steady(1),
    "DuplicateStreams": _steady(0),
    "Squeeze": _steady(0),
    "Unsqueeze": _steady(0),
}


def layers_of(model: ModelWrapper) -> dict[str, Layer]:
    """Every layer of a graph by name, as it is folded now."""
    return {node.name: layer_of(model, getCustomOp(node)) for node in model.graph.node}
