"""A network's latency in cycles by model: one frame from its first word in to its last word out.

Composes the layers' timings along the graph; where branches meet, the later one counts. It builds
nothing and simulates nothing, and knows no FINN operator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.folding_timing import Port
from lepton_hw.compiler.folding_timing_of import Layer, layers_of, streams_into
from lepton_hw.compiler.folding_waves import FIFO, Wave, offered, through


@dataclass(frozen=True)
class Source:
    """What an input of a layer reads: an output of an earlier layer, or the network's door."""

    node: str = ""
    output: int = 0


@dataclass(frozen=True)
class Wiring:
    """Layers in topological order, each with the sources of its streams, and the last layers."""

    sources: Mapping[str, tuple[Source, ...]]
    ends: tuple[str, ...]
    readers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def wiring_of(model: ModelWrapper) -> Wiring:
    """The streams of a graph of FINN layers."""
    makers = {
        tensor: Source(node.name, index)
        for node in model.graph.node
        for index, tensor in enumerate(node.output)
    }
    sources = {
        node.name: tuple(makers.get(node.input[i], Source()) for i in streams_into(model, node))
        for node in model.graph.node
    }
    outputs = {tensor.name for tensor in model.graph.output}
    ends = [node.name for node in model.graph.node if outputs & set(node.output)]
    readers: dict[str, list[str]] = {name: [] for name in sources}
    for name, each in sources.items():
        for source in each:
            if source.node:
                readers[source.node].append(name)
    return Wiring(sources, tuple(ends), {name: tuple(each) for name, each in readers.items()})


def waves(
    wiring: Wiring, layers: Mapping[str, Layer], known: Mapping[str, Wave] | None = None
) -> dict[str, Wave]:
    """What leaves each layer. `known` layers are taken as they are: those that a change elsewhere
    does not reach.
    """
    found = dict(known or {})
    for name, sources in wiring.sources.items():
        if name in found:
            continue
        layer = layers[name]
        inputs = [
            _arriving(layers, found, source, port)
            for source, port in zip(sources, layer.inputs, strict=True)
        ]
        found[name] = layer.timing.send(inputs)
    return found


def _arriving(
    layers: Mapping[str, Layer], found: Mapping[str, Wave], source: Source, port: Port
) -> Wave:
    if not source.node:
        return through(offered(port.vectors, port.beats), port.vectors, port.beats, True)
    width = layers[source.node].outputs[source.output].width
    return through(found[source.node], port.vectors, port.beats, width == port.width)


def latency(wiring: Wiring, found: Mapping[str, Wave]) -> int:
    """Cycles from the first word in to the last word out, both counted, given all waves."""
    return round(max(float(found[name].last[-1]) for name in wiring.ends)) + FIFO + 1


def behind(wiring: Wiring, names: Sequence[str]) -> set[str]:
    """These layers and all that what leaves them reaches."""
    reached, left = set(names), list(names)
    while left:
        for reader in wiring.readers[left.pop()]:
            if reader not in reached:
                reached.add(reader)
                left.append(reader)
    return reached


def modelled_latency(model: ModelWrapper) -> int:
    """Cycles of one frame through the graph as it is folded now, FIFOs never full."""
    wiring = wiring_of(model)
    return latency(wiring, waves(wiring, layers_of(model)))
