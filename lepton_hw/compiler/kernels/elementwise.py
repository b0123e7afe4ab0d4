"""ElementwiseAdd_rtl, ElementwiseSub_rtl, ElementwiseMul_rtl: of integers ours, of floats FINN's.

Two streams, or a stream and a constant, with NumPy's broadcasting. FINN's class keeps the floats,
which it has for Versal only.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from finn.custom_op.fpgadataflow import elementwise_binary as abstract
from finn.custom_op.fpgadataflow.rtl import elementwise_binary_rtl as finns
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.kernels import dot_formats, stream_formats
from lepton_hw.compiler.kernels.base import RtlKernel
from lepton_hw.compiler.kernels.spec import Parameter, Spec, Stream, check_parameters
from lepton_hw.errors import StageError

#: Product of operand bits up to which a multiplication is made of LUTs.
LUT_PRODUCT = 40
SIDES = ("lhs", "rhs")


def repeats(own: Sequence[int], full: Sequence[int]) -> list[tuple[int, int]]:
    """Groups of beats to repeat, outermost first, as (length, times).

    `own` is the operand's folded shape without the lanes, `full` that of the output.
    """
    aligned = (1,) * (len(full) - len(own)) + tuple(own)
    found: list[tuple[int, int]] = []
    joined = False  # the axis before was repeated, too
    for axis, (mine, whole) in enumerate(zip(aligned, full, strict=True)):
        if whole == 1:
            continue
        if mine != 1:
            joined = False
            continue
        length = math.prod(aligned[axis + 1 :])
        times = whole * (found.pop()[1] if joined else 1)
        found.append((length, times))
        joined = True
    return found


class IntegerElementwise(RtlKernel):
    """Mixed in before FINN's class, which is `finn`."""

    finn: ClassVar[Any]
    operation: ClassVar[int]
    sources = (
        "dot_pkg.sv", "repeat_buffer.sv", "weight_rom.sv", "widen.sv", "operand_source.sv",
        "eltwise.sv",
    )  # fmt: skip

    def is_ours(self) -> bool:
        """Whether both operands are integers."""
        return all(stream_formats.is_integer(self.get_input_datatype(i)) for i in (0, 1))

    def kernel(self, model: ModelWrapper | None) -> Spec:
        """Module ``eltwise`` and the words of a constant operand."""
        pe, channels = self.get_nodeattr("PE"), int(self.get_normal_output_shape()[-1])
        folding = Parameter("PE", pe, 1, channels, divides=channels)
        check_parameters((folding,), "eltwise", self.onnx_node.name)
        self._require_sane(model)
        out_bits = self.get_output_datatype().bitwidth()
        parameters = [
            Parameter("OP", self.operation, 0, 2),
            folding,
            Parameter("OUT_BITS", out_bits, 1, stream_formats.MOST_BITS),
        ]
        style = next((self._style(depth) for depth, _ in self._memories()), "auto")
        streams, files = [], {}
        texts = {"STYLE": style, "DSP": "yes" if self.dsp_estimation("") else "no"}
        for index, letter in enumerate("ab"):
            mine, words = self._operand(model, index, letter)
            parameters += mine
            bits = math.ceil(self._width(index) / 8) * 8
            port = "" if self._is_constant(index) else f"in{index}_V"
            streams.append(Stream(port, letter, bits, True))
            if port == "":
                texts[f"{letter.upper()}_FILE"] = f"{letter}.dat"
                if words:
                    files[f"{letter}.dat"] = words
        width = self.get_outstream_width_padded(0)
        streams.append(Stream("out0_V", "out", width, False))
        return Spec(
            "eltwise", self.sources, tuple(parameters), tuple(streams), texts=texts, files=files
        )

    def _operand(
        self, model: ModelWrapper | None, index: int, letter: str
    ) -> tuple[list[Parameter], str]:
        """Parameters of one operand, and its words where it is a constant."""
        layer, dtype = self.onnx_node.name, self.get_input_datatype(index)
        lanes, groups, words = self._lanes(index), self._repeats(index), ""
        depth = self._beats(index) if self._is_constant(index) else 0
        if depth and model is not None:
            values = stream_formats.constant(model, self.onnx_node.input[index], layer)
            words = stream_formats.hex_words(values.reshape(-1, lanes), dtype)
        if len(groups) > 2:
            raise StageError(
                f"operand {SIDES[index]} of layer {layer} is broadcast along "
                f"{len(groups)} axes with others between",
                "at most 2",
                "repeat the operand in front of the layer",
            )
        outer, inner = (*[(1, 1)] * (2 - len(groups)), *groups)
        name = letter.upper()
        return [
            Parameter(f"{name}_LANES", lanes, 1, 1 << 16),
            Parameter(f"{name}_BITS", dtype.bitwidth(), 1, 32),
            Parameter(f"{name}_KIND", stream_formats.format_of(dtype, layer), 0, 3),
            Parameter(f"{name}_DEPTH", depth, 0, 1 << 24),
            Parameter(f"{name}_OUTER_LENGTH", outer[0], 1, 1 << 20),
            Parameter(f"{name}_OUTER_TIMES", outer[1], 1, 1 << 24),
            Parameter(f"{name}_INNER_LENGTH", inner[0], 1, 1 << 20),
            Parameter(f"{name}_INNER_TIMES", inner[1], 1, 1 << 24),
        ], words

    def _require_sane(self, model: ModelWrapper | None) -> None:
        layer, stated = self.onnx_node.name, self.get_output_datatype()
        for dtype in (*map(self.get_input_datatype, (0, 1)), stated):
            stream_formats.format_of(dtype, layer)
        if self._is_constant(0) and self._is_constant(1):
            raise StageError(
                f"both operands of layer {layer} are constants", "at least one stream",
                "fold the layer into a constant",
            )  # fmt: skip
        if self.get_nodeattr("mem_mode") != "internal_embedded" and any(
            self._is_constant(i) for i in (0, 1)
        ):
            raise StageError(
                f"attribute mem_mode of layer {layer} is {self.get_nodeattr('mem_mode')}",
                "internal_embedded",
                "change it in the folding file",
            )
        low, high = self._result_range(model)
        least, most = stream_formats.value_range(stated)
        if low < least or high > most:
            raise StageError(
                f"attribute out_dtype of layer {layer} is {stated.name}",
                f"a type that holds {low} to {high}",
                f"set it to {stream_formats.holding(low, high)}",
            )

    def _is_constant(self, index: int) -> bool:
        return bool(self.get_nodeattr(f"{SIDES[index]}_style") == "const")

    def _lanes(self, index: int) -> int:
        return int(self.get_folded_input_shape(index)[-1])

    def _width(self, index: int) -> int:
        """Bits of a beat of an operand."""
        return self._lanes(index) * int(self.get_input_datatype(index).bitwidth())

    def _beats(self, index: int) -> int:
        """Of an operand, without repetitions."""
        return math.prod(int(n) for n in self.get_folded_input_shape(index)[:-1])

    def _repeats(self, index: int) -> list[tuple[int, int]]:
        """`repeats` of an operand, less what a memory does by itself: to start again."""
        whole = self.get_folded_output_shape()[:-1]
        groups = repeats(self.get_folded_input_shape(index)[:-1], whole)
        again = self._is_constant(index) and groups and groups[0][0] == self._beats(index)
        return groups[1:] if again else groups

    def _result_range(self, model: ModelWrapper | None) -> tuple[int, int]:
        """Lowest and highest result, of all input values and of the actual constants."""
        ends = []
        for index in (0, 1):
            ends.append(stream_formats.value_range(self.get_input_datatype(index)))
            if model is not None and self._is_constant(index):
                values = model.get_initializer(self.onnx_node.input[index])
                if values is not None:
                    ends[index] = (int(values.min()), int(values.max()))
        (a, b), (c, d) = ends
        if self.operation == 0:
            return a + c, b + d
        if self.operation == 1:
            return a - d, b - c
        corners = [x * y for x in (a, b) for y in (c, d)]
        return min(corners), max(corners)

    def _derive_out_dtype(self, model: ModelWrapper) -> Any:
        """The narrowest type of all results; FINN's is too narrow for INT8 + UINT8."""
        if not self.is_ours():
            return self.finn._derive_out_dtype(self, model)
        return DataType[stream_formats.holding(*self._result_range(model))]

    def minimize_weight_bit_width(self, model: ModelWrapper, datatype_only: bool = False) -> Any:
        """The narrowest type of each constant; FINN's gives BIPOLAR to values -1 and 0."""
        if not self.is_ours():
            return self.finn.minimize_weight_bit_width(self, model, datatype_only)
        if not datatype_only:
            for index, side in enumerate(SIDES):
                values = model.get_initializer(self.onnx_node.input[index])
                if values is not None:
                    kind = dot_formats.narrowest(values, keep_sum=True)
                    self.set_nodeattr(f"{side}_style", "const")
                    self.set_nodeattr(f"{side}_dtype", kind)
                    model.set_tensor_datatype(self.onnx_node.input[index], DataType[kind])
        return None

    def get_instream_width(self, ind: int = 0) -> int:
        """Bits of a beat: FINN's, but a broadcast operand has one element, not PE copies."""
        if not self.is_ours():
            return int(self.finn.get_instream_width(self, ind))
        if self._is_constant(ind) and self.get_nodeattr("mem_mode") == "internal_embedded":
            return 0
        return self._width(ind)

    def get_exp_cycles(self) -> int:
        """Beats of the output."""
        return math.prod(int(n) for n in self.get_folded_output_shape()[:-1])

    @property
    def _owner(self) -> Any:
        return RtlKernel if self.is_ours() else self.finn

    def generate_hdl(self, model: ModelWrapper, fpgapart: str, clk: float) -> None:
        """Ours or FINN's."""
        self._owner.generate_hdl(self, model, fpgapart, clk)

    def get_rtl_file_list(self, abspath: bool = False) -> list[str]:
        """Ours or FINN's."""
        return list(self._owner.get_rtl_file_list(self, abspath))

    def get_verilog_paths(self) -> list[str]:
        """Ours or FINN's."""
        return list(self._owner.get_verilog_paths(self))

    def code_generation_ipi(self) -> list[str]:
        """Ours or FINN's."""
        return list(self._owner.code_generation_ipi(self))

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:
        """In Python (cppsim) or as RTL (rtlsim)."""
        if not self.is_ours():
            self.finn.execute_node(self, context, graph)
        elif self.get_nodeattr("exec_mode") == "rtlsim":
            stream_formats.simulate(self, context)
        else:
            self.golden.execute_node(self, context, graph)

    def _memories(self) -> list[tuple[int, int]]:
        """(depth, width) of each constant operand."""
        return [(self._beats(i), self._width(i)) for i in (0, 1) if self._is_constant(i)]

    def _style(self, depth: int) -> str:
        return stream_formats.table_style(str(self.get_nodeattr("ram_style")), depth)

    def lut_estimation(self, fpgapart: str) -> int:
        """A LUT for each bit added, buffers of repeated operands, small constants.

        A bit of a product costs 1.65 LUTs; see docs/kernels.md.
        """
        if not self.is_ours():
            return int(self.finn.lut_estimation(self, fpgapart))
        pe, out_bits = self.get_nodeattr("PE"), self.get_output_datatype().bitwidth()
        a_bits, b_bits = (self.get_input_datatype(i).bitwidth() for i in (0, 1))
        one = out_bits if self.operation < 2 else math.ceil(1.65 * a_bits * b_bits)
        if self.dsp_estimation(fpgapart):
            one = 0
        total = pe * one + 10
        for index in (0, 1):
            # RAM32M: four LUTs hold 32 words of 6 bits.
            words = -(-self._width(index) // 6) * 4
            total += sum(words * -(-length // 32) + 20 for length, _ in self._repeats(index))
        small = [memory for memory in self._memories() if self._style(memory[0]) != "block"]
        return int(total + sum(dot_formats.memory_luts(*memory) for memory in small))

    def bram_estimation(self, fpgapart: str) -> int:
        """18-kbit block RAMs of constants."""
        if not self.is_ours():
            return int(self.finn.bram_estimation(self, fpgapart))
        large = [memory for memory in self._memories() if self._style(memory[0]) == "block"]
        return sum(dot_formats.memory_brams(*memory) for memory in large)

    def uram_estimation(self, fpgapart: str) -> int:
        """None, unless the node is FINN's."""
        return 0 if self.is_ours() else int(self.finn.uram_estimation(self, fpgapart))

    def dsp_estimation(self, fpgapart: str) -> int:
        """One for each multiplication of wide operands; two beyond 18 by 25 bits."""
        if not self.is_ours():
            return int(self.finn.dsp_estimation(self, fpgapart))
        a_bits, b_bits = sorted(self.get_input_datatype(i).bitwidth() for i in (0, 1))
        if self.operation < 2 or a_bits * b_bits <= LUT_PRODUCT:
            return 0
        return int(self.get_nodeattr("PE") * math.ceil(a_bits / 17) * math.ceil(b_bits / 24))


class ElementwiseAdd_rtl(IntegerElementwise, finns.ElementwiseAdd_rtl):  # type: ignore[misc] # noqa: N801 – FINN's name
    """Sum."""

    golden = abstract.ElementwiseAdd
    finn = finns.ElementwiseAdd_rtl
    operation = 0


class ElementwiseSub_rtl(IntegerElementwise, finns.ElementwiseSub_rtl):  # type: ignore[misc] # noqa: N801 – FINN's name
    """Difference."""

    golden = abstract.ElementwiseSub
    finn = finns.ElementwiseSub_rtl
    operation = 1


class ElementwiseMul_rtl(IntegerElementwise, finns.ElementwiseMul_rtl):  # type: ignore[misc] # noqa: N801 – FINN's name
    """Product."""

    golden = abstract.ElementwiseMul
    finn = finns.ElementwiseMul_rtl
    operation = 2
