"""Pool_rtl and GlobalAccPool_rtl: maxima, sums and averages over windows and over whole images.

Both are the module ``pool``, which takes a beat a cycle and needs no cycle beside.
"""

import math
from typing import Any

import numpy as np
from finn.custom_op.fpgadataflow.globalaccpool import GlobalAccPool
from finn.custom_op.fpgadataflow.pool import Pool
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.kernels.base import RtlKernel
from lepton_hw.compiler.kernels.dot_formats import BIPOLAR, SIGNED, UNSIGNED
from lepton_hw.compiler.kernels.spec import Parameter, Spec
from lepton_hw.compiler.kernels.window import from_groups, is_grouped, require_same_fold
from lepton_hw.errors import StageError

SOURCES = ("dot_pkg.sv", "pool.sv")
#: Widest sum that is divided: the reciprocal is computed in 64 bits.
DIVIDED_BITS = 30
#: Windows and pixels that a counter of `pool` holds.
MOST = 1 << 24


class Pool_rtl(RtlKernel, Pool):  # type: ignore[misc] # noqa: N801 – the name that FINN looks up
    """Max, sum and average over the windows of a depthwise sliding window."""

    golden = Pool
    sources = SOURCES

    def kernel(self, model: ModelWrapper | None) -> Spec:
        """Module ``pool`` with one group."""
        if model is not None:
            require_same_fold(model, self.onnx_node)
        function, kind = self.get_nodeattr("Function"), self.get_input_datatype()
        pe, channels = self.get_nodeattr("PE"), self.get_nodeattr("Channels")
        maximum = function == "MaxPool"
        low, high = self._sums()
        form, bits = self.get_output_datatype(), kind.bitwidth()
        divisor = self._window() if function == "AvgPool" else 1
        shift = self.get_nodeattr("Size") if function == "QuantAvgPool" else 0
        if maximum:
            _require_ordered(self.onnx_node.name, kind)
        else:
            results = int(low / divisor) >> shift, int(high / divisor) >> shift
            _require_room(self.onnx_node.name, kind, form, results)
        sum_bits = bits if maximum else sum_width(low, high)
        spec = Spec(
            module="pool",
            sources=self.sources,
            parameters=(
                Parameter("PE", pe, 1, channels, divides=channels),
                Parameter("COUNT", self._window(), 1, MOST),
                Parameter("GROUPS", 1, 1, 1),
                Parameter("IN_BITS", bits, 1, 32),
                Parameter("KIND", _format(kind, maximum), UNSIGNED, BIPOLAR),
                Parameter("MAXIMUM", int(maximum), 0, 1),
                Parameter("SUM_BITS", sum_bits, 1, DIVIDED_BITS if divisor > 1 else 62),
                Parameter("OUT_BITS", form.bitwidth(), 1, 62),
                Parameter("SHIFT", shift, 0, sum_bits),
                Parameter("DIVISOR", divisor, 1, MOST),
            ),
            streams=(),
        )
        return self.with_streams(spec)

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:
        """FINN's model on the order of the stream; averages are integers, as in its HLS."""
        node = self.onnx_node
        if self.get_nodeattr("exec_mode") == "rtlsim":
            super().execute_node(context, graph)
            return
        channels, stream = self.get_nodeattr("Channels"), context[node.input[0]]
        if is_grouped(graph, node):
            context[node.input[0]] = from_groups(stream, channels, self.get_nodeattr("PE"))
        if self.get_nodeattr("Function") == "MaxPool":
            self.golden.execute_node(self, context, graph)
        else:
            context[node.output[0]] = self._sum_up(context[node.input[0]])
        context[node.input[0]] = stream

    def _sum_up(self, tensor: Any) -> Any:
        """Sums, shifted or divided; FINN's model divides into fractions and guesses the shift."""
        apart = tensor.reshape(*tensor.shape[:-1], self._window(), self.get_nodeattr("Channels"))
        sums = np.rint(apart).astype(np.int64).sum(axis=-2)
        match self.get_nodeattr("Function"):
            case "AvgPool":
                sums = np.sign(sums) * (np.abs(sums) // self._window())
            case "QuantAvgPool":
                sums = sums >> self.get_nodeattr("Size")
        return sums.astype(np.float32)

    def lut_estimation(self, fpgapart: str) -> int:
        """Adders or comparators of the lanes, counters and handshake; fitted to Yosys for xc7."""
        pe: int = self.get_nodeattr("PE")
        bits, control = self.get_input_datatype().bitwidth(), _control_luts(self._window())
        if self.get_nodeattr("Function") == "MaxPool":
            return math.ceil(pe * (1 if bits == 1 else 1.8 * bits)) + control
        width = sum_width(*self._sums())
        divider = 0.8 * width**2 if self.get_nodeattr("Function") == "AvgPool" else 0
        return math.ceil(pe * (width + divider)) + control

    def _get_accumulator_datatype(self) -> Any:
        """Smallest type of all sums; FINN's forgets that sums of BIPOLAR have both signs."""
        return sum_type(*self._sums())

    def _window(self) -> int:
        return int(np.prod(self.get_nodeattr("KernelSize")))

    def _sums(self) -> tuple[int, int]:
        kind = self.get_input_datatype()
        return int(self._window() * kind.min()), int(self._window() * kind.max())


class GlobalAccPool_rtl(RtlKernel, GlobalAccPool):  # type: ignore[misc] # noqa: N801 – FINN's name
    """The sum over all pixels of an image, channel by channel."""

    golden = GlobalAccPool
    sources = SOURCES

    def kernel(self, model: ModelWrapper | None) -> Spec:
        """Module ``pool`` with a group for each beat of a pixel."""
        low, high = self._sums()
        kind, form = self.get_input_datatype(), self.get_output_datatype()
        pe, channels = self.get_nodeattr("PE"), self.get_nodeattr("NumChannels")
        _require_room(self.onnx_node.name, kind, form, (low, high))
        spec = Spec(
            module="pool",
            sources=self.sources,
            parameters=(
                Parameter("PE", pe, 1, channels, divides=channels),
                Parameter("COUNT", self._pixels(), 1, MOST),
                Parameter("GROUPS", channels // max(1, pe), 1, 1 << 16),
                Parameter("IN_BITS", kind.bitwidth(), 1, 32),
                Parameter("KIND", _format(kind, False), UNSIGNED, BIPOLAR),
                Parameter("MAXIMUM", 0, 0, 0),
                Parameter("SUM_BITS", sum_width(low, high), 1, 62),
                Parameter("OUT_BITS", form.bitwidth(), 1, 62),
            ),
            streams=(),
        )
        return self.with_streams(spec)

    def get_output_datatype(self, ind: int = 0) -> Any:
        """FINN's, or a wider one where that does not hold every sum (of BIPOLAR and TERNARY)."""
        form = super().get_output_datatype(ind)
        return form if _holds(form, *self._sums()) else sum_type(*self._sums())

    def get_exp_cycles(self) -> int:
        """A cycle a beat of the input. FINN's HLS needs channels/PE more to send the sums."""
        return int(np.prod(self.get_folded_input_shape()[:-1]))

    def lut_estimation(self, fpgapart: str) -> int:
        """Adders, the memory of sums, counters and handshake; fitted to Yosys for xc7."""
        pe: int = self.get_nodeattr("PE")
        groups, width = self.get_nodeattr("NumChannels") // pe, sum_width(*self._sums())
        memory = memory_luts(groups, pe * width) if groups > 1 else 0
        return pe * width + memory + _control_luts(self._pixels() * groups)

    def _pixels(self) -> int:
        vectors = self.get_nodeattr("numInputVectors")
        if len(vectors) != 3:
            raise StageError(
                f"attribute numInputVectors of layer {self.onnx_node.name} is {list(vectors)}",
                "three numbers: images, rows, columns",
                "pool over images only",
            )
        return int(vectors[1] * vectors[2])

    def _sums(self) -> tuple[int, int]:
        kind = self.get_input_datatype()
        return int(self._pixels() * kind.min()), int(self._pixels() * kind.max())


def memory_luts(depth: int, width: int) -> int:
    """LUTs of a memory that is written: 32 words of 6 bits, or 64 of 3, in four (AMD UG474)."""
    words, bits = (32, 6) if depth <= 32 else (64, 3)
    return 4 * math.ceil(width / bits) * math.ceil(depth / words)


def _control_luts(steps: int) -> int:
    """Counters over so many steps, and the handshake."""
    return math.ceil(1.5 * math.log2(max(2, steps))) + 2


def sum_width(low: int, high: int) -> int:
    """Bits of an integer between `low` and `high`, two's complement where `low` is negative."""
    if low >= 0:
        return max(1, high.bit_length())
    return max((-low - 1).bit_length(), high.bit_length()) + 1


def sum_type(low: int, high: int) -> Any:
    """The narrowest UINT or INT that holds both."""
    return DataType[f"{'U' if low >= 0 else ''}INT{sum_width(low, high)}"]


def _format(kind: Any, maximum: bool) -> int:
    if kind.name == "BIPOLAR":
        return UNSIGNED if maximum else BIPOLAR
    return SIGNED if kind.signed() else UNSIGNED


def _holds(form: Any, low: int, high: int) -> bool:
    whole = form.is_integer() and form.name != "BIPOLAR"
    return bool(whole and form.min() <= low and high <= form.max())


def _require_ordered(name: str, kind: Any) -> None:
    """The codes of integers and fixed-point numbers compare like their values."""
    if not (kind.is_integer() or kind.is_fixed_point()):
        raise StageError(
            f"layer {name} pools values of type {kind.name}",
            "integers",
            "put a quantiser in front of that layer",
        )


def _require_room(name: str, kind: Any, form: Any, results: tuple[int, int]) -> None:
    if not kind.is_integer() or kind.is_fixed_point():
        raise StageError(
            f"layer {name} adds up values of type {kind.name}",
            "integers",
            "put a quantiser in front of that layer",
        )
    if not _holds(form, *results):
        raise StageError(
            f"layer {name} gives {results[0]} to {results[1]}, its output type is {form.name}",
            f"a type that holds them, such as {sum_type(*results).name}",
            "export the pooling layer with more output bits",
        )
