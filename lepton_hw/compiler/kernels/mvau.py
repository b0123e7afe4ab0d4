"""MVAU_rtl with a choice: FINN's multiplier-based one, or ours of LUTs where resType is ``lut``.

The op keeps FINN's name, so that every transformation of FINN treats both alike, and a folding
file chooses per layer by setting ``resType``.
"""

from typing import Any

import numpy as np
from finn.custom_op.fpgadataflow.matrixvectoractivation import MVAU
from finn.custom_op.fpgadataflow.rtl.matrixvectoractivation_rtl import MVAU_rtl as FinnMVAU
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.kernels import dot_formats as formats
from lepton_hw.compiler.kernels.lut_matrix import LutMatrix
from lepton_hw.compiler.kernels.spec import Parameter, Spec


class MVAU_rtl(LutMatrix, FinnMVAU):  # type: ignore[misc] # noqa: N801 – FINN's name
    """Matrix-vector unit; `LutMatrix` decides which of the two it is."""

    golden = MVAU
    finn = FinnMVAU
    sources = (*formats.SOURCES, "repeat_buffer.sv", "mvau_lut.sv")

    def kernel(self, model: ModelWrapper | None) -> Spec:
        """Module ``mvau_lut`` and its weights."""
        mw, mh, pe, simd = (self.get_nodeattr(name) for name in ("MW", "MH", "PE", "SIMD"))
        self.require("TH", 1)
        shape = (
            Parameter("MW", mw, 1, 1 << 20),
            Parameter("MH", mh, 1, 1 << 20),
            Parameter("PE", pe, 1, mh, divides=mh),
            Parameter("SIMD", simd, 1, mw, divides=mw),
        )
        return self.matrix_spec("mvau_lut", shape, model)

    def folds(self) -> tuple[int, int, int]:
        """Elements a beat, beats a sum, sums (of PE rows) a vector."""
        simd = self.get_nodeattr("SIMD")
        groups = self.get_nodeattr("MH") // self.get_nodeattr("PE")
        return simd, self.get_nodeattr("MW") // simd, groups

    def weight_codes(self, weights: Any) -> Any:
        """Bit patterns as integers, shape (words, PE, SIMD); FINN's order has SIMD reversed."""
        return np.flip(self.get_hw_compatible_weight_tensor(weights)[0], -1).transpose(1, 0, 2)

    def weight_repetitions(self) -> int:
        """How often all weights are read in a frame."""
        return int(np.prod(self.get_nodeattr("numInputVectors")))

    def minimize_accumulator_width(self, model: ModelWrapper, datatype_only: bool = False) -> Any:
        """FINN's, but a count of equal bits is 0 to MW, whatever the weights are."""
        if not (self.is_lut() and self.get_nodeattr("binaryXnorMode")):
            return super().minimize_accumulator_width(model, datatype_only=datatype_only)
        bits = self.get_nodeattr("MW").bit_length()
        if self.get_nodeattr("noActivation"):
            if model.find_direct_successors(self.onnx_node) is None:
                bits = -(-bits // 8) * 8  # FINN ends graphs in whole bytes
            self.set_nodeattr("outputDataType", f"UINT{bits}")
        self.set_nodeattr("accDataType", f"UINT{bits}")
        return DataType[f"UINT{bits}"]

    def lut_estimation(self, fpgapart: str) -> int:
        """Dot products, weights in LUTs, and the buffer that repeats the vector."""
        if not self.is_lut():
            return int(super().lut_estimation(fpgapart))
        simd, fold, groups = self.folds()
        width = simd * self.get_input_datatype(0).bitwidth()
        return self.matrix_luts() + formats.repeat_luts(width, fold, groups) + 20
