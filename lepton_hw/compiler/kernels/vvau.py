"""VVAU_rtl with a choice: FINN's for Versal, or ours of LUTs for every family (resType ``lut``).

Same idea as `mvau`.
"""

from typing import Any

import numpy as np
from finn.custom_op.fpgadataflow.rtl.vectorvectoractivation_rtl import VVAU_rtl as FinnVVAU
from finn.custom_op.fpgadataflow.vectorvectoractivation import VVAU
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.kernels import dot_formats as formats
from lepton_hw.compiler.kernels.lut_matrix import LutMatrix
from lepton_hw.compiler.kernels.spec import Parameter, Spec
from lepton_hw.compiler.kernels.window import require_same_fold


class VVAU_rtl(LutMatrix, FinnVVAU):  # type: ignore[misc] # noqa: N801 – FINN's name
    """Depthwise convolution unit."""

    golden = VVAU
    finn = FinnVVAU
    sources = (*formats.SOURCES, "vvau_lut.sv")

    def kernel(self, model: ModelWrapper | None) -> Spec:
        """Module ``vvau_lut`` and its weights."""
        channels, pe, simd = (self.get_nodeattr(name) for name in ("Channels", "PE", "SIMD"))
        kernel = int(np.prod(self.get_nodeattr("Kernel")))
        self.require("binaryXnorMode", 0)  # FINN's Python model has none
        if model is not None:
            require_same_fold(model, self.onnx_node)
        shape = (
            Parameter("KERNEL", kernel, 1, 1 << 16),
            Parameter("CHANNELS", channels, 1, 1 << 16),
            Parameter("PE", pe, 1, channels, divides=channels),
            Parameter("SIMD", simd, 1, kernel, divides=kernel),
        )
        return self.matrix_spec("vvau_lut", shape, model)

    def folds(self) -> tuple[int, int, int]:
        """Elements a beat and channel, beats a sum, sums (of PE channels) a pixel."""
        simd = self.get_nodeattr("SIMD")
        groups = self.get_nodeattr("Channels") // self.get_nodeattr("PE")
        return simd, int(np.prod(self.get_nodeattr("Kernel"))) // simd, groups

    def weight_codes(self, weights: Any) -> Any:
        """Bit patterns as integers, shape (words, PE, SIMD)."""
        return self.get_hw_compatible_weight_tensor(weights)[0].transpose(1, 0, 2)

    def weight_repetitions(self) -> int:
        """How often all weights are read in a frame."""
        return int(np.prod(self.get_nodeattr("Dim")))

    def lut_estimation(self, fpgapart: str) -> int:
        """Dot products and weights in LUTs."""
        if not self.is_lut():
            return int(super().lut_estimation(fpgapart))
        return self.matrix_luts() + 10
