"""Random small graphs of FINN's hardware layers: any layers, bits and shapes, extreme values."""

from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from .random_finn import MOST, TYPES, GrowingGraph, State, limits, type_of


class RandomGraph(GrowingGraph):
    """Grows by one drawn layer at a time; a layer that would leave float32 is not taken."""

    def __init__(self, draw: Any) -> None:
        super().__init__(draw)
        for _ in range(self.draw(st.integers(2, 7))):
            self.pick([
                self.dense, self.flat, self.convolution, self.depthwise, self.pool, self.threshold,
                self.threshold, self.padding, self.spread, self.crop, self.upsample,
                self.constant_operation, self.branch, self.concat, self.split, self.sum_of_all,
                self.stretch,
            ])()  # fmt: skip
        match draw(st.integers(0, 7)):
            case 0 | 1:
                self.labels()
            case 2:
                self.lookup()

    def matrix(self, source: State, inner: int, vectors: tuple[int, ...] = ()) -> None:
        """A matrix unit on vectors of `inner`."""
        outputs = self.pick([1, 2, 3, 5, 8])
        made = self.weights((inner, outputs), 0)
        if made is None:
            return
        name, kind, low, high = made
        xnor = source.kind == kind == "BINARY" and self.draw(st.booleans())
        if xnor or source.kind == kind == "BIPOLAR":
            low, high = 0, inner
        vectors = vectors or source.shape[:2]
        sums = self.new((*vectors, outputs), low, high)
        own = self.draw(st.integers(0, 3)) == 0  # thresholds of its own, as older graphs have them
        steps, result = self.counted(sums) if own else ("", sums)
        self.add(
            "MVAU", [n for n in (source.name, name, steps) if n], result, False if own else None,
            MW=inner, MH=outputs, PE=self.divisor(outputs), SIMD=self.divisor(inner),
            inputDataType=source.kind, weightDataType=kind, outputDataType=result.kind,
            noActivation=int(not own), ActVal=result.low if own and result.kind != "BIPOLAR" else 0,
            binaryXnorMode=int(xnor), numInputVectors=[1, *vectors], resType="lut",
        )  # fmt: skip
        self.state = result

    def dense(self) -> None:
        """The same matrix for each pixel."""
        self.matrix(self.state, self.state.shape[2])

    def flat(self) -> None:
        """One vector of the whole image, as a dense layer behind the last window takes it."""
        self.matrix(self.state, prod(self.state.shape), (1, 1))

    def window(self, depthwise: bool, rtl: bool | None, simd: int) -> tuple[State, tuple[int, int]]:
        """Windows of any kernel, stride and dilation that fit."""
        height, width, channels = self.state.shape
        # Im2Col of a single row or column wants a kernel of one there.
        kernel = self.pick(range(1, min(3, height) + 1)), self.pick(range(1, min(3, width) + 1))
        stride = self.pick([1, 1, 2, 3]), self.pick([1, 1, 2])
        dilation = tuple(
            self.pick([1, 1, 2] if (k - 1) * 2 < size else [1])
            for k, size in zip(kernel, (height, width), strict=True)
        )
        rows, columns = (
            (size - d * (k - 1) - 1) // s + 1
            for size, k, s, d in zip((height, width), kernel, stride, dilation, strict=True)
        )
        state = self.state
        shape = rows, columns, kernel[0] * kernel[1] * channels
        result = self.new(shape, state.low, state.high, state.kind)
        self.add(
            "ConvolutionInputGenerator", [state.name], result, rtl, ConvKernelDim=list(kernel),
            IFMChannels=channels, IFMDim=[height, width], OFMDim=[rows, columns], SIMD=simd,
            Stride=list(stride), Dilation=list(dilation), inputDataType=state.kind,
            outputDataType=state.kind, depthwise=int(depthwise),
        )  # fmt: skip
        return result, kernel

    def convolution(self) -> None:
        """Windows, then a matrix."""
        windows, _ = self.window(False, None, self.divisor(self.state.shape[2]))
        self.state = windows
        self.matrix(windows, windows.shape[2])

    def depthwise(self) -> None:
        """Windows in the order of the stream, then a matrix unit channel by channel."""
        channels = self.state.shape[2]
        pe = self.divisor(channels)
        before = self.state, len(self.nodes)
        windows, kernel = self.window(True, None, pe)
        made = self.weights((channels, 1, *kernel), (1, 2, 3))  # type: ignore[arg-type]
        if made is None:
            self.state = before[0]
            del self.nodes[before[1] :], self.values[windows.name]
            return
        name, kind, low, high = made
        if windows.kind == kind == "BIPOLAR":
            low, high = 0, kernel[0] * kernel[1]
        result = self.new((*windows.shape[:2], channels), low, high)
        self.add(
            "VVAU", [windows.name, name], result, PE=pe, Dim=list(windows.shape[:2]),
            Channels=channels, Kernel=list(kernel), inputDataType=windows.kind,
            weightDataType=kind, outputDataType=result.kind, noActivation=1, resType="lut",
        )  # fmt: skip
        self.state = result

    def pool(self) -> None:
        """Maximum, sum, or truncated average over windows."""
        channels, state = self.state.shape[2], self.state
        rtl, pe = self.draw(st.booleans()), self.divisor(channels)
        windows, kernel = self.window(True, rtl, pe)
        taps = kernel[0] * kernel[1]
        # Averages of FINN's own class are fractions; only ours are the hardware's.
        function = self.pick(["MaxPool", "AccPool", *(["AvgPool", "QuantAvgPool"] if rtl else [])])
        shift = self.pick([0, 1, 3]) if function == "QuantAvgPool" else 0
        low, high = state.low, state.high
        if function != "MaxPool":
            low, high = (low * taps) >> shift, (high * taps) >> shift
        kind = state.kind if function == "MaxPool" else None
        result = self.new((*windows.shape[:2], channels), low, high, kind)
        self.add(
            "Pool", [windows.name], result, rtl, Channels=channels, PE=pe, KernelSize=list(kernel),
            Function=function, Size=shift, OutImgDims=list(windows.shape[:2]),
            InputDataType=state.kind, OutputDataType=result.kind,
        )  # fmt: skip
        self.state = result

    def counted(self, state: State) -> tuple[str, State]:
        """Any number of bits; thresholds inside and outside of what can occur."""
        kind = self.pick(["BIPOLAR", "BINARY", "UINT2", "UINT3", "INT4", "UINT8"])
        low, high = limits(kind)
        steps = 1 if kind == "BIPOLAR" else high - low
        span = state.high - state.low + 3
        channels = state.shape[2]
        rows = self.pick([channels, channels, 1])
        values = self.rng.integers(state.low - 1, state.low - 1 + span, (rows, steps))
        if self.draw(st.integers(0, 3)) == 0:
            values = values + self.rng.choice([-(1 << 20), 0, 1 << 20], (rows, 1))
        name = f"w{len(self.constants)}"
        edges = int(values.min()), int(values.max())
        self.constants[name] = (np.sort(values, 1).astype(np.float32), type_of(*edges))
        return name, self.new(state.shape, low, high, kind)

    def threshold(self) -> None:
        """A layer of its own."""
        state, channels = self.state, self.state.shape[2]
        name, result = self.counted(state)
        self.add(
            "Thresholding", [state.name, name], result, NumChannels=channels,
            PE=self.divisor(channels), numSteps=self.constants[name][0].shape[1],
            inputDataType=state.kind, weightDataType=self.constants[name][1],
            outputDataType=result.kind, ActVal=0 if result.kind == "BIPOLAR" else result.low,
            numInputVectors=[1, *state.shape[:2]],
        )  # fmt: skip
        self.state = result

    def padding(self) -> None:
        """Zeros around; not for a type without zero."""
        state = self.state
        if state.kind == "BIPOLAR":
            return
        top, left, bottom, right = (self.pick([0, 1, 2]) for _ in range(4))
        height, width, channels = state.shape
        shape = height + top + bottom, width + left + right, channels
        result = self.new(shape, min(0, state.low), max(0, state.high), state.kind)
        self.add(
            "FMPadding", [state.name], result, ImgDim=[height, width], NumChannels=channels,
            Padding=[top, left, bottom, right], SIMD=self.divisor(channels),
            inputDataType=state.kind,
        )  # fmt: skip
        self.state = result

    def spread(self) -> None:
        """Zeros between; not for a type without zero."""
        state = self.state
        height, width, channels = state.shape
        if state.kind == "BIPOLAR" or height * width > 64:
            return
        stride = [self.pick([1, 2]), self.pick([1, 2, 3])]
        shape = (height - 1) * stride[0] + 1, (width - 1) * stride[1] + 1, channels
        result = self.new(shape, min(0, state.low), max(0, state.high), state.kind)
        self.add(
            "FMPadding_Pixel", [state.name], result, False, ImgDim=[height, width], Stride=stride,
            NumChannels=channels, SIMD=1, inputDataType=state.kind,
        )  # fmt: skip
        self.state = result

    def crop(self) -> None:
        """The middle."""
        state = self.state
        height, width, channels = state.shape
        top, left = self.pick([0, 1]), self.pick([0, 1])
        if height < top + 2 or width < left + 2:
            return
        shape = height - top - 1, width - left, channels
        result = self.new(shape, state.low, state.high, state.kind)
        self.add(
            "Crop", [state.name], result, False, DataType=state.kind, ImgDim=[height, width],
            NumChannels=channels, CropNorth=top, CropSouth=1, CropWest=left, CropEast=0, SIMD=1,
            numInputVectors=[1],
        )  # fmt: skip
        self.state = result

    def split(self) -> None:
        """Two parts, joined in the other order."""
        state = self.state
        if state.shape[2] < 2:
            return
        sizes = [self.pick(range(1, state.shape[2]))]
        sizes.append(state.shape[2] - sizes[0])
        parts = []
        for size in sizes:
            part = self.new((*state.shape[:2], size), state.low, state.high, state.kind)
            self.values[part.name] = ((1, *part.shape), part.kind)
            parts.append(part)
        self.add(
            "StreamingSplit", [state.name], parts[1], SIMD=1, ChannelsPerStream=sizes,
            inputDataType=state.kind, numInputVectors=[1, *state.shape[:2]], outFIFODepths=[2, 2],
        )  # fmt: skip
        del self.nodes[-1].output[:]
        self.nodes[-1].output.extend(part.name for part in parts)
        self.join(parts[1], parts[0])

    def upsample(self) -> None:
        """Repeated rows and columns."""
        (height, width, channels), state = self.state.shape, self.state
        if height * width > 64:
            return
        rows, columns = self.pick([1, 2]), self.pick([1, 2, 3])
        result = self.new((height * rows, width * columns, channels), state.low, state.high)
        self.add(
            "UpsampleNearestNeighbour", [state.name], result, NumChannels=channels, HI=height,
            WI=width, HO=height * rows, WO=width * columns, SIMD=1, inputDataType=state.kind,
        )  # fmt: skip
        self.state = result

    def elementwise(self, sides: list[str], other: tuple[str, int, int], shape: list[int]) -> None:
        """The present tensor with another operand of this shape and range."""
        state, op = self.state, self.pick(["Add", "Sub", "Mul"])
        kind, low, high = other
        operands = [(state.low, state.high), (low, high)]
        do = {"Add": lambda a, b: a + b, "Sub": lambda a, b: a - b, "Mul": lambda a, b: a * b}[op]
        corners = [do(a, b) for a in operands[0] for b in operands[1]]
        if max(map(abs, corners)) >= MOST:
            return
        result = self.new(state.shape, min(corners), max(corners))
        self.add(
            f"Elementwise{op}", sides, result, lhs_dtype=state.kind, rhs_dtype=kind,
            out_dtype=result.kind, lhs_shape=[1, *state.shape], rhs_shape=shape,
            out_shape=[1, *state.shape], PE=1,
        )  # fmt: skip
        self.state = result

    def constant_operation(self) -> None:
        """With a constant of a shape that is broadcast."""
        shape = self.pick([[1], [self.state.shape[2]], [1, *self.state.shape]])
        kind, name = self.pick(TYPES), f"w{len(self.constants)}"
        self.constants[name] = (self.codes(kind, tuple(shape)), kind)
        self.elementwise([self.state.name, name], (kind, *limits(kind)), shape)

    def fork(self) -> tuple[State, State]:
        """Two copies."""
        state = self.state
        first = self.new(state.shape, state.low, state.high, state.kind)
        self.values[first.name] = ((1, *state.shape), state.kind)
        second = self.new(state.shape, state.low, state.high, state.kind)
        self.add(
            "DuplicateStreams", [state.name], second, NumChannels=state.shape[2], PE=1,
            NumOutputStreams=2, inputDataType=state.kind, numInputVectors=[1, *state.shape[:2]],
            outFIFODepths=[2, 2],
        )  # fmt: skip
        del self.nodes[-1].output[:]
        self.nodes[-1].output.extend([first.name, second.name])
        return first, second

    def branch(self) -> None:
        """A fork, thresholds on one side, joined again by arithmetic."""
        first, second = self.fork()
        self.state = first
        self.threshold()
        side = self.state
        self.state = second
        self.elementwise(
            [second.name, side.name], (side.kind, side.low, side.high), [1, *side.shape]
        )
        if self.state is second:  # too large: end in the side, and leave no loose tensor
            self.state = side
            self.join(side, second)

    def concat(self) -> None:
        """A fork, a matrix on one side, joined by channels."""
        first, second = self.fork()
        self.state = first
        self.dense()
        self.join(self.state, second)

    def join(self, left: State, right: State) -> None:
        """Side by side."""
        shape = (*left.shape[:2], left.shape[2] + right.shape[2])
        result = self.new(shape, min(left.low, right.low), max(left.high, right.high))
        self.add(
            "StreamingConcat", [left.name, right.name], result, SIMD=1,
            ChannelsPerStream=[left.shape[2], right.shape[2]],
            inputDataTypes=[left.kind, right.kind], numInputVectors=[1, *left.shape[:2]],
        )  # fmt: skip
        self.state = result

    def sum_of_all(self) -> None:
        """The sum of the image."""
        height, width, channels = self.state.shape
        low, high = (bound * height * width for bound in (self.state.low, self.state.high))
        if max(abs(low), abs(high)) >= MOST or self.draw(st.booleans()):
            return
        result = self.new((1, 1, channels), low, high)
        self.add(
            "GlobalAccPool", [self.state.name], result, NumChannels=channels, PE=1,
            inputDataType=self.state.kind, numInputVectors=[1, height, width],
        )  # fmt: skip
        self.state = result

    def stretch(self) -> None:
        """A FIFO, which passes everything."""
        state = self.state
        result = self.new(state.shape, state.low, state.high, state.kind)
        self.add(
            "StreamingFIFO", [state.name], result, True, depth=2, dataType=state.kind,
            folded_shape=[1, *state.shape], normal_shape=[1, *state.shape],
        )  # fmt: skip
        self.state = result

    def labels(self) -> None:
        """Indices of the largest channels."""
        height, width, channels = self.state.shape
        count = self.pick(range(1, min(channels, 3) + 1))
        result = self.new((height, width, count), 0, channels)
        self.add(
            "LabelSelect", [self.state.name], result, Labels=channels, PE=1, K=count,
            inputDataType=self.state.kind, outputDataType="UINT8",
            numInputVectors=[1, height, width],
        )  # fmt: skip
        self.state = result

    def lookup(self) -> None:
        """A table of rows, for indices from zero."""
        state = self.state
        if state.low < 0 or state.high > 300:
            return
        name, kind, width = f"w{len(self.constants)}", self.pick(TYPES), self.pick([1, 3])
        self.constants[name] = (self.codes(kind, (state.high + 1, width)), kind)
        shape = [1, *state.shape]
        result = self.new(state.shape, *limits(kind), kind)
        self.add(
            "Lookup", [state.name, name], result, True, NumEmbeddings=state.high + 1,
            EmbeddingDim=width, EmbeddingType=kind, InputType=state.kind, InputShape=shape,
            mem_mode="internal_embedded",
        )  # fmt: skip
        self.values[result.name] = ((*shape, width), kind)
        self.state = result
