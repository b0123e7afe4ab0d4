"""LabelSelect_rtl: the indices of the K largest values; FINN has it in HLS only."""

import math

from finn.custom_op.fpgadataflow.labelselect import LabelSelect
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.kernels import stream_formats
from lepton_hw.compiler.kernels.base import RtlKernel
from lepton_hw.compiler.kernels.spec import Parameter, Spec, check_parameters

#: Most indices that are kept; each costs comparators for every other.
MOST = 32


class LabelSelect_rtl(RtlKernel, LabelSelect):  # type: ignore[misc] # noqa: N801 – FINN's name
    """Top-K with indices, of equal values the lower index first."""

    golden = LabelSelect
    sources = ("dot_pkg.sv", "topk_merge.sv", "label_select.sv")

    def kernel(self, model: ModelWrapper | None) -> Spec:
        """Module ``label_select``."""
        labels, pe, k = (self.get_nodeattr(name) for name in ("Labels", "PE", "K"))
        dtype, index_bits = self.get_input_datatype(), max(1, (labels - 1).bit_length())
        folding = (
            Parameter("LABELS", labels, 1, 1 << 20),
            Parameter("PE", pe, 1, labels, divides=labels),
            Parameter("K", k, 1, min(labels, MOST)),
        )
        check_parameters(folding, "label_select", self.onnx_node.name)
        return Spec(
            "label_select",
            self.sources,
            (
                *folding,
                Parameter("BITS", dtype.bitwidth(), 1, stream_formats.MOST_BITS),
                Parameter("KIND", stream_formats.format_of(dtype, self.onnx_node.name), 0, 3),
                Parameter("OUT_BITS", self.get_outstream_width(), index_bits, 32),
            ),
            self.stream_pairs(),
        )

    def get_number_output_values(self) -> int:
        """Beats of the output."""
        return math.prod(int(n) for n in self.get_folded_output_shape()[:-1])

    def get_exp_cycles(self) -> int:
        """The longer of taking the labels and giving K indices, for each vector."""
        vectors = math.prod(int(n) for n in self.get_nodeattr("numInputVectors"))
        labels, pe, k = (self.get_nodeattr(name) for name in ("Labels", "PE", "K"))
        return int(vectors * max(labels // pe, k))

    def lut_estimation(self, fpgapart: str) -> int:
        """Merges of two lists, fitted to Yosys for xc7: half a LUT a bit compared and selected."""
        labels, pe, k = (self.get_nodeattr(name) for name in ("Labels", "PE", "K"))
        bits, index = self.get_input_datatype().bitwidth() + 1, max(1, (labels - 1).bit_length())
        merges, lists, length = [(k, min(k, pe))], pe, 1
        while lists > 1:
            merges += [(min(k, length), min(k, length))] * (lists // 2)
            lists, length = -(-lists // 2), 2 * length
        compared = sum(a * b for a, b in merges) * bits
        selected = sum(_moves(a, b, k) + _moves(b, a, k) for a, b in merges) * (bits + index)
        luts: int = math.ceil(1.15 * (compared + selected) / 2) + k * index + 15
        return luts


def _moves(own: int, other: int, k: int) -> int:
    """Pairs of an entry of a list and a place of the merged one to which it may move."""
    return sum(min(other + 1, k - i) for i in range(min(own, k)))
