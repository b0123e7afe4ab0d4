"""The compile stage: from the exported QONNX to FINN's kernels as plain values and RTL files."""

import json
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from lepton_hw.artifacts import Artifact, file_digest
from lepton_hw.board import Board
from lepton_hw.compiler.graph import Graph, Kernel, fixed_weights
from lepton_hw.contract import InputContract
from lepton_hw.design import Edge
from lepton_hw.errors import InputError, StageError
from lepton_hw.flow import Flow
from lepton_hw.progress import Progress
from lepton_hw.stages.export import Exported

#: Relative difference allowed between the output scale that PyTorch exported and FINN's own.
SCALE_TOLERANCE = 1e-5
LARGEST_FOLDING = 1 << 24  # bytes
PLUMBING = ("StreamingFIFO", "StreamingDataWidthConverter")


class Layer(BaseModel):
    """One compute layer of the design: shape and types of its output, folding, estimates."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    op: str
    shape: tuple[int, ...]
    input_type: str
    output_type: str
    folding: dict[str, int | str]
    parameters: int
    cycles: int
    lut: int
    bram18: int
    uram: int
    dsp: int


class Compiled(Artifact):
    """`contract` with the output as the hardware gives it; totals of the estimates.

    `cycles` is FINN's estimate for the slowest layer, `bottleneck` its name, `latency_cycles`
    FINN's estimate of the longest path, `latency_model` ours of one frame. `interval` is the
    distance of frames in cycles that the design reaches with FIFOs of any depth, by simulation;
    `interval_reached` with those it has, None where there was no time to run it. `fifo_bits` is
    depth × stream width over all FIFOs,
    `fifo_bits_finn` the same with the depths of FINN's own sizing. `fifo_limited` are the FIFOs
    that compile.fifo_max_depth keeps too short for full speed; `fifo_timed_out` says that
    compile.fifo_time_limit ended the search for shallower ones. With compile.runtime_weights,
    `writable_weights` are the layers whose weights software may rewrite (those of the network are
    in ``weights.npz``), and `fixed_weights` the matrix layers for which it may not.
    """

    stage: ClassVar[str] = "compile"
    contract: InputContract
    layers: tuple[Layer, ...]
    bottleneck: str
    cycles: int
    latency_cycles: int
    latency_model: int = 0
    interval: float
    interval_reached: float | None = None
    lut: int
    bram36: int
    uram: int
    dsp: int
    fifo_bits: int
    fifo_bits_finn: int | None = None
    fifo_limited: tuple[str, ...] = ()
    fifo_timed_out: bool = False
    writable_weights: tuple[str, ...] = ()
    fixed_weights: tuple[str, ...] = ()


def run(
    flow: Flow, board: Board, exported: Exported, workdir: Path, progress: Progress
) -> Compiled:
    """Compiles ``model.onnx`` for the board; see `lepton_hw.compiler.compile` for the errors."""
    from lepton_hw.compiler.compile import compile_model, slowest
    from lepton_hw.compiler.fifo_sizing import Limits

    result = compile_model(
        exported.path("model.onnx"),
        board,
        workdir,
        flow.compile.target_fps,
        _folding_file(flow),
        progress,
        Limits(flow.compile.fifo_max_depth, flow.compile.fifo_time_limit),
        target_latency_us=flow.compile.target_latency_us,
        quick=flow.compile.objective == "latency",
        runtime_weights=flow.compile.runtime_weights,
        bits_per_stage=flow.compile.bits_per_stage,
    )
    sizing, finn = result.sizing, result.sizing.finn
    slow, fixed = slowest(result.graph), fixed_weights(result.graph)
    if fixed:
        progress.say(f"weights that cannot be rewritten: {', '.join(fixed)}")
    output = _door(result.graph, result.graph.outputs[0])
    contract = _contract(exported.contract, output, result.tail.scale, result.tail.bias)
    steps = (*result.tail.steps, *contract.host_after)
    return Compiled(
        contract=contract.model_copy(update={"host_after": tuple(dict.fromkeys(steps))}),
        layers=layers(result.graph),
        bottleneck=slow.name,
        cycles=slow.cycles,
        latency_cycles=_latency(workdir),
        latency_model=result.latency,
        interval=sizing.interval,
        interval_reached=sizing.reached,
        lut=result.use.lut,
        bram36=result.use.bram36,
        uram=result.use.uram,
        dsp=result.use.dsp,
        fifo_bits=_fifo_bits(result.graph, sizing.depths),
        fifo_bits_finn=None if finn is None else _fifo_bits(result.graph, finn),
        fifo_limited=sizing.limited,
        fifo_timed_out=sizing.timed_out,
        writable_weights=tuple(k.name for k in result.graph.kernels if k.memory is not None),
        fixed_weights=fixed,
    )


def folding_digest(flow: Flow) -> dict[str, str]:
    """Digest of the folding file's content, for the stage's key."""
    path = _folding_file(flow)
    return {"folding_file": file_digest(path)} if path is not None else {}


def layers(graph: Graph) -> tuple[Layer, ...]:
    """The compute layers in order, without FIFOs and width converters."""
    return tuple(_layer(graph, k) for k in graph.kernels if not k.op.startswith(PLUMBING))


def _layer(graph: Graph, kernel: Kernel) -> Layer:
    output = _door(graph, kernel.outputs[0].tensor)
    folding = {k: v for k, v in kernel.attributes.items() if k in ("PE", "SIMD")}
    return Layer(
        name=kernel.name,
        op=kernel.op.removesuffix("_rtl"),
        shape=output.shape,
        input_type=_door(graph, kernel.inputs[0].tensor).dtype,
        output_type=output.dtype,
        folding=folding,
        parameters=kernel.parameters,
        cycles=kernel.cycles,
        lut=kernel.lut,
        bram18=kernel.bram18,
        uram=kernel.uram,
        dsp=kernel.dsp,
    )


def _door(graph: Graph, tensor: str) -> Edge:
    return next(edge for edge in graph.edges if edge.tensor == tensor)


def _fifo_bits(graph: Graph, depths: dict[str, int]) -> int:
    fifos = [kernel for kernel in graph.kernels if kernel.name in depths]
    return sum(depths[k.name] * _door(graph, k.outputs[0].tensor).width for k in fifos)


def _folding_file(flow: Flow) -> Path | None:
    if flow.compile.folding is None:
        return None
    path = Path(flow.compile.folding)
    try:
        # A device or a pipe has no end, or waits for ever.
        why = "" if path.is_file() or not path.exists() else "it is no plain file"
        if not why and path.stat().st_size > LARGEST_FOLDING:
            why = f"it is larger than {LARGEST_FOLDING:,} bytes"
        if not why:
            json.loads(path.read_text())
    except (OSError, ValueError) as error:
        why = str(error)
    except RecursionError:
        why = "it is nested too deeply"
    if why:
        raise InputError(
            f"the folding file {path} cannot be read ({why})",
            "a FINN folding configuration in JSON",
            "correct compile.folding in the flow",
        ) from None
    return path.resolve()


def _contract(
    known: InputContract, output: Edge, scale: tuple[float, ...], bias: tuple[float, ...]
) -> InputContract:
    """The exported contract with the output port as FINN's graph defines it."""
    expected = known.output.scale
    if expected and len(expected) == len(scale):
        worst = max(abs(ours / theirs - 1) for ours, theirs in zip(scale, expected, strict=True))
        if worst > SCALE_TOLERANCE:
            raise StageError(
                f"FINN gives the output scale {scale[0]:.9g}",
                f"{expected[0]:.9g}, as exported",
                "report this network, its output codes would be misread",
            )
    port = known.output.model_copy(
        update={
            "dtype": output.dtype,
            "shape": output.shape[1:],
            "scale": scale,
            "bias": bias,
        }
    )
    return known.model_copy(update={"output": port})


def _latency(workdir: Path) -> int:
    report = json.loads((workdir / "reports/estimate_network_performance.json").read_text())
    return int(report["critical_path_cycles"])
