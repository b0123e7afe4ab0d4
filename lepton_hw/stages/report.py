"""The report stage: all artifacts of a build as one HTML file. Measures and decides nothing."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from lepton_hw import __version__
from lepton_hw.artifacts import Artifact, write_atomically
from lepton_hw.board import Board
from lepton_hw.compiler.graph import read_graph
from lepton_hw.design import Design, read_design
from lepton_hw.flow import Flow
from lepton_hw.measure.anchors import matching
from lepton_hw.progress import SILENT, Progress
from lepton_hw.reporting.facts import (
    Built,
    Counters,
    Facts,
    FifoFacts,
    LayerFacts,
    Training,
    Use,
    layer_edges,
    read_counters,
    work_cycles,
)
from lepton_hw.stages.bench import Measured
from lepton_hw.stages.bitstream import Bitstream
from lepton_hw.stages.certify import Certified
from lepton_hw.stages.compile import Compiled, Layer
from lepton_hw.stages.export import Exported
from lepton_hw.stages.simulate import Simulated
from lepton_hw.stages.stitch import Stitched
from lepton_hw.stages.train import Trained

FILE = "report.html"
COUNTERS = "streams.json"


class Reported(Artifact):
    """``report.html``, one file that needs no network; `bytes` is its size."""

    stage: ClassVar[str] = "report"
    bytes: int


def run(  # noqa: PLR0913 – everything that the pipeline made, in its order
    flow: Flow,
    board: Board,
    trained: Trained | None,
    exported: Exported,
    compiled: Compiled,
    stitched: Stitched,
    simulated: Simulated,
    certified: Certified,
    workdir: Path,
    progress: Progress = SILENT,
    built: Bitstream | None = None,
    measured: Measured | None = None,
) -> Reported:
    """Writes ``report.html``; `trained` is None where the model came from elsewhere.

    With a bitstream, `built`, the figures are at its clock; `measured` adds the comparison.

    Raises `StageError` where the simulation's counters do not belong to the compiled graph.
    """
    from lepton_hw.reporting.page import render

    with progress.task("report", 1) as task:
        facts = gather(flow, board, trained, compiled, stitched, simulated, certified)
        if built is not None:
            facts = replace(facts, built=_built(built, board))
        if measured is not None:
            facts = replace(facts, comparison=measured.comparison)
        page = render(facts)
        write_atomically(workdir / FILE, page)
        task.advance()
    return Reported(bytes=len(page.encode()))


def gather(
    flow: Flow,
    board: Board,
    trained: Trained | None,
    compiled: Compiled,
    stitched: Stitched,
    simulated: Simulated,
    certified: Certified,
) -> Facts:
    """The artifacts' figures as the one value that the page is made of."""
    counters = read_counters(simulated.path(COUNTERS))
    graph = read_graph(compiled.folder)
    return Facts(
        flow=flow,
        board=board,
        training=_training(trained),
        contract=compiled.contract,
        certificate=certified.certificate,
        layers=tuple(_layer(layer, counters) for layer in compiled.layers),
        edges=layer_edges(graph, [layer.name for layer in compiled.layers]),
        uses=_uses(compiled, board),
        fifos=_fifos(read_design(stitched.folder), counters),
        images=simulated.images,
        cycles_rtl=simulated.cycles_per_frame,
        latency_rtl=simulated.latency_cycles,
        best_rtl=compiled.interval,
        cycles=compiled.cycles,
        latency_estimate=compiled.latency_cycles,
        bottleneck_estimate=compiled.bottleneck,
        fifo_bits=compiled.fifo_bits,
        fifo_bits_finn=compiled.fifo_bits_finn,
        kernels=stitched.kernels,
        sim_rate=simulated.cycles_per_second,
        version=__version__,
        anchors=_anchors(flow),
    )


def _anchors(flow: Flow) -> tuple[tuple[str, str], ...]:
    """What others published of the same network."""
    if flow.model is None:
        return ()
    return tuple((anchor.title, anchor.text) for anchor in matching(flow.model.name))


def _training(trained: Trained | None) -> Training | None:
    if trained is None:
        return None
    return Training(trained.metrics, trained.history, trained.parameters)


def _layer(layer: Layer, counters: Counters) -> LayerFacts:
    folding = layer.folding
    return LayerFacts(
        name=layer.name,
        op=layer.op,
        shape=layer.shape,
        input_type=layer.input_type,
        output_type=layer.output_type,
        pe=int(folding["PE"]) if "PE" in folding else None,
        simd=int(folding["SIMD"]) if "SIMD" in folding else None,
        weights=layer.parameters,
        cycles_rtl=work_cycles(counters, layer.name),
        cycles=layer.cycles,
        lut=layer.lut,
        bram36=layer.bram18 / 2,
        uram=layer.uram,
        dsp=layer.dsp,
    )


def _uses(compiled: Compiled, board: Board) -> tuple[Use, ...]:
    have = board.supply
    rows = (
        Use("LUT", compiled.lut, have.lut),
        Use("BRAM36", compiled.bram36, have.bram36),
        Use("URAM", compiled.uram, have.uram),
        Use("DSP", compiled.dsp, have.dsp),
    )
    return tuple(row for row in rows if row.used or row.available)


def _built(built: Bitstream, board: Board) -> Built:
    have = board.resources.model_dump()
    return Built(
        toolchain=built.toolchain, clock=built.clock, achieved=built.achieved, seed=built.seed,
        uses=tuple(
            Use(name.upper(), used, have[name]) for name, used in built.used.items()
            if have.get(name)
        ),
        netlist=built.netlist_vectors, features=built.features, untimed=built.untimed,
        slack=built.slack, power=built.power, power_corner=built.power_corner,
        seconds=built.step_seconds, tools=built.tools,
    )  # fmt: skip


def _fifos(design: Design, counters: Counters) -> tuple[FifoFacts, ...]:
    """In the order of the design; FIFOs that the simulation does not watch are left out."""
    return tuple(
        FifoFacts(node.name, node.layer, stats.depth, stats.max_fill, stats.mean_fill)
        for node in design.nodes
        if (stats := counters.fifos.get(node.name)) is not None
    )
