"""What MVAU and VVAU of LUTs have in common: the choice against FINN's own, weights, simulation.

`resType` ``lut`` makes a node ours; everything else stays with FINN's class.
"""

import math
from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from finn.util.data_packing import npy_to_rtlsim_input, rtlsim_output_to_npy
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.kernels import dot_formats as formats
from lepton_hw.compiler.kernels.base import RtlKernel
from lepton_hw.compiler.kernels.spec import Parameter, Spec, Stream, check
from lepton_hw.errors import StageError

WEIGHTS = "weights.dat"
MODES = ("internal_embedded", "internal_decoupled", "external")


class LutMatrix(RtlKernel):
    """Mixed in before FINN's class, which is `finn`."""

    finn: ClassVar[Any]

    @abstractmethod
    def folds(self) -> tuple[int, int, int]:
        """Elements a beat and row, beats a sum, sums a vector."""

    @abstractmethod
    def weight_codes(self, weights: Any) -> Any:
        """Bit patterns as integers, shape (words, PE, SIMD)."""

    @abstractmethod
    def weight_repetitions(self) -> int:
        """How often all weights are read in a frame."""

    def is_lut(self) -> bool:
        """Whether this node is ours."""
        return bool(self.get_nodeattr("resType") == "lut")

    def require(self, name: str, value: Any) -> None:
        """Raises `StageError` unless the attribute has this value."""
        found = self.get_nodeattr(name)
        if found != value:
            raise StageError(
                f"attribute {name} of layer {self.onnx_node.name} is {found}",
                f"{value} for a matrix unit of LUTs",
                "change it, or set the layer's resType to dsp, in the folding file",
            )

    def matrix_spec(
        self, module: str, shape: tuple[Parameter, ...], model: ModelWrapper | None
    ) -> Spec:
        """The parts of a `Spec` that matrix units share."""
        self.require("noActivation", 1)
        mode = self._mode()
        xnor = bool(self.get_nodeattr("binaryXnorMode"))
        a_type, w_type = self.get_input_datatype(0), self.get_input_datatype(1)
        a_bits, w_bits = a_type.bitwidth(), w_type.bitwidth()
        embedded = mode == "internal_embedded"
        spec = Spec(
            module=module,
            sources=self.sources,
            parameters=(
                *shape,
                Parameter("A_BITS", a_bits, 1, 16),
                Parameter("W_BITS", w_bits, 1, 16),
                Parameter("A_KIND", formats.activation_kind(a_type, xnor), 0, 2),
                Parameter("W_KIND", formats.weight_kind(w_type, xnor), 0, 3),
                Parameter("SUM_BITS", self.get_output_datatype().bitwidth(), 1, 62),
                Parameter("EMBEDDED", int(embedded), 0, 1),
            ),
            streams=(
                Stream("in0_V", "in", self.get_instream_width_padded(0), True),
                Stream("" if embedded else "in1_V", "weight", self._weight_bits_padded(), True),
                Stream("out0_V", "out", self.get_outstream_width_padded(0), False),
            ),
            texts={"FILE": WEIGHTS if embedded else "", "STYLE": self._rom_style()},
        )
        check(spec, self.onnx_node.name)
        if not embedded or model is None:
            return spec
        weights = model.get_initializer(self.onnx_node.input[1])
        if weights is None:
            raise StageError(
                f"layer {self.onnx_node.name} has no constant weights",
                "constants, or mem_mode external",
                "change mem_mode in the folding file",
            )
        words = formats.planar_words(self.weight_codes(weights), w_bits)
        return replace(spec, files={WEIGHTS: words})

    def generate_hdl(self, model: ModelWrapper, fpgapart: str, clk: float) -> None:
        """Wrapper and weights; FINN's weight streamer where weights are streamed."""
        if not self.is_lut():
            self._require_decoupled()
            self.finn.generate_hdl(self, model, fpgapart, clk)
            return
        if self._mode() != "internal_embedded":
            self.generate_params(model, self.get_nodeattr("code_gen_dir_ipgen"))
        super().generate_hdl(model, fpgapart, clk)
        if self._mode() == "internal_decoupled":
            self.generate_hdl_memstream(fpgapart)

    def get_rtl_file_list(self, abspath: bool = False) -> list[str]:
        """Ours or FINN's."""
        owner = RtlKernel if self.is_lut() else self.finn
        return list(owner.get_rtl_file_list(self, abspath))

    def get_verilog_paths(self) -> list[str]:
        """Ours or FINN's."""
        owner = RtlKernel if self.is_lut() else self.finn
        return list(owner.get_verilog_paths(self))

    def code_generation_ipi(self) -> list[str]:
        """FINN's, which joins the weight streamer; it calls `instantiate_ip`."""
        return list(self.finn.code_generation_ipi(self))

    def instantiate_ip(self, cmd: list[str]) -> None:
        """Appends Tcl that adds the sources and the unit itself."""
        if not self.is_lut():
            self.finn.instantiate_ip(self, cmd)
            return
        cmd += [f"add_files -norecurse {name}" for name in self.get_rtl_file_list(abspath=True)]
        node, top = self.onnx_node.name, self.get_nodeattr("gen_top_module")
        place = f"/{node}/{node}" if self._mode() == "internal_decoupled" else node
        cmd.append(f"create_bd_cell -type hier -reference {top} {place}")

    def minimize_accumulator_width(self, model: ModelWrapper, datatype_only: bool = False) -> Any:
        """FINN's, which fails where all weights are zero: their sum gets one bit, or a byte."""
        weights = model.get_initializer(self.onnx_node.input[1])
        by_type = datatype_only or self.get_nodeattr("runtime_writeable_weights")
        xnor = self.get_nodeattr("binaryXnorMode")
        if not self.is_lut() or xnor or by_type or weights is None or weights.any():
            return self.finn.minimize_accumulator_width(self, model, datatype_only)
        is_end = model.find_direct_successors(self.onnx_node) is None
        name = "UINT8" if is_end else "BINARY"
        self.set_nodeattr("accDataType", name)
        self.set_nodeattr("outputDataType", name)
        return DataType[name]

    def minimize_weight_bit_width(self, model: ModelWrapper, datatype_only: bool = False) -> Any:
        """FINN's for its own; ours keeps one-bit and ternary weights as such."""
        weights = model.get_initializer(self.onnx_node.input[1])
        fixed = (
            datatype_only
            or weights is None
            or self.get_nodeattr("runtime_writeable_weights")
            or self.get_nodeattr("mem_mode") == "external"
            # Two bipolar operands: any other type would change the function, see `narrowest`.
            or {self.get_input_datatype(i).name for i in (0, 1)} == {"BIPOLAR"}
        )
        if not self.is_lut():
            return self.finn.minimize_weight_bit_width(self, model, datatype_only)
        if not fixed:
            keep_sum = self.get_input_datatype(0).name == "BIPOLAR"
            self.set_nodeattr("weightDataType", formats.narrowest(weights, keep_sum))
        return DataType[self.get_nodeattr("weightDataType")]

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:
        """In Python (cppsim) or, as RTL (rtlsim), with weights streamed in where they are."""
        if not self.is_lut():
            self.finn.execute_node(self, context, graph)
        elif self.get_nodeattr("exec_mode") == "rtlsim":
            self._simulate(context)
        else:
            self.golden.execute_node(self, context, graph)

    def _simulate(self, context: dict[str, Any]) -> None:
        folder = Path(self.get_nodeattr("code_gen_dir_ipgen"))
        node, kind = self.onnx_node, self.get_output_datatype()
        frame = np.asarray(context[node.input[0]], np.float32).reshape(
            self.get_folded_input_shape()
        )
        inputs = {
            "in0": npy_to_rtlsim_input(frame, self.get_input_datatype(0), self.get_instream_width())
        }
        if self._mode() != "internal_embedded":
            words = (folder / "memblock.dat").read_text().split()
            inputs["in1"] = [int(word, 16) for word in words] * self.weight_repetitions()
        traffic: dict[str, Any] = {"inputs": inputs, "outputs": {"out0": []}}
        sim = self.get_rtlsim()
        self.reset_rtlsim(sim)
        self.rtlsim_multi_io(sim, traffic)
        self.close_rtlsim(sim)
        values = rtlsim_output_to_npy(
            traffic["outputs"]["out0"], None, kind, self.get_folded_output_shape(),
            self.get_outstream_width(), kind.bitwidth(),
        )  # fmt: skip
        context[node.output[0]] = np.asarray(values, np.float32).reshape(
            self.get_normal_output_shape()
        )

    def matrix_luts(self) -> int:
        """LUTs of the dot products and of weights that stand in LUTs."""
        n, fold, groups = self.folds()
        rows = self.get_nodeattr("PE")
        a_bits = self.get_input_datatype(0).bitwidth()
        w_bits = self.get_input_datatype(1).bitwidth()
        acc_bits = self.get_output_datatype().bitwidth()
        memory = 0
        if not self.bram_estimation("") and self._mode() != "external":
            memory = formats.memory_luts(fold * groups, rows * n * w_bits)
        return formats.dot_luts(rows, n, a_bits, w_bits, acc_bits, fold) + memory

    def bram_estimation(self, fpgapart: str) -> int:
        """FINN's; ours for weights in the module."""
        if not self.is_lut() or self._mode() != "internal_embedded":
            return int(self.finn.bram_estimation(self, fpgapart))
        n, fold, groups = self.folds()
        depth, style = fold * groups, self.get_nodeattr("ram_style")
        if style == "distributed" or (style == "auto" and depth <= formats.LUT_MEMORY_DEPTH):
            return 0
        width = self.get_nodeattr("PE") * n * self.get_input_datatype(1).bitwidth()
        return formats.memory_brams(depth, width)

    def uram_estimation(self, fpgapart: str) -> int:
        """FINN's; ours for weights in the module: none."""
        if self.is_lut() and self._mode() == "internal_embedded":
            return 0
        return int(self.finn.uram_estimation(self, fpgapart))

    def dsp_estimation(self, fpgapart: str) -> int:
        """None, unless the node is FINN's."""
        return 0 if self.is_lut() else int(self.finn.dsp_estimation(self, fpgapart))

    def _require_decoupled(self) -> None:
        found = self.get_nodeattr("mem_mode")
        if found == "internal_embedded":
            raise StageError(
                f"attributes resType and mem_mode of layer {self.onnx_node.name} are "
                f"{self.get_nodeattr('resType')} and {found}",
                "mem_mode internal_decoupled for FINN's unit of multipliers",
                "change mem_mode, or set resType to lut, in the folding file",
            )

    def _mode(self) -> str:
        mode = str(self.get_nodeattr("mem_mode"))
        if mode not in MODES:
            raise StageError(
                f"attribute mem_mode of layer {self.onnx_node.name} is {mode}",
                f"one of {', '.join(MODES)} for a matrix unit of LUTs",
                "change it in the folding file",
            )
        return mode

    def _weight_bits_padded(self) -> int:
        lanes = self.get_nodeattr("PE") * self.get_nodeattr("SIMD")
        bits: int = lanes * self.get_input_datatype(1).bitwidth()
        return math.ceil(bits / 8) * 8

    def _rom_style(self) -> str:
        style = str(self.get_nodeattr("ram_style"))
        return style if style in ("block", "distributed") else "auto"
