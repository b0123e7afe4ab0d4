"""Lookup_rtl: an embedding table in the FPGA's memory; FINN has it in HLS only."""

from typing import Any

import numpy as np
from finn.custom_op.fpgadataflow.lookup import Lookup
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.kernels import dot_formats, stream_formats
from lepton_hw.compiler.kernels.base import RtlKernel
from lepton_hw.compiler.kernels.spec import Parameter, Spec, Stream
from lepton_hw.errors import StageError

TABLE = "embeddings.dat"


class Lookup_rtl(RtlKernel, Lookup):  # type: ignore[misc] # noqa: N801 – FINN's name
    """A word of EmbeddingDim values for each index."""

    golden = Lookup
    sources = ("lookup.sv",)

    def kernel(self, model: ModelWrapper | None) -> Spec:
        """Module ``lookup`` and its table."""
        layer, index = self.onnx_node.name, self.get_input_datatype(0)
        self._require("mem_mode", ("internal_embedded",))
        # UltraRAM cannot hold values from the bitstream (AMD UG573).
        self._require("ram_style", ("auto", "block", "distributed"))
        if stream_formats.format_of(index, layer) != dot_formats.UNSIGNED:
            raise StageError(
                f"the indices of layer {layer} are {index.name}", "an unsigned integer type",
                "change the type of the network's input",
            )  # fmt: skip
        depth, kind = self.get_nodeattr("NumEmbeddings"), self.get_output_datatype()
        stream_formats.format_of(kind, layer)
        files = {}
        if model is not None:
            table = stream_formats.constant(model, self.onnx_node.input[1], layer)
            files[TABLE] = stream_formats.hex_words(table.reshape(depth, -1), kind)
        bits = self.get_outstream_width()
        return Spec(
            "lookup",
            self.sources,
            (
                Parameter("DEPTH", depth, 1, 1 << 24),
                Parameter("INDEX_BITS", index.bitwidth(), 1, 32),
                Parameter("BITS", bits, 1, 1 << 16),
            ),
            (
                Stream("in0_V", "in", self.get_instream_width_padded(0), True),
                Stream("out0_V", "out", self.get_outstream_width_padded(0), False),
            ),
            texts={"FILE": TABLE, "STYLE": self._style()},
            files=files,
        )

    def _require(self, name: str, allowed: tuple[str, ...]) -> None:
        if self.get_nodeattr(name) not in allowed:
            raise StageError(
                f"attribute {name} of layer {self.onnx_node.name} is {self.get_nodeattr(name)}",
                f"one of {', '.join(allowed)}",
                "change it in the folding file",
            )

    def get_folded_output_shape(self, ind: int = 0) -> tuple[int, ...]:
        """A whole word a beat."""
        return tuple(int(n) for n in Lookup.get_folded_output_shape(self, ind))

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:
        """In Python (cppsim) or as RTL (rtlsim); FINN's Python model wants int64 indices."""
        if self.get_nodeattr("exec_mode") == "rtlsim":
            stream_formats.simulate(self, context)
            return
        name = self.onnx_node.input[0]
        local = {**context, name: np.asarray(context[name]).astype(np.int64)}
        self.golden.execute_node(self, local, graph)
        context[self.onnx_node.output[0]] = local[self.onnx_node.output[0]]

    def _style(self) -> str:
        requested = str(self.get_nodeattr("ram_style"))
        return stream_formats.table_style(requested, self.get_nodeattr("NumEmbeddings"))

    def lut_estimation(self, fpgapart: str) -> int:
        """The table, where it is made of LUTs."""
        depth, width = self.get_nodeattr("NumEmbeddings"), self.get_outstream_width()
        return 5 + (dot_formats.memory_luts(depth, width) if self._style() != "block" else 0)

    def bram_estimation(self, fpgapart: str) -> int:
        """18-kbit block RAMs of the table."""
        if self._style() != "block":
            return 0
        return dot_formats.memory_brams(
            self.get_nodeattr("NumEmbeddings"), self.get_outstream_width()
        )
