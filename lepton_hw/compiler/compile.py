"""From a QONNX file to generated RTL and a plain graph: the compiler's one entry point."""

import copy
import functools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.artifacts import write_atomically
from lepton_hw.board import Board
from lepton_hw.compiler import supported
from lepton_hw.compiler.collect import collect, resources
from lepton_hw.compiler.fifo_sizing import NO_LIMITS, Limits, Sizing, size_fifos
from lepton_hw.compiler.fit import Use, require_fit, total
from lepton_hw.compiler.folding import Folding, Goal, search, write_folding
from lepton_hw.compiler.folding_latency import modelled_latency
from lepton_hw.compiler.folding_published import own_folding
from lepton_hw.compiler.graph import FILE, Graph, Kernel
from lepton_hw.compiler.host_tail import HostTail
from lepton_hw.compiler.signs import bare_signs
from lepton_hw.compiler.steps import FinnSteps
from lepton_hw.compiler.weights import make_writable, require_writable, save_weights
from lepton_hw.compiler.world import finn_world
from lepton_hw.progress import SILENT, Progress
from lepton_hw.rtl import stages

MODEL = "finn.onnx"
LOG = "finn.log"
FOLDING = "folding.json"
ANY_DEPTH = 2  # of every FIFO, until sizing knows better


@dataclass(frozen=True)
class Result:
    """The graph (also in ``graph.json``), what the host does after it, and the estimate.

    `sizing` says what was measured to choose the FIFOs' depths. `latency`: cycles of one frame
    by `folding_latency`.
    """

    graph: Graph
    tail: HostTail
    use: Use
    sizing: Sizing
    latency: int


def compile_model(  # noqa: PLR0913 – one argument for each key of the flow
    model_file: Path,
    board: Board,
    workdir: Path,
    target_fps: int | None = None,
    folding: Path | None = None,
    progress: Progress = SILENT,
    limits: Limits = NO_LIMITS,
    *,
    target_latency_us: float | None = None,
    quick: bool = False,
    runtime_weights: bool = False,
    bits_per_stage: int | None = None,
) -> Result:
    """Compiles into `workdir`: ``graph.json``, ``rtl/``, ``reports/``, ``finn.onnx``, ``finn.log``.

    Folds for `target_fps` and `target_latency_us` with the fewest resources, as the FINN folding
    JSON `folding` says, or, with neither, for the highest rate that fits the board; with `quick`
    for the least latency that fits, at `target_fps` or more. With `runtime_weights`, software may
    rewrite the weights of matrix layers; ``weights.npz`` holds those of the network.
    `bits_per_stage`: see `rtl.stages`; None leaves it as it is.
    Raises `StageError` naming the layer where FINN cannot map it, where it has no RTL, or where
    the design does not fit the board.
    """
    scratch = workdir / "finn-scratch"
    log = workdir.parent / LOG  # outlives the folder of a stage that fails
    log.unlink(missing_ok=True)
    with finn_world(scratch, log):
        steps = FinnSteps(board, workdir, log)
        model, tail = steps.front(ModelWrapper(str(model_file)))
        specialized = specialize(steps, model, runtime_weights=runtime_weights)
        fastest = None  # that fits the board, where it is known
        if folding is None:
            goal = _goal(board, target_fps, target_latency_us, quick=quick)
            found = search(specialized, board, goal)
            fastest = found if goal == Goal() else None
            folding = write_folding(found, workdir / FOLDING)
        else:
            folding = own_folding(specialized, board, folding, workdir / FOLDING, progress.say)
        model = steps.fold(copy.deepcopy(specialized), folding)
        supported.require_static_weights(model)
        latency = modelled_latency(model)
        if runtime_weights:
            require_writable(model)
        # Before code generation, which takes longest and cannot use a design that is too large.
        _require_fit(_estimate(model, board), board, specialized, fastest)
        model = steps.generate(model, ANY_DEPTH)
        supported.require_rtl(model)
        gather = functools.partial(
            _gather, part=board.finn_part, writable=runtime_weights, bits_per_stage=bits_per_stage
        )
        sizing = _sized(steps, model, gather, scratch, limits, progress)
        graph = gather(model, folder=workdir)
        if runtime_weights:
            save_weights(model, workdir)
        use = total(graph.kernels)
        _require_fit(use, board, specialized, fastest)
        model.save(str(workdir / MODEL))
    write_atomically(workdir / FILE, graph.model_dump_json(indent=2) + "\n")
    _tidy(workdir, scratch)
    shutil.move(log, workdir / LOG)
    return Result(graph, tail, use, sizing, latency)


def _gather(
    model: ModelWrapper, folder: Path, part: str, writable: bool, bits_per_stage: int | None
) -> Graph:
    graph = collect(model, part, folder, runtime_weights=writable)
    package = folder / "rtl" / "lepton_hw" / stages.FILE
    if bits_per_stage is not None and package.is_file():
        stages.set_bits_per_stage(package, bits_per_stage)
    return graph


def _sized(
    steps: FinnSteps,
    model: ModelWrapper,
    gather: Callable[..., Graph],
    scratch: Path,
    limits: Limits,
    progress: Progress,
) -> Sizing:
    """Finds the FIFOs' depths in a scratch folder, then sets them in the model."""

    def regenerate(depths: dict[str, int], folder: Path) -> Graph:
        steps.resize(model, depths)
        return gather(model, folder=folder)

    first = scratch / "first"
    graph = gather(model, folder=first)
    sizing = size_fifos(graph, first, scratch / "fifos", regenerate, limits, progress)
    steps.resize(model, sizing.depths)
    return sizing


def specialize(
    steps: FinnSteps, model: ModelWrapper, *, runtime_weights: bool = False
) -> ModelWrapper:
    """From a streamlined graph to FINN's hardware layers, each with its kernel, not yet folded."""
    print(f"signs in front of other than bipolar weights: {bare_signs(model)}", flush=True)
    supported.require_padding_inside(model)
    supported.require_zeros(model)
    model = steps.run(("step_convert_to_hw",), model)
    supported.require_mapped(model)
    if runtime_weights:
        make_writable(model)
    model = steps.run(("step_create_dataflow_partition", "step_minimize_bit_width_initial"), model)
    model = steps.specialize(model)
    supported.require_rtl(model)
    return model


def _estimate(model: ModelWrapper, board: Board) -> Use:
    """Before there is any code."""
    return total(resources(getCustomOp(node), board.finn_part) for node in model.graph.node)


def _goal(board: Board, fps: int | None, latency_us: float | None, *, quick: bool) -> Goal:
    return Goal(
        cycles=None if fps is None else int(board.clock * 1e6 / fps),
        latency=None if latency_us is None else int(board.clock * latency_us),
        quick=quick,
    )


def _require_fit(
    use: Use, board: Board, specialized: ModelWrapper, fastest: Folding | None
) -> None:
    def fitting_fps() -> int | None:
        found = fastest or search(specialized, board, Goal())
        return int(board.clock * 1e6 / found.cycles) if found.fits else None

    require_fit(use, board, fitting_fps)


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
