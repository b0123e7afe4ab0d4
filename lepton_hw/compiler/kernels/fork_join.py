"""DuplicateStreams_rtl, StreamingConcat_rtl, StreamingSplit_rtl: streams forked, joined, cut.

FINN has them in HLS only; the golden models are its own.
"""

import math

from finn.custom_op.fpgadataflow.concat import StreamingConcat
from finn.custom_op.fpgadataflow.duplicatestreams import DuplicateStreams
from finn.custom_op.fpgadataflow.split import StreamingSplit
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.kernels import stream_formats
from lepton_hw.compiler.kernels.base import RtlKernel
from lepton_hw.compiler.kernels.spec import Parameter, Spec, check_parameters

#: Most branches of a fork or join.
MOST = 64


class DuplicateStreams_rtl(RtlKernel, DuplicateStreams):  # type: ignore[misc] # noqa: N801 – FINN's name
    """Fork."""

    golden = DuplicateStreams
    sources = ("duplicate_streams.sv",)

    def kernel(self, model: ModelWrapper | None) -> Spec:
        """Module ``duplicate_streams``."""
        channels, pe = self.get_nodeattr("NumChannels"), self.get_nodeattr("PE")
        outputs = len(self.onnx_node.output)
        parameters = (
            Parameter("PE", pe, 1, channels, divides=channels),
            Parameter("NumOutputStreams", self.get_nodeattr("NumOutputStreams"), outputs, outputs),
        )
        check_parameters(parameters, "duplicate_streams", self.onnx_node.name)
        return Spec(
            "duplicate_streams",
            self.sources,
            (
                Parameter("N", outputs, 1, MOST),
                Parameter("BITS", self.get_instream_width(), 1, 1 << 16),
            ),
            self.stream_pairs(),
        )

    def get_number_output_values(self) -> dict[str, int]:
        """Beats of each output."""
        return stream_formats.counts_per_output(self)

    def lut_estimation(self, fpgapart: str) -> int:
        """Two for each branch."""
        return 2 * len(self.onnx_node.output)


class StreamingConcat_rtl(RtlKernel, StreamingConcat):  # type: ignore[misc] # noqa: N801 – FINN's name
    """Join along the channels."""

    golden = StreamingConcat
    sources = ("dot_pkg.sv", "widen.sv", "stream_turns.sv", "concat_streams.sv")

    def kernel(self, model: ModelWrapper | None) -> Spec:
        """Module ``concat_streams``."""
        count, simd = self.get_n_inputs(), self.get_nodeattr("SIMD")
        channels = [int(n) for n in self.get_nodeattr("ChannelsPerStream")]
        folding = Parameter("SIMD", simd, 1, 1 << 16, divides=math.gcd(*channels))
        check_parameters((folding,), "concat_streams", self.onnx_node.name)
        types = [self.get_input_datatype(i) for i in range(count)]
        streams = self.stream_pairs()
        ends = [0]
        for stream in streams[:count]:
            ends.append(ends[-1] + stream.bits)
        return Spec(
            "concat_streams",
            self.sources,
            (
                Parameter("N", count, 1, MOST),
                folding,
                Parameter("OUT_BITS", self.get_output_datatype().bitwidth(), 1, 62),
            ),
            streams,
            vectors={
                "BEATS": tuple(n // simd for n in channels),
                "BITS": tuple(dtype.bitwidth() for dtype in types),
                "KINDS": tuple(stream_formats.format_of(t, self.onnx_node.name) for t in types),
                "OFFSETS": tuple(ends),
            },
        )

    def lut_estimation(self, fpgapart: str) -> int:
        """A multiplexer: a LUT selects among four."""
        selectors = -(-(len(self.onnx_node.input) - 1) // 3)
        return int(self.get_outstream_width()) * selectors + 10


class StreamingSplit_rtl(RtlKernel, StreamingSplit):  # type: ignore[misc] # noqa: N801 – FINN's name
    """Cut along the channels."""

    golden = StreamingSplit
    sources = ("stream_turns.sv", "split_stream.sv")

    def kernel(self, model: ModelWrapper | None) -> Spec:
        """Module ``split_stream``."""
        simd = self.get_nodeattr("SIMD")
        channels = [int(n) for n in self.get_nodeattr("ChannelsPerStream")]
        folding = Parameter("SIMD", simd, 1, 1 << 16, divides=math.gcd(*channels))
        check_parameters((folding,), "split_stream", self.onnx_node.name)
        return Spec(
            "split_stream",
            self.sources,
            (
                Parameter("N", self.get_n_outputs(), 1, MOST),
                Parameter("BITS", self.get_instream_width(), 1, 1 << 16),
            ),
            self.stream_pairs(),
            vectors={"BEATS": tuple(n // simd for n in channels)},
        )

    def get_number_output_values(self) -> dict[str, int]:
        """Beats of each output."""
        return stream_formats.counts_per_output(self)

    def lut_estimation(self, fpgapart: str) -> int:
        """The counter."""
        return 2 * len(self.onnx_node.output) + 4
