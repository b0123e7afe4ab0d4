"""UpsampleNearestNeighbour_rtl: enlarges images by whole factors, repeating pixels and rows."""

import math

from finn.custom_op.fpgadataflow.upsampler import UpsampleNearestNeighbour
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.kernels import dot_formats as formats
from lepton_hw.compiler.kernels.base import RtlKernel
from lepton_hw.compiler.kernels.pooling import memory_luts
from lepton_hw.compiler.kernels.spec import Parameter, Spec
from lepton_hw.errors import StageError


class UpsampleNearestNeighbour_rtl(RtlKernel, UpsampleNearestNeighbour):  # type: ignore[misc] # noqa: N801
    """Nearest neighbour; FINN's formula of cycles (a beat of the output each) holds."""

    golden = UpsampleNearestNeighbour
    sources = ("upsample.sv",)

    def kernel(self, model: ModelWrapper | None) -> Spec:
        """Module ``upsample``; its row stands in LUTs or in block RAM."""
        channels, simd = self.get_nodeattr("NumChannels"), self.get_nodeattr("SIMD")
        most = 1 << 16
        spec = Spec(
            module="upsample",
            sources=self.sources,
            parameters=(
                Parameter("WIDTH", self.get_nodeattr("WI"), 1, most),
                Parameter("FOLD", channels // max(1, simd), 1, most),
                Parameter("ROWS", self._factor("HO", "HI"), 1, most),
                Parameter("COLUMNS", self._factor("WO", "WI"), 1, most),
                Parameter("SIMD", simd, 1, channels, divides=channels),
                Parameter("BITS", self.get_input_datatype().bitwidth(), 1, 64),
            ),
            streams=(),
            texts={"STYLE": "block" if self._words() > formats.LUT_MEMORY_DEPTH else "distributed"},
        )
        return self.with_streams(spec)

    def get_exp_cycles(self) -> int:
        """FINN's, as an integer."""
        return int(super().get_exp_cycles())

    def lut_estimation(self, fpgapart: str) -> int:
        """Counters and pointers, and the row where it stands in LUTs; fitted to Yosys for xc7."""
        words, bits = self._words(), self.get_instream_width()
        address = max(1, math.ceil(math.log2(words)))
        in_luts = words <= formats.LUT_MEMORY_DEPTH
        return (memory_luts(words, bits) if in_luts else 0) + 4 * address + 16

    def bram_estimation(self, fpgapart: str) -> int:
        """18-kbit block RAMs of the row; none where it stands in LUTs."""
        if self._words() <= formats.LUT_MEMORY_DEPTH:
            return 0
        depth = 1 << math.ceil(math.log2(self._words()))
        return formats.memory_brams(depth, self.get_instream_width())

    def _words(self) -> int:
        fold: int = self.get_nodeattr("NumChannels") // max(1, self.get_nodeattr("SIMD"))
        return fold * (self.get_nodeattr("WI") if self._factor("HO", "HI") > 1 else 1)

    def _factor(self, output: str, source: str) -> int:
        after, before = self.get_nodeattr(output), self.get_nodeattr(source)
        if before < 1 or after < before or after % before:
            raise StageError(
                f"layer {self.onnx_node.name} enlarges {source} {before} to {output} {after}",
                "a whole multiple",
                "resize by a whole factor",
            )
        return int(after // before)
