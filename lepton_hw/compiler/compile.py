"""From a QONNX file to generated RTL and a plain graph: the compiler's one entry point."""

import copy
import shutil
from dataclasses import dataclass
from pathlib import Path

from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.artifacts import write_atomically
from lepton_hw.board import Board
from lepton_hw.compiler import supported
from lepton_hw.compiler.collect import collect
from lepton_hw.compiler.fifo_sizing import DEEP, Sizing, size_fifos
from lepton_hw.compiler.fit import Use, overflow, require_fit, total
from lepton_hw.compiler.graph import FILE, Graph, Kernel
from lepton_hw.compiler.host_tail import HostTail
from lepton_hw.compiler.steps import FinnSteps
from lepton_hw.compiler.world import finn_world
from lepton_hw.progress import SILENT, Progress

MODEL = "finn.onnx"
LOG = "finn.log"


@dataclass(frozen=True)
class Result:
    """The graph (also in ``graph.json``), what the host does after it, and the estimate.

    `interval` is the best possible distance of frames, in cycles, measured with deep FIFOs.
    """

    graph: Graph
    tail: HostTail
    use: Use
    interval: float


def compile_model(
    model_file: Path,
    board: Board,
    workdir: Path,
    target_fps: int | None,
    folding: Path | None,
    progress: Progress = SILENT,
) -> Result:
    """Compiles into `workdir`: ``graph.json``, ``rtl/``, ``reports/``, ``finn.onnx``, ``finn.log``.

    Raises `StageError` naming the layer where FINN cannot map it, where it has no RTL, or where
    the design does not fit the board.
    """
    scratch = workdir / "finn-scratch"
    log = workdir / LOG
    with finn_world(scratch, log):
        steps = FinnSteps(board, workdir, log, target_fps, folding)
        model, tail = steps.front(ModelWrapper(str(model_file)))
        specialized = _specialized(steps, model)
        model = steps.fold(copy.deepcopy(specialized))
        supported.require_static_weights(model)
        # Before code generation, which takes longest and cannot use a design that is too large.
        _require_fit(_estimate(model, board), board, target_fps, steps, specialized)
        model = steps.generate(model, DEEP)
        supported.require_rtl(model)
        sizing = _sized(steps, model, board, scratch, progress)
        graph = collect(model, board.part, workdir)
        use = total(graph.kernels)
        _require_fit(use, board, target_fps, steps, specialized)
        model.save(str(workdir / MODEL))
    write_atomically(workdir / FILE, graph.model_dump_json(indent=2) + "\n")
    _tidy(workdir, scratch)
    return Result(graph, tail, use, sizing.interval)


def _sized(
    steps: FinnSteps, model: ModelWrapper, board: Board, scratch: Path, progress: Progress
) -> Sizing:
    """Measures with deep FIFOs in a scratch folder, then sets the depths in the model."""
    deep = scratch / "deep"
    graph = collect(model, board.part, deep)
    sizing = size_fifos(graph, deep, scratch / "deep-design", progress)
    steps.resize(model, sizing.depths)
    return sizing


def _specialized(steps: FinnSteps, model: ModelWrapper) -> ModelWrapper:
    model = steps.run(("step_convert_to_hw",), model)
    supported.require_mapped(model)
    model = steps.run(("step_create_dataflow_partition", "step_minimize_bit_width_initial"), model)
    model = steps.specialize(model)
    supported.require_rtl(model)
    return model


def _estimate(model: ModelWrapper, board: Board) -> Use:
    from qonnx.custom_op.registry import getCustomOp

    rows = [getCustomOp(node).node_res_estimation(board.part) for node in model.graph.node]
    return Use(
        lut=round(sum(row["LUT"] for row in rows)),
        bram36=-(-round(sum(row["BRAM_18K"] for row in rows)) // 2),
        uram=round(sum(row["URAM"] for row in rows)),
        dsp=round(sum(row["DSP"] for row in rows)),
    )


def _require_fit(
    use: Use, board: Board, target_fps: int | None, steps: FinnSteps, specialized: ModelWrapper
) -> None:
    if overflow(use, board) is None:
        return

    def use_at(fps: int) -> Use:
        steps.config.target_fps = fps
        steps.config.folding_config_file = None
        return _estimate(steps.fold(copy.deepcopy(specialized)), board)

    require_fit(use, board, target_fps, use_at)


def _tidy(workdir: Path, scratch: Path) -> None:
    """Keeps FINN's reports, drops its intermediate models and scratch folders."""
    if (workdir / "report").is_dir():
        (workdir / "report").rename(workdir / "reports")
    for name in ("intermediate_models", "template_specialize_layers_config.json"):
        path = workdir / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    shutil.rmtree(scratch, ignore_errors=True)


def slowest(graph: Graph) -> Kernel:
    """The kernel with the most cycles per frame by FINN's estimate: the bottleneck."""
    return max(graph.kernels, key=lambda kernel: kernel.cycles)
