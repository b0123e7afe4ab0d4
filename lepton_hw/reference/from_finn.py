"""Reads FINN's graph of hardware layers, our kernels included, into the integer graph.

The semantics are those of FINN's Python models where these are integer (`FinnGraph` runs them),
and of the hardware where they are not: averages are truncated.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from lepton_hw.errors import StageError
from lepton_hw.reference import ir
from lepton_hw.reference.build import Builder, whole
from lepton_hw.reference.graph import Graph, Ints, Op
from lepton_hw.reference.onnx_file import OnnxFile, attributes

Attributes = dict[str, Any]


def read_finn(file: OnnxFile) -> Graph:
    """The graph; raises `StageError` for floats, unknown layers and numbers beyond 63 bits."""
    reader = FinnReader(file)
    for name in file.inputs:
        reader.builder.input(name, file.frame_shape(name), *file.integer_range(name))
    for node in file.nodes:
        reader.read(node)
    return reader.builder.graph(file.outputs)


class FinnReader:
    """Translates node after node."""

    def __init__(self, file: OnnxFile) -> None:
        self.file, self.builder = file, Builder()

    def read(self, node: Any) -> None:
        """Adds one node."""
        base = node.op_type.removesuffix("_rtl").removesuffix("_hls")
        translate = _LAYERS.get(base)
        if translate is None:
            raise StageError(
                f"layer '{node.name}' ({node.op_type}) is not known to the reference path",
                f"one of {', '.join(sorted(_LAYERS))}",
                "run FINN's own execution instead, and report this layer",
            )
        translate(self, node, attributes(node))

    def add(self, node: Any, op: Op, *names: str) -> None:
        """The whole node as one operator on its first input, or on the tensors named."""
        inputs = list(names) or [node.input[0]]
        results = op.results([self.builder.tensors[name] for name in inputs])
        declared = self.file.frame_shape(node.output[0])
        if len(results) > 1 or results[0][0] == declared:
            self.builder.add(node.name, op, inputs, list(node.output))
            return
        if prod(results[0][0]) != prod(declared):
            raise StageError(
                f"layer '{node.name}' ({node.op_type}) gives frames of {results[0][0]}",
                f"{declared}, as the file says",
                "compile the model again",
            )
        made = self.builder.add(node.name, op, inputs)
        self.builder.add(node.name, ir.Reshape(declared), [made], list(node.output))

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a frame of a tensor that has been read."""
        return self.builder.tensors[name].shape

    def weights(self, node: Any, index: int = 1) -> Ints:
        """A constant input as integers."""
        value = self.file.constant(node.input[index])
        if value is None:
            raise StageError(
                f"layer '{node.name}' ({node.op_type}) has no constant '{node.input[index]}'",
                "weights in the file",
                "compile with weights that are fixed",
            )
        return whole(value, node.input[index])

    def thresholds(self, node: Any, index: int) -> Ints:
        """Sorted, and rounded up: an integer reaches t where it reaches the next integer."""
        value = self.file.constant(node.input[index])
        if value is None:
            return self.weights(node, index)
        return np.sort(np.ceil(np.asarray(value, np.float64)).astype(np.int64), axis=1)

    def window_group(self, node: Any, channels: int) -> int:
        """Channels of a tap that stand side by side in a depthwise layer's input."""
        makers = [other for other in self.file.nodes if node.input[0] in other.output]
        # Windows that have no hardware yet are in the plain order.
        plain = makers and makers[0].op_type in ("ConvolutionInputGenerator", "Im2Col")
        return channels if plain else int(attributes(node)["PE"])


def _matrix(reader: FinnReader, node: Any, a: Attributes) -> None:
    weights = reader.weights(node)
    count, offset, shift = len(weights), np.zeros(weights.shape[1], np.int64), 0
    if a.get("binaryXnorMode", 0):
        # Equal bits: x w + (1 - x)(1 - w) = x (2 w - 1) + (1 - w)
        offset = (1 - weights).sum(axis=0)
        weights = 2 * weights - 1
    elif a["inputDataType"] == a["weightDataType"] == "BIPOLAR":
        # Equal signs: (x w + 1) / 2
        offset, shift = offset + count, 1
    _product(reader, node, a, ir.MatMul(weights, offset, shift), _vectors(reader, node, count))


def _vectors(reader: FinnReader, node: Any, length: int) -> str:
    """The input as vectors of that length: behind the last window, one takes the whole image."""
    name = str(node.input[0])
    shape = reader.shape(name)
    if shape[-1] == length:
        return name
    count = prod(shape) // length
    whole = (length,) if count == 1 else (count, length)
    return reader.builder.add(node.name, ir.Reshape(whole), [name])


def _depthwise(reader: FinnReader, node: Any, a: Attributes) -> None:
    weights = reader.weights(node)
    weights = weights.reshape(len(weights), -1)
    channels, taps = weights.shape
    bipolar = a["inputDataType"] == a["weightDataType"] == "BIPOLAR"
    op = ir.Depthwise(
        weights,
        np.full(channels, taps if bipolar else 0),
        reader.window_group(node, channels),
        int(bipolar),
    )
    _product(reader, node, a, op, node.input[0])


def _product(reader: FinnReader, node: Any, a: Attributes, op: Op, name: str) -> None:
    """The product, with the thresholds that older graphs keep in the same layer."""
    if a.get("noActivation", 0):
        reader.add(node, op, name)
        return
    sums = reader.builder.add(node.name, op, [name])
    reader.add(node, _counting(reader.thresholds(node, 2), a), sums)


def _thresholding(reader: FinnReader, node: Any, a: Attributes) -> None:
    reader.add(node, _counting(reader.thresholds(node, 1), a))


def _counting(thresholds: Ints, a: Attributes) -> ir.Threshold:
    step, base = (2, -1) if a["outputDataType"] == "BIPOLAR" else (1, int(a.get("ActVal", 0)))
    return ir.Threshold(thresholds, np.ones(1, np.int64), step, base)


def _window(reader: FinnReader, node: Any, a: Attributes) -> None:
    channels = int(a["IFMChannels"])
    has_stream_order = bool(a.get("depthwise", 0)) and node.op_type != "ConvolutionInputGenerator"
    reader.add(
        node,
        ir.Window(
            _pair(a["ConvKernelDim"]),
            _pair(a.get("Stride", (1, 1))),
            _pair(a.get("Dilation", (1, 1))),
            int(a["SIMD"]) if has_stream_order else channels,
        ),
    )


def _pair(values: Any) -> tuple[int, int]:
    first, second = values
    return int(first), int(second)


def _padding(reader: FinnReader, node: Any, a: Attributes) -> None:
    top, left, bottom, right = (int(size) for size in a["Padding"])
    reader.add(node, ir.Pad((top, left, bottom, right)))


def _spreading(reader: FinnReader, node: Any, a: Attributes) -> None:
    reader.add(node, ir.Spread(_pair(a["Stride"])))


def _crop(reader: FinnReader, node: Any, a: Attributes) -> None:
    sizes = (a["CropNorth"], a["CropWest"], a["CropSouth"], a["CropEast"])
    reader.add(node, ir.Crop(sizes))


def _pool(reader: FinnReader, node: Any, a: Attributes) -> None:
    function, channels = a["Function"], int(a["Channels"])
    taps = int(np.prod(a["KernelSize"]))
    reader.add(
        node,
        ir.Pool(
            function == "MaxPool",
            channels,
            reader.window_group(node, channels),
            int(a.get("Size", 1)) if function == "QuantAvgPool" else 0,
            taps if function == "AvgPool" else 1,
        ),
    )


def _global_sum(reader: FinnReader, node: Any, a: Attributes) -> None:
    reader.add(node, ir.GlobalSum())


def _elementwise(kind: str) -> Callable[[FinnReader, Any, Attributes], None]:
    def translate(reader: FinnReader, node: Any, a: Attributes) -> None:
        constants = [
            None if reader.file.constant(name) is None else reader.weights(node, index)
            for index, name in enumerate(node.input)
        ]
        inputs = [n for n, c in zip(node.input, constants, strict=True) if c is None]
        reader.add(node, ir.Arithmetic(kind, *constants), *inputs)

    return translate


def _fork(reader: FinnReader, node: Any, a: Attributes) -> None:
    op = ir.Reshape(reader.shape(node.input[0]))
    for name in node.output:
        reader.builder.add(node.name, op, [node.input[0]], [name])


def _concat(reader: FinnReader, node: Any, a: Attributes) -> None:
    reader.add(node, ir.Concat(-1), *node.input)


def _split(reader: FinnReader, node: Any, a: Attributes) -> None:
    reader.add(node, ir.Split(-1, tuple(int(n) for n in a["ChannelsPerStream"])))


def _upsample(reader: FinnReader, node: Any, a: Attributes) -> None:
    reader.add(node, ir.Repeat(a["HO"] // a["HI"], a["WO"] // a["WI"]))


def _labels(reader: FinnReader, node: Any, a: Attributes) -> None:
    reader.add(node, ir.TopK(int(a["K"])))


def _lookup(reader: FinnReader, node: Any, a: Attributes) -> None:
    reader.add(node, ir.Lookup(reader.weights(node)))


def _same_order(reader: FinnReader, node: Any, a: Attributes) -> None:
    """Streams that pass unchanged, and tensors that only get another shape."""
    reader.add(node, ir.Reshape(reader.file.frame_shape(node.output[0])))


def _transpose(reader: FinnReader, node: Any, a: Attributes) -> None:
    order = tuple(int(axis) - 1 for axis in a["perm"][1:])
    reader.add(node, ir.Transpose(order))


_LAYERS: dict[str, Callable[[FinnReader, Any, Attributes], None]] = {
    "MVAU": _matrix,
    "VVAU": _depthwise,
    "Thresholding": _thresholding,
    "ConvolutionInputGenerator": _window,
    "FMPadding": _padding,
    "FMPadding_Pixel": _spreading,
    "Crop": _crop,
    "Pool": _pool,
    "GlobalAccPool": _global_sum,
    "ElementwiseAdd": _elementwise("add"),
    "ElementwiseSub": _elementwise("sub"),
    "ElementwiseMul": _elementwise("mul"),
    "DuplicateStreams": _fork,
    "StreamingConcat": _concat,
    "StreamingSplit": _split,
    "UpsampleNearestNeighbour": _upsample,
    "LabelSelect": _labels,
    "Lookup": _lookup,
    "StreamingFIFO": _same_order,
    "StreamingDataWidthConverter": _same_order,
    "Squeeze": _same_order,
    "Unsqueeze": _same_order,
    "Reshape": _same_order,
    "Flatten": _same_order,
    "Transpose": _transpose,
}
