"""The integer program of least latency: one option a layer, within a budget and a rate.

Latency in it is linear: each layer's bounds on three points of its wave (`folding_waves.Bound`),
chained along the graph. `Offsets` move the bounds to where the model of waves says that they are.
It knows nothing of FINN.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lepton_hw.compiler.folding_latency import Source, Wiring, latency, waves
from lepton_hw.compiler.folding_options import Option
from lepton_hw.compiler.folding_program import Columns, Problem
from lepton_hw.compiler.folding_timing import Port
from lepton_hw.compiler.folding_timing_of import Layer
from lepton_hw.compiler.folding_waves import (
    CONVERTER,
    END,
    FIFO,
    HEAD,
    START,
    Bound,
    Wave,
    evenly,
    parts,
    weight,
)

#: Bounds by layer and point, so many cycles up.
Offsets = Mapping[tuple[str, int], float]
#: Nodes of the search tree: a limit that, other than one of time, every machine reaches alike.
NODES = 4000
GAP = 5e-3
POINTS = (START, HEAD, END)


@dataclass(frozen=True)
class Timed:
    """A problem whose layers have timings, and how their streams run."""

    problem: Problem
    wiring: Wiring

    def owners(self) -> dict[str, int]:
        """Group of each layer."""
        return {
            name: number
            for number, options in enumerate(self.problem.groups)
            for name in options[0].layers
        }


def layers_in(chosen: list[Option]) -> dict[str, Layer]:
    """All layers of a choice by name."""
    return {name: layer for option in chosen for name, layer in option.layers.items()}


def solve(
    timed: Timed, offsets: Offsets, limit: float | None = None, price: float = 0.0
) -> list[Option] | None:
    """The choice of least latency within the budget; None if none fits.

    Args:
        timed: options, which all are fast enough, edges and supply.
        offsets: corrections of the bounds.
        limit: cycles; the cheapest choice of at most this latency is taken instead.
        price: cycles that the whole board is worth, where there is no limit.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array, hstack

    columns = Columns(timed.problem.groups, timed.problem.edges)
    rows = _Rows(timed, columns, offsets)
    if limit is not None:
        rows.at_least(-limit, {rows.total: -1.0})
    places, variables, factors = zip(*rows.cells, strict=True)
    shape = (len(rows.least), rows.count)
    more = rows.count - columns.rows.shape[1]
    worth = np.asarray(timed.problem.prices) * (1.0 if limit is not None else price)
    goal = np.concatenate((columns.use @ worth, np.zeros(more)))
    goal[rows.total] = 0.0 if limit is not None else 1.0
    wide = hstack([columns.rows, coo_array((columns.rows.shape[0], more))])
    free = np.concatenate((np.ones(columns.rows.shape[1]), np.full(more, np.inf)))
    answer = milp(
        goal,
        constraints=[
            LinearConstraint(wide.tocsr(), columns.sums, columns.sums),
            LinearConstraint(
                np.hstack([columns.use.T, np.zeros((4, more))]), -np.inf, timed.problem.supply
            ),
            LinearConstraint(coo_array((factors, (places, variables)), shape).tocsr(), rows.least),
        ],
        integrality=np.concatenate((columns.integral, np.zeros(more))),
        bounds=Bounds(np.concatenate((np.zeros(len(goal) - more), np.full(more, -1e7))), free),
        options={"mip_rel_gap": GAP, "node_limit": NODES},
    )
    return None if answer.x is None else columns.chosen(answer.x)


class _Rows:
    """Rows of the form sum(factor × variable) >= least, over the columns and the points of waves:
    of what leaves each layer, and of what comes in at each of its streams.
    """

    def __init__(self, timed: Timed, columns: Columns, offsets: Offsets) -> None:
        self.cells: list[tuple[int, int, float]] = []
        self.least: list[float] = []
        self.count: int = columns.rows.shape[1]
        self._timed, self._columns, self._offsets = timed, columns, offsets
        self._owner = timed.owners()
        self._leaving: dict[str, int] = {}
        self.total = self._new()
        for name, sources in timed.wiring.sources.items():
            arriving = [self._arriving(name, k, source) for k, source in enumerate(sources)]
            self._leaving[name] = self._new(3)
            for k, first in enumerate(arriving):
                self._layer(name, k, first)
        for name in timed.wiring.ends:
            self.at_least(FIFO + 1, {self.total: 1.0, self._leaving[name] + END: -1.0})

    def at_least(self, least: float, factors: Mapping[int, float]) -> None:
        """Adds a row."""
        row = len(self.least)
        self.cells += [(row, column, factor) for column, factor in factors.items() if factor]
        self.least.append(least)

    def _new(self, count: int = 1) -> int:
        first = self.count
        self.count += count
        return first

    def _options(self, name: str) -> list[tuple[int, Layer]]:
        """Column and layer of each option."""
        group = self._owner[name]
        start = int(self._columns.starts[group])
        options = self._timed.problem.groups[group]
        return [(start + n, option.layers[name]) for n, option in enumerate(options)]

    def _row(self, factors: dict[int, float], constants: Mapping[int, float], up: float) -> None:
        """Variables at least `up` and the constants of the columns that are chosen."""
        self.at_least(up, {**factors, **{column: -value for column, value in constants.items()}})

    def _layer(self, name: str, stream: int, arriving: int) -> None:
        """What leaves a layer, by what comes in at one stream."""
        columns, layers = zip(*self._options(name), strict=True)
        every = [layer.timing.bounds(layer.inputs[stream]) for layer in layers]
        leaving = self._leaving[name]
        for number, bound in enumerate(every[0]):
            factors: dict[int, float] = defaultdict(float)
            factors[leaving + bound.point] += 1.0
            for point in POINTS:
                factors[arriving + point] -= bound.of_input[point]
                factors[leaving + point] -= bound.of_output[point]
            constants = {c: b[number].constant for c, b in zip(columns, every, strict=True)}
            self._row(dict(factors), constants, self._offsets.get((name, bound.point), 0.0))

    def _arriving(self, name: str, stream: int, source: Source) -> int:
        """What comes in at one stream of a layer; its first of three variables."""
        first = self._new(3)
        ports = {column: layer.inputs[stream] for column, layer in self._options(name)}
        for bound in stream_bounds(next(iter(ports.values()))):
            constants = {
                column: stream_bounds(port)[bound.point - 1].constant
                for column, port in ports.items()
            }
            self._row({first + bound.point: 1.0, first + bound.point - 1: -1.0}, constants, 0.0)
        if not source.node:
            self.at_least(FIFO, {first + START: 1.0})
            return first
        self._stream(first, name, stream, source)
        return first

    def _stream(self, first: int, name: str, stream: int, source: Source) -> None:
        before = self._options(source.node)
        made = before[0][1].outputs[source.output]
        taken = self._options(name)[0][1].inputs[stream]
        delays = self._delays(name, stream, source)
        leaving = self._leaving[source.node]
        for point, share in enumerate(shares(made, taken)):
            factors = {first + point: 1.0}
            for each, factor in enumerate(share):
                factors[leaving + each] = factors.get(leaving + each, 0.0) - factor
            self._row(factors, {column: delay[point] for column, delay in delays.items()}, 0.0)

    def _delays(self, name: str, stream: int, source: Source) -> dict[int, tuple[float, ...]]:
        """Cycles of the stream for each point, by the column that decides on its widths."""
        edge = self._owner[source.node], self._owner[name]
        if edge[0] == edge[1]:
            made = {c: layer.outputs[source.output] for c, layer in self._options(source.node)}
            return {
                column: stream_delays(made[column].width, layer.inputs[stream].width)
                for column, layer in self._options(name)
            }
        pairs = self._columns.pairs[edge]
        return {column: stream_delays(p.bits, c.bits) for (p, c), column in pairs.items()}


def stream_delays(made: int, taken: int) -> tuple[float, ...]:
    """Cycles that a stream of these widths adds to each point of a wave, at least."""
    if made == taken:
        return (float(FIFO),) * 3
    whole, apart = parts(taken, made) - 1, parts(made, taken) - 1
    return float(CONVERTER + whole), float(CONVERTER + apart), float(CONVERTER + apart)


def stream_bounds(port: Port) -> tuple[Bound, Bound]:
    """What a stream of a beat a cycle adds to its points itself."""
    return (
        Bound(HEAD, port.beats - 1, of_output=weight(START)),
        Bound(END, (port.vectors - 1) * port.beats, of_output=weight(HEAD)),
    )


def shares(made: Port, taken: Port) -> tuple[tuple[float, float, float], ...]:
    """Points of a wave of `made` vectors that make those of the same counted as `taken`."""
    together = max(1, made.vectors // taken.vectors)
    return weight(START), evenly(together - 1, made.vectors), weight(END)


def points_of(wave: Wave) -> tuple[float, float, float]:
    """Start, head and end."""
    return float(wave.first[0]), float(wave.last[0]), float(wave.last[-1])


def corrected(timed: Timed, chosen: list[Option]) -> tuple[Offsets, int]:
    """Offsets with which the bounds say of this choice what the model of waves says of it, and the
    cycles of one frame that this model says.
    """
    layers = layers_in(chosen)
    found = waves(timed.wiring, layers)
    offsets: dict[tuple[str, int], float] = {}
    for name, sources in timed.wiring.sources.items():
        layer, out = layers[name], points_of(found[name])
        least = [-np.inf] * 3
        for source, port in zip(sources, layer.inputs, strict=True):
            coming = _estimate(layers, found, source, port)
            for bound in layer.timing.bounds(port):
                value = bound.constant
                value += float(np.dot(bound.of_input, coming) + np.dot(bound.of_output, out))
                least[bound.point] = max(least[bound.point], value)
        offsets.update({(name, point): out[point] - least[point] for point in POINTS})
    return offsets, latency(timed.wiring, found)


def _estimate(
    layers: Mapping[str, Layer], found: Mapping[str, Wave], source: Source, port: Port
) -> Any:
    """What the program thinks comes in, given what really leaves the layer before."""
    if source.node:
        made = layers[source.node].outputs[source.output]
        delays = stream_delays(made.width, port.width)
        leaving = points_of(found[source.node])
        coming = [
            float(np.dot(share, leaving)) + delay
            for share, delay in zip(shares(made, port), delays, strict=True)
        ]
    else:
        coming = [float(FIFO), -np.inf, -np.inf]
    for bound in stream_bounds(port):
        coming[bound.point] = max(coming[bound.point], coming[bound.point - 1] + bound.constant)
    return coming
