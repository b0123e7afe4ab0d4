"""Squeeze_rtl and Unsqueeze_rtl: layers that only rename a tensor's axes; the stream is the same.

FINN has them in HLS only.
"""

from typing import Any

from finn.custom_op.fpgadataflow.squeeze import Squeeze
from finn.custom_op.fpgadataflow.unsqueeze import Unsqueeze
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.kernels import stream_formats
from lepton_hw.compiler.kernels.base import RtlKernel
from lepton_hw.compiler.kernels.spec import Parameter, Spec, Stream, check_parameters


class PassThrough(RtlKernel):
    """What the two have in common."""

    sources = ("pass_through.sv",)

    def kernel(self, model: ModelWrapper | None) -> Spec:
        """Module ``pass_through``."""
        pe, channels = self.get_nodeattr("PE"), int(self.get_normal_input_shape()[-1])
        last = int(self.get_normal_output_shape()[-1])
        folding = tuple(Parameter("PE", pe, 1, n, divides=n) for n in (channels, last))
        check_parameters(folding, "pass_through", self.onnx_node.name)
        return Spec(
            "pass_through",
            self.sources,
            (Parameter("BITS", self.get_instream_width(0), 1, 1 << 16),),
            (
                Stream("in0_V", "in", self.get_instream_width_padded(0), True),
                Stream("out0_V", "out", self.get_outstream_width_padded(0), False),
            ),
        )

    def get_instream_width(self, ind: int = 0) -> int:
        """Bits of a beat; the list of axes is no stream."""
        if ind > 0:
            return 0
        return int(self.get_nodeattr("PE") * self.get_input_datatype().bitwidth())

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:
        """In Python (cppsim) or as RTL (rtlsim)."""
        if self.get_nodeattr("exec_mode") == "rtlsim":
            stream_formats.simulate(self, context)
        else:
            self.golden.execute_node(self, context, graph)


class Squeeze_rtl(PassThrough, Squeeze):  # type: ignore[misc] # noqa: N801 – FINN's name
    """Axes of length 1 removed."""

    golden = Squeeze


class Unsqueeze_rtl(PassThrough, Unsqueeze):  # type: ignore[misc] # noqa: N801 – FINN's name
    """Axes of length 1 inserted."""

    golden = Unsqueeze
