"""Chooses PE and SIMD of every layer by integer search over cycle and resource models.

Every layer offers its foldings with the cycles and resources that its own FINN operator (or
kernel of ours) estimates; an integer program picks one a layer. It builds and simulates nothing.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.artifacts import write_atomically
from lepton_hw.board import Board
from lepton_hw.compiler.folding_options import Option, depthwise_reader, options_of
from lepton_hw.errors import StageError

#: Share of each resource that layers may use; width converters and FIFOs come on top.
USABLE = {"lut": 0.75, "bram18": 0.95, "uram": 1.0, "dsp": 0.95}
RESOURCES = tuple(USABLE)
#: LUTs of a shallow FIFO besides one a bit.
FIFO_LUT = 20
#: Options of a layer that the integer program considers at one target, cheapest first.
CANDIDATES = 16
#: Longest time for one integer program.
SECONDS = 20.0


@dataclass(frozen=True)
class Problem:
    """Options of each group, pairs (producer, consumer) of groups, what the board has."""

    groups: list[list[Option]]
    edges: list[tuple[int, int]]
    supply: tuple[float, ...]


@dataclass(frozen=True)
class Folding:
    """The choice: attributes by node, cycles of the slowest layer, resources of all layers.

    `fits`: whether they are within the usable share of the board.
    """

    attributes: dict[str, dict[str, int]]
    cycles: int
    cost: dict[str, float]
    fits: bool


def search(model: ModelWrapper, board: Board, target_cycles: int | None) -> Folding:
    """The cheapest folding of at most `target_cycles` per frame; without a target the fastest
    that fits the board.

    Cost is the sum over resources of the share of the board that is used, width converters and
    FIFOs between the layers included. A target that no folding reaches within the board gives the
    cheapest folding regardless of the board, whose excess the caller reports. Raises `StageError`
    if some layer cannot reach the target at all.
    """
    problem = _problem(model, board)
    if target_cycles is not None:
        _require_reachable(problem.groups, target_cycles)
        chosen = _pick(problem, target_cycles, bounded=True)
        chosen = chosen or _pick(problem, target_cycles, bounded=False) or []
        return _folding(chosen, problem.supply)
    fastest = max(min(option.cycles for option in options) for options in problem.groups)
    every = {option.cycles for options in problem.groups for option in options}
    goals = sorted(cycles for cycles in every if cycles >= fastest)
    return _folding(_largest_that_fits(problem, goals), problem.supply)


def write_folding(folding: Folding, path: Path) -> Path:
    """The choice as a FINN folding JSON, for FINN's own step to apply."""
    text = {"Defaults": {}, **folding.attributes}
    write_atomically(path, json.dumps(text, indent=2) + "\n")
    return path


def _largest_that_fits(problem: Problem, goals: list[int]) -> list[Option]:
    best = None
    low, high = 0, len(goals) - 1
    while low <= high:
        middle = (low + high) // 2
        found = _pick(problem, goals[middle], bounded=True)
        if found is None:
            low = middle + 1
        else:
            best, high = found, middle - 1
    return best or _pick(problem, goals[-1], bounded=False) or []


def _pick(problem: Problem, cycles: int, bounded: bool) -> list[Option] | None:
    """One option a group, cheapest in sum, every one within `cycles`; None if none fits.

    An integer program over the options and, for every edge, over the pairs of options at its two
    ends, whose price is that of the stream between them.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    groups = [_candidates(options, cycles, problem.supply) for options in problem.groups]
    if any(not options for options in groups):
        return None
    columns = _Columns(groups, problem.edges)
    share = columns.use / np.maximum(np.asarray(problem.supply), 1.0)
    constraints = [LinearConstraint(columns.rows, columns.sums, columns.sums)]
    if bounded:
        constraints.append(LinearConstraint(columns.use.T, -np.inf, problem.supply))
    answer = milp(
        share.sum(axis=1),
        constraints=constraints,
        integrality=columns.integral,
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 1e-3, "time_limit": SECONDS},
    )
    if answer.x is None:
        return None
    return columns.chosen(answer.x)


class _Columns:
    """The variables of the integer program: one an option, then one a pair at each edge."""

    def __init__(self, groups: list[list[Option]], edges: list[tuple[int, int]]) -> None:
        from scipy.sparse import coo_array

        self.groups = groups
        self.starts = np.cumsum([0, *(len(options) for options in groups)])
        options = int(self.starts[-1])
        use = [option.cost for group in groups for option in group]
        cells: list[tuple[int, int, float]] = []
        sums: list[float] = []
        for group in range(len(groups)):
            cells += [(group, c, 1.0) for c in range(*self.starts[group : group + 2])]
            sums.append(1.0)
        for left, right in edges:
            first_column, first_row = len(use), len(sums)
            pairs = list(itertools.product(range(len(groups[left])), range(len(groups[right]))))
            for number, (a, b) in enumerate(pairs):
                use.append(_stream_cost(groups[left][a].width_out, groups[right][b].width_in))
                cells.append((first_row + a, first_column + number, 1.0))
                cells.append((first_row + len(groups[left]) + b, first_column + number, 1.0))
            for end, offset in ((left, 0), (right, len(groups[left]))):
                for number in range(len(groups[end])):
                    column = int(self.starts[end]) + number
                    cells.append((first_row + offset + number, column, -1.0))
                    sums.append(0.0)
        places, variables, factors = zip(*cells, strict=True)
        self.use = np.array(use)
        self.rows = coo_array((factors, (places, variables)), shape=(len(sums), len(use))).tocsr()
        self.sums = np.array(sums)
        # With whole options the pairs come out whole by themselves.
        self.integral = np.arange(len(use)) < options

    def chosen(self, values: Any) -> list[Option]:
        """The option with value 1 in every group."""
        return [
            options[int(np.argmax(values[start : start + len(options)]))]
            for start, options in zip(self.starts, self.groups, strict=False)
        ]


def _candidates(options: list[Option], cycles: int, supply: tuple[float, ...]) -> list[Option]:
    """The cheapest options that are fast enough; more would only slow the search."""
    fast = [option for option in options if option.cycles <= cycles]
    scale = np.maximum(np.asarray(supply), 1.0)
    return sorted(fast, key=lambda o: float(np.sum(np.asarray(o.cost) / scale)))[:CANDIDATES]


def _stream_cost(producer: int, consumer: int) -> tuple[float, ...]:
    """Resources of the stream between two layers of these widths in bits: a shallow FIFO of one
    LUT a bit, and where the widths differ a converter and a second FIFO.
    """
    lut = FIFO_LUT + consumer
    if producer != consumer:
        lut += FIFO_LUT + producer + max(producer, consumer)
        if max(producer, consumer) % min(producer, consumer):
            lut += 2 * (producer + consumer)
    return (float(lut), 0.0, 0.0, 0.0)


def _folding(chosen: list[Option], supply: tuple[float, ...]) -> Folding:
    attributes: dict[str, dict[str, int]] = {}
    for option in chosen:
        attributes.update(option.attributes)
    total = np.sum([option.cost for option in chosen], axis=0)
    return Folding(
        attributes=attributes,
        cycles=max(option.cycles for option in chosen),
        cost=dict(zip(RESOURCES, (float(x) for x in total), strict=True)),
        fits=all(total <= np.asarray(supply)),
    )


def _supply(board: Board) -> tuple[float, ...]:
    have = board.resources
    amounts = {"lut": have.lut, "bram18": 2 * have.bram36, "uram": have.uram, "dsp": have.dsp}
    return tuple(amounts[name] * USABLE[name] for name in RESOURCES)


def _require_reachable(groups: list[list[Option]], cycles: int) -> None:
    for options in groups:
        fastest = min(options, key=lambda option: option.cycles)
        if fastest.cycles > cycles:
            name = next(iter(fastest.attributes), "a layer")
            raise StageError(
                f"layer {name} needs at least {fastest.cycles:,} cycles a frame at any folding",
                f"at most {cycles:,} for the target",
                "lower compile.target_fps",
            )


def _problem(model: ModelWrapper, board: Board) -> Problem:
    """The options of each layer; a depthwise window and its reader are one group."""
    groups: list[list[Option]] = []
    owner: dict[str, int] = {}
    for node in model.graph.node:
        if node.name in owner:
            continue
        reader = depthwise_reader(model, node)
        nodes = [node] if reader is None else [node, reader]
        owner.update(dict.fromkeys((n.name for n in nodes), len(groups)))
        groups.append(list(_pareto(options_of(nodes, board.part))))
    edges = {
        (owner[node.name], owner[consumer.name])
        for node in model.graph.node
        for tensor in node.output
        for consumer in model.find_consumers(tensor) or []
    }
    between = sorted((left, right) for left, right in edges if left != right)
    return Problem(groups, between, _supply(board))


def _pareto(options: list[Option]) -> Iterator[Option]:
    """Drops options that another one of the same stream widths beats in everything."""
    kept: list[Option] = []
    for option in sorted(options, key=lambda o: (o.cycles, sum(o.cost))):
        if not any(_as_good(other, option) for other in kept):
            kept.append(option)
            yield option


def _as_good(one: Option, other: Option) -> bool:
    """Whether `one`, which is not slower, costs nothing more and has the same streams."""
    same = (one.width_in, one.width_out) == (other.width_in, other.width_out)
    return same and all(a <= b for a, b in zip(one.cost, other.cost, strict=True))
