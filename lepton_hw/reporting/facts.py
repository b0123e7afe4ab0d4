"""Everything that the report says, as one plain value, and the figures that follow from it.

Rates, shares and the slowest layer are computed here once; nothing here knows HTML or plots.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from lepton_hw.board import Board
from lepton_hw.certificate import Certificate
from lepton_hw.compiler.graph import Graph
from lepton_hw.contract import InputContract
from lepton_hw.errors import StageError
from lepton_hw.flow import Flow
from lepton_hw.measure.comparison import Comparison
from lepton_hw.sim.result import FifoStats, NodeStats, StreamStats
from lepton_hw.training.metrics import Metrics

Pair = tuple[str, str]


class Counters(BaseModel):
    """What the simulate stage wrote into ``streams.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    cycles: int
    frames: int
    streams: Mapping[str, StreamStats]
    fifos: Mapping[str, FifoStats]
    nodes: Mapping[str, NodeStats]


@dataclass(frozen=True)
class LayerFacts:
    """One compute layer. `cycles_rtl` is measured, per frame; `cycles` and what follows are
    estimates. `bram36` counts halves, for a BRAM of 18 kbit is half of one.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    input_type: str
    output_type: str
    pe: int | None
    simd: int | None
    weights: int
    cycles_rtl: float
    cycles: int
    lut: int
    bram36: float
    uram: int
    dsp: int


@dataclass(frozen=True)
class Use:
    """How much of a resource the design needs, and how much the part has."""

    name: str
    used: float
    available: int

    @property
    def share(self) -> float:
        """Part of the supply that is used, 1 for all of it; infinite where there is none."""
        if self.available:
            return self.used / self.available
        return float("inf") if self.used else 0.0


@dataclass(frozen=True)
class FifoFacts:
    """Occupancy of one FIFO in beats; `feeds` is the layer that it serves, empty at the door."""

    name: str
    feeds: str
    depth: int
    max_fill: int
    mean_fill: float


@dataclass(frozen=True)
class Training:
    """What the train stage measured; `history` is one row an epoch."""

    metrics: Metrics
    history: tuple[dict[str, float], ...]
    parameters: int


@dataclass(frozen=True)
class Built:
    """What place and route made: figures of a bitstream. Clocks in MHz; `seconds` by step.

    `netlist` vectors ran through the synthesised gates, all with the RTL's integers; `features`
    came back from the bitstream. `untimed` are cells whose pins the tool does not time. `slack` in
    ns and `power` in watts are the vendor's. Zero or empty where the toolchain knows none.
    """

    toolchain: str
    clock: float
    achieved: float
    seed: int
    uses: tuple[Use, ...]
    netlist: int
    features: int
    untimed: Mapping[str, int]
    slack: Mapping[str, float]
    power: Mapping[str, float]
    power_corner: str
    seconds: Mapping[str, float]
    tools: Mapping[str, str]


@dataclass(frozen=True)
class Facts:
    """All of it. Cycle counts are in cycles of the board's clock, `sim_rate` in cycles/s of the
    simulation; `cycles` and `latency_estimate` are FINN's estimates for the slowest layer and
    the longest path, `cycles_rtl` and `latency_rtl` the measured ones, `best_rtl` what deeper FIFOs
    would reach; `fifo_bits_finn` is what FINN's own sizing would take, None where not measured.
    With a bitstream, `built`, its clock is the one of all figures, and its resources count.
    `comparison` is the last one of this design with CPUs and GPUs, `anchors` are published figures
    of the same network, (what, text) each.
    """

    flow: Flow
    board: Board
    training: Training | None
    contract: InputContract
    certificate: Certificate
    layers: tuple[LayerFacts, ...]
    edges: tuple[Pair, ...]
    uses: tuple[Use, ...]
    fifos: tuple[FifoFacts, ...]
    images: int
    cycles_rtl: int
    latency_rtl: int
    best_rtl: float
    cycles: int
    latency_estimate: int
    bottleneck_estimate: str
    fifo_bits: int
    kernels: int
    sim_rate: float
    version: str
    fifo_bits_finn: int | None = None
    built: Built | None = None
    comparison: Comparison | None = None
    anchors: tuple[Pair, ...] = ()

    @property
    def clock(self) -> float:
        """MHz: the bitstream's, or the board's where none was built."""
        return self.built.clock if self.built else self.board.clock

    @property
    def title(self) -> str:
        """What a person calls the flow."""
        return self.flow.title or self.flow.name

    @property
    def fps(self) -> float:
        """Frames per second at this clock, with the cycles measured in RTL."""
        return self.clock * 1e6 / max(self.cycles_rtl, 1)

    @property
    def latency_us(self) -> float:
        """Microseconds from the first input beat of a frame to its last output beat, in RTL."""
        return self.latency_rtl / self.clock

    @property
    def as_slow(self) -> tuple[LayerFacts, ...]:
        """The layers that work longest per frame in RTL, a difference below 0.5 % being none."""
        most = max(layer.cycles_rtl for layer in self.layers)
        return tuple(layer for layer in self.layers if layer.cycles_rtl >= 0.995 * most)

    @property
    def slowest(self) -> LayerFacts:
        """One of `as_slow`: what FINN takes for the slowest, else the first."""
        return max(self.as_slow, key=lambda layer: layer.name == self.bottleneck_estimate)

    @property
    def over_estimate(self) -> float:
        """By which part the RTL's cycles per frame exceed FINN's estimate of the slowest layer."""
        return self.cycles_rtl / max(self.cycles, 1) - 1

    @property
    def fullest(self) -> Use:
        """The resource of which the largest share is used."""
        return max(self.built.uses if self.built else self.uses, key=lambda use: use.share)

    @property
    def fits(self) -> bool:
        """Whether no resource is over its limit: as placed, or by estimate."""
        return self.fullest.share <= 1

    @property
    def identical(self) -> tuple[int, int]:
        """(frames on which all executors agree at least, frames compared by all)."""
        rows = self.certificate.executors.values()
        vectors = min((row.vectors for row in rows), default=0)
        return vectors - max((row.mismatches for row in rows), default=0), vectors


def read_counters(path: Path) -> Counters:
    """Reads ``streams.json``; raises `StageError` where it is not what `Counters` says."""
    try:
        return Counters.model_validate_json(path.read_text())
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise StageError(
            f"{path.name} of the simulate stage cannot be used ({str(error).splitlines()[0]})",
            "the counters of every stream, FIFO and node",
            "run 'lepton simulate' again",
        ) from None


def work_cycles(counters: Counters, layer: str) -> float:
    """Cycles per frame in which a layer was at work, waiting for its neighbours left out.

    The smaller of two counts, as each takes some waiting for work: `busy` counts a layer that
    waits inside without showing it at its streams, `moving` one whose inputs trickle in.
    Raises `StageError` where the simulation did not see the layer.
    """
    stats = counters.nodes.get(layer)
    if stats is None:
        raise StageError(
            f"the simulation has no counters of layer {layer}",
            "every layer of the compiled graph",
            "run 'lepton stitch' and 'lepton simulate' again",
        )
    return min(stats.busy, stats.moving) / max(counters.frames, 1)


def layer_edges(graph: Graph, layers: Sequence[str]) -> tuple[Pair, ...]:
    """(producer, consumer) of every stream between layers, FIFOs and width converters skipped.

    The empty name stands for the door. A pair occurs as often as there are streams.
    """
    known = set(layers)
    consumer = {edge.tensor: edge.consumer for edge in graph.edges}
    outputs = {kernel.name: [pin.tensor for pin in kernel.outputs] for kernel in graph.kernels}

    def ends(tensor: str) -> list[str]:
        name = consumer[tensor]
        if not name or name in known:
            return [name]
        return [end for inner in outputs[name] for end in ends(inner)]

    starts = [("", tensor) for tensor in graph.inputs]
    starts += [(k.name, pin.tensor) for k in graph.kernels if k.name in known for pin in k.outputs]
    return tuple((name, end) for name, tensor in starts for end in ends(tensor))
