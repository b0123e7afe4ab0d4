"""Runs FINN's own build steps in order, and two small ones of ours between them.

FINN's steps are called, never copied; a failure in one becomes a single sentence.
"""

from collections.abc import Callable
from pathlib import Path

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.board import Board
from lepton_hw.compiler.branches import move_layouts, move_scales
from lepton_hw.compiler.folding_file import require_folding
from lepton_hw.compiler.host_tail import HostTail, cut_host_tail
from lepton_hw.compiler.signs import bits_for_others, bits_for_thresholds, mark_signs
from lepton_hw.compiler.strides import shorten_strides
from lepton_hw.compiler.ties import round_ties_to_even
from lepton_hw.errors import LeptonError, StageError

FRONT = ("step_qonnx_to_finn", "step_tidy_up")
STREAMLINE = ("step_streamline",)
FOLD = ("step_apply_folding_config", "step_minimize_bit_width")
REPORT = ("step_generate_estimate_reports",)


class FinnSteps:
    """FINN's steps with one configuration; each takes a model and returns the next one."""

    def __init__(
        self,
        board: Board,
        workdir: Path,
        log: Path,
    ) -> None:
        import finn.builder.build_dataflow_config as finn_config
        import finn.builder.build_dataflow_steps as finn_steps

        self._steps = finn_steps
        self._log = log
        self._board = board
        self._packs_narrow_weights = board.dsp == "DSP48E1"
        self.config = finn_config.DataflowBuildConfig(
            output_dir=str(workdir),
            synth_clk_period_ns=board.clock_ns,
            generate_outputs=[finn_config.DataflowOutputType.ESTIMATE_REPORTS],
            board=board.finn_board or None,
            fpga_part=None if board.finn_board else board.finn_part,
            shell_flow_type=finn_config.ShellFlowType.VIVADO_ZYNQ,
            standalone_thresholds=True,
            auto_fifo_strategy=finn_config.AutoFIFOSizingMethod.FORCE_MINIMAL_FIFOS,
        )

    def run(self, names: tuple[str, ...], model: ModelWrapper) -> ModelWrapper:
        """Runs the named FINN steps."""
        for name in names:
            model = self._one(name, model)
        return model

    def front(self, model: ModelWrapper) -> tuple[ModelWrapper, HostTail]:
        """From QONNX to a streamlined integer graph, without what the host does at its end."""
        from finn.transformation.streamline.round_thresholds import RoundAndClipThresholds

        print(f"strides that ended beyond an image: {shorten_strides(model)}", flush=True)
        model = self.run(FRONT, model)
        mark_signs(model)
        print(f"signs that others than weights read: {bits_for_others(model)}", flush=True)
        model = self._guard("streamlining of scales", move_scales, model)
        model = self._guard("streamlining of layouts", move_layouts, self.run(STREAMLINE, model))
        print(f"thresholds of signs made those of bits: {bits_for_thresholds(model)}", flush=True)
        print(f"thresholds moved off ties: {round_ties_to_even(model)}", flush=True)
        # FINN does this last; its layers refuse negative thresholds of an unsigned input before.
        model = model.transform(RoundAndClipThresholds())
        return cut_host_tail(model)

    def specialize(self, model: ModelWrapper) -> ModelWrapper:
        """Chooses RTL for every layer that has it; FINN alone would take HLS below 4 bits."""
        from lepton_hw.compiler.kernels.choose import choose_matrix_kernels
        from lepton_hw.compiler.kernels.elementwise_choice import choose_elementwise_kernels

        stated = {}
        for node in model.graph.node:
            if node.op_type in ("MVAU", "VVAU"):
                getCustomOp(node).set_nodeattr("preferred_impl_style", "rtl")
                stated[node.input[1]] = getCustomOp(node).get_input_datatype(1)
        if self._packs_narrow_weights:
            _make_narrow(model)
        model = choose_elementwise_kernels(choose_matrix_kernels(model, self._board, stated))
        return self.run(("step_specialize_layers",), model)

    def fold(self, model: ModelWrapper, folding: Path) -> ModelWrapper:
        """Sets PE and SIMD from a FINN folding JSON, then minimises bit widths."""
        require_folding(model, folding)
        self.config.folding_config_file = folding
        return self.run(FOLD, model)

    def generate(self, model: ModelWrapper, fifo_depth: int) -> ModelWrapper:
        """Writes FINN's estimate reports, inserts width converters and FIFOs, writes the RTL."""
        if self._packs_narrow_weights:
            _make_narrow(model)  # minimising bit widths has undone it
        model = self.run(REPORT, model)
        for node in model.graph.node:
            op = getCustomOp(node)
            op.set_nodeattr("inFIFODepths", [fifo_depth] * len(op.get_nodeattr("inFIFODepths")))
            op.set_nodeattr("outFIFODepths", [fifo_depth] * len(op.get_nodeattr("outFIFODepths")))
        model = self.run(("step_set_fifo_depths",), model)
        for node in model.graph.node:
            getCustomOp(node).set_nodeattr("exec_mode", "cppsim")
        return model

    def resize(self, model: ModelWrapper, depths: dict[str, int]) -> None:
        """Writes the FIFOs named in `depths` again, with these depths in beats."""
        for node in model.graph.node:
            if node.name in depths:
                op = getCustomOp(node)
                op.set_nodeattr("depth", depths[node.name])
                op.generate_hdl(model, self._board.part, self.config.synth_clk_period_ns)

    def _one(self, name: str, model: ModelWrapper) -> ModelWrapper:
        step = getattr(self._steps, name)
        return self._guard(name, lambda model: step(model, self.config), model)

    def _guard(
        self, name: str, step: Callable[[ModelWrapper], ModelWrapper], model: ModelWrapper
    ) -> ModelWrapper:
        """The step's result; whatever FINN raises in it becomes one sentence."""
        print(f"=== {name} ===", flush=True)
        try:
            return step(model)
        except LeptonError:
            raise
        except Exception as error:
            import traceback

            traceback.print_exc()
            raise StageError(
                f"FINN's {name} failed{_at_node(model, error)}: {_first_line(error)}",
                "a graph that FINN can compile",
                f"read {self._log}, which holds FINN's own messages, and change that layer",
            ) from error


def _make_narrow(model: ModelWrapper) -> None:
    """Gives weights that use the lowest value of their type a type one bit wider.

    FINN's DSP48E1 kernel packs two products into one multiplier, which needs weights above their
    type's minimum; a wider type around the same integers always satisfies that. BIPOLAR and
    TERNARY become INT2 in the same way.
    """
    from qonnx.core.datatype import DataType

    for node in model.graph.node:
        if not node.op_type.startswith("MVAU"):
            continue
        op = getCustomOp(node)
        if op.get_nodeattr("resType") == "lut":
            continue
        kind = op.get_input_datatype(1)
        weights = model.get_initializer(node.input[1])
        if weights is None or not kind.signed() or weights.min() > kind.min():
            continue
        wider = f"INT{2 if kind.name in ('BIPOLAR', 'TERNARY') else kind.bitwidth() + 1}"
        op.set_nodeattr("weightDataType", wider)
        model.set_tensor_datatype(node.input[1], DataType[wider])


def _at_node(model: ModelWrapper, error: Exception) -> str:
    """The node that FINN's message names, if it names one."""
    text = str(error)
    named = [n for n in model.graph.node if n.name and n.name in text]
    longest = max(named, key=lambda n: len(n.name), default=None)
    return f" at {longest.name} ({longest.op_type})" if longest is not None else ""


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300].rstrip(".")
