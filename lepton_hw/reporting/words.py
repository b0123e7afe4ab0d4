"""Says values in words: data types, shapes, host steps, executors. Strings in, strings out."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lepton_hw.contract import InputContract, Port
from lepton_hw.datatypes import value_range
from lepton_hw.errors import InputError

EXECUTORS = {
    "torch": "PyTorch",
    "qonnx": "QONNX",
    "finn": "FINN graph",
    "reference": "Integer path",
    "rtl": "RTL",
    "netlist": "Netlist, synthesised",
}
#: FINN's operator → what it does, in a few words, and its kind in the drawing.
OPERATORS = {
    "MVAU": ("Matrix product", "compute"),
    "VVAU": ("Depthwise product", "compute"),
    "Thresholding": ("Activation", "activation"),
    "ConvolutionInputGenerator": ("Sliding window", "move"),
    "FMPadding": ("Zero padding", "move"),
    "FMPadding_Pixel": ("Pixel padding", "move"),
    "DownSampler": ("Down-sampling", "move"),
    "StreamingMaxPool": ("Max pooling", "compute"),
    "MaxPool": ("Max pooling", "compute"),
    "Pool": ("Pooling", "compute"),
    "GlobalAccPool": ("Global pooling", "compute"),
    "AddStreams": ("Addition", "compute"),
    "ElementwiseAdd": ("Addition", "compute"),
    "ElementwiseMul": ("Multiplication", "compute"),
    "ChannelwiseOp": ("Channel-wise", "compute"),
    "DuplicateStreams": ("Fork", "move"),
    "StreamingConcat": ("Concatenation", "move"),
    "StreamingSplit": ("Split", "move"),
    "UpsampleNearestNeighbour": ("Up-sampling", "move"),
    "LabelSelect": ("Top classes", "compute"),
    "Lookup": ("Look-up table", "compute"),
}
_AXES = {"N": "", "H": "height", "W": "width", "C": "channels"}
_AFTER = {
    "argmax": "take the index of the largest output as the class",
    "top_k": "take the indices of the largest outputs",
    "softmax": "apply softmax",
}
_MODES = {"L": "grey, 8 bits a pixel", "RGB": "red, green, blue, 8 bits each"}


def executor(name: str) -> str:
    """What a person calls an executor."""
    return EXECUTORS.get(name, name)


def operator(op: str) -> str:
    """What an operator of FINN does; its own name where we have no better one."""
    return OPERATORS.get(op, (op, ""))[0]


def kind(op: str) -> str:
    """``compute``, ``activation`` or ``move`` (data only changes place)."""
    return OPERATORS.get(op, ("", "compute"))[1]


def short(name: str) -> str:
    """A layer's name without FINN's ``_rtl``."""
    return re.sub(r"_(rtl|hls)(?=_\d+$|$)", "", name)


def brief(name: str) -> str:
    """`short`, and the one long name of FINN's abbreviated; for drawings."""
    return short(name).replace("ConvolutionInputGenerator", "ConvInputGen")


def shape(sizes: Sequence[int]) -> str:
    """``8×8×16``; a leading batch of 1 is left out."""
    shown = sizes[1:] if len(sizes) > 1 and sizes[0] == 1 else sizes
    return "×".join(str(size) for size in shown)


def port(port: Port) -> str:
    """Type, range, shape and order of a tensor at the door."""
    axes = [_AXES.get(letter, letter) for letter in port.layout if letter != "N"]
    named = len(axes) == len(port.shape) > 1
    order = f" ({' × '.join(axes)}, order {port.layout})" if named else " values"
    return f"{_range(port.dtype)}; {shape((1, *port.shape))}{order} a frame"


def _range(dtype: str) -> str:
    try:
        low, high = value_range(dtype)
    except InputError:  # the type of a model that ends in floats; the compiler refuses those
        return dtype
    return f"{dtype}, integers from {low:,} to {high:,}".replace("-", "−")


def meaning(port: Port) -> str:
    """Which real value a code stands for."""
    scales, biases = set(port.scale), set(port.bias)
    if len(scales) == 1 and len(biases) == 1:
        scale, bias = scales.pop(), biases.pop()
        if (scale, bias) == (1.0, 0.0):
            return "a code stands for itself"
        offset = f" {'+' if bias > 0 else '−'} {abs(bias):.6g}" if bias else ""
        return f"a code c stands for {scale:.6g} · c{offset}"
    if not scales:
        return "no scale is given"
    low, high = min(port.scale), max(port.scale)
    return f"a code c stands for s · c + b, s from {low:.6g} to {high:.6g}, both by channel"


def before(contract: InputContract) -> list[str]:
    """What the host does to an image before the hardware, a line a step."""
    return [_step(dict(step)) for step in contract.host_before] or ["nothing"]


def after(contract: InputContract) -> list[str]:
    """What the host does to the output codes, a line a step."""
    return [_AFTER.get(step, step) for step in contract.host_after] or ["nothing"]


def _step(step: dict[str, Any]) -> str:
    op = str(step.pop("op", "step"))
    match op:
        case "decode" if step.get("mode") in _MODES:
            return f"decode ({_MODES[step['mode']]})"
        case "resize":
            return f"resize to {step['width']}×{step['height']}, bilinear"
        case "center_crop":
            return f"cut the middle {step['width']}×{step['height']}"
        case "denoise":
            return f"denoise, {step['method']} filter of {step['size']}×{step['size']}"
        case "quantise":
            return f"quantise: round(value / {step['scale']:.6g}) to {step['dtype']}"
    values = ", ".join(f"{key} {_value(value)}" for key, value in step.items())
    return op.replace("_", " ") + (f" ({values})" if values else "")


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        shown = ", ".join(_value(item) for item in value[:4])
        return f"{shown}, … ({len(value)} values)" if len(value) > 4 else shown
    return f"{value:.6g}" if isinstance(value, float) else str(value)
