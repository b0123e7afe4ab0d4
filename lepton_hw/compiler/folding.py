"""Chooses PE and SIMD of every layer by integer search over cycle and resource models.

Every layer offers its foldings with the cycles and resources that its own FINN operator (or
kernel of ours) estimates; an integer program picks one a layer. It builds and simulates nothing.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.artifacts import write_atomically
from lepton_hw.board import Board
from lepton_hw.compiler.folding_costs import RESOURCES
from lepton_hw.compiler.folding_latency import Wiring, wiring_of
from lepton_hw.compiler.folding_latency_program import Timed
from lepton_hw.compiler.folding_latency_search import cheapest, modelled, quickest
from lepton_hw.compiler.folding_options import (
    Attributes,
    Option,
    depthwise_reader,
    options_of,
    present,
)
from lepton_hw.compiler.folding_program import Problem, pick, total
from lepton_hw.errors import StageError

#: Share of each resource that a design may use, so that it can still be placed and routed.
USABLE = {"lut": 0.75, "bram18": 0.95, "uram": 1.0, "dsp": 0.95}


@dataclass(frozen=True)
class Folding:
    """The choice: attributes by node, cycles of the slowest layer, resources of all layers and of
    the streams between them (`RESOURCES`), FIFOs taken as shallow.

    `fits`: whether they are within the budget. `latency`: cycles of one frame through the empty
    design, by the model of `folding_latency`.
    """

    attributes: dict[str, Attributes]
    cycles: int
    cost: dict[str, float]
    fits: bool
    latency: int


@dataclass(frozen=True)
class Choices:
    """All foldings of every group of layers, which group feeds which, and which layer which."""

    groups: list[list[Option]]
    edges: list[tuple[int, int]]
    wiring: Wiring


@dataclass(frozen=True)
class Goal:
    """What a folding is chosen for, in cycles.

    `cycles`: a frame after the other at least so fast; None is any rate. `latency`: one frame
    through the empty design in at most so many; None is any. With either, the cheapest such
    folding is chosen; with neither, the fastest that fits. With `quick`, the one of least latency
    that fits, at a rate of `cycles` at least.
    """

    cycles: int | None = None
    latency: int | None = None
    quick: bool = False


def choices(model: ModelWrapper, board: Board) -> Choices:
    """What a search chooses from; takes longest of it."""
    groups, edges = _groups(model)
    part, dsp = board.finn_part, board.has_dsp48
    options = [options_of(model, nodes, part, dsp=dsp) for nodes in groups]
    return Choices(options, edges, wiring_of(model))


def search(
    model: ModelWrapper,
    board: Board,
    goal: Goal,
    budget: Mapping[str, float] | None = None,
    fixed: Mapping[str, Mapping[str, Any]] | None = None,
    among: Choices | None = None,
) -> Folding:
    """The folding for a goal.

    Cost is the sum over resources of the share of the board that is used, width converters and
    FIFOs between the layers included. A rate that no folding reaches within the budget gives the
    cheapest folding regardless of it, whose excess the caller reports.

    Args:
        model: a specialised graph; it is not changed.
        board: whose part and resources count.
        goal: what it is chosen for.
        budget: what may be used of each of `RESOURCES`; default `usable`.
        fixed: attributes, by node, that the choice must have. Without a goal the others become as
            fast as the slowest of these.
        among: `choices` of the same model and board, where they are known.

    Raises `StageError` if some layer cannot reach the rate at all, or no folding that fits the
    latency.
    """
    among = among or choices(model, board)
    problem = _problem(among, board, budget, fixed or {})
    if goal == Goal() and fixed:
        goal = Goal(_given_cycles(problem.groups, fixed))
    if goal.cycles is not None:
        _require_reachable(problem.groups, goal.cycles)
    if goal.latency is not None or goal.quick:
        return _folding(_for_latency(problem, among.wiring, goal, board), problem, among.wiring)
    return _folding(_for_rate(problem, goal.cycles), problem, among.wiring)


def _for_rate(problem: Problem, cycles: int | None) -> list[Option]:
    if cycles is not None:
        chosen = pick(problem, cycles, bounded=True)
        return chosen or pick(problem, cycles, bounded=False) or []
    fastest = max(min(option.cycles for option in options) for options in problem.groups)
    every = {option.cycles for options in problem.groups for option in options}
    return _largest_that_fits(problem, sorted(cycles for cycles in every if cycles >= fastest))


def _for_latency(problem: Problem, wiring: Wiring, goal: Goal, board: Board) -> list[Option]:
    """The cheapest that is quick enough, or the quickest, of those that are fast enough."""
    fast = [
        [option for option in options if option.cycles <= (goal.cycles or option.cycles)]
        for options in problem.groups
    ]
    timed = Timed(replace(problem, groups=fast), wiring)
    found = None if goal.latency is None else cheapest(timed, goal.latency)
    if found is not None:
        return found
    start = _for_rate(problem, goal.cycles)
    if not problem.has_room(total(start, problem.edges)):
        return start
    found = quickest(timed, start)
    if goal.latency is not None and modelled(timed, found) > goal.latency:
        raise _too_slow(modelled(timed, found), goal, board)
    return found


def _too_slow(least: int, goal: Goal, board: Board) -> StageError:
    wanted = (goal.latency or 0) / board.clock
    reached = math.ceil(1000 * least / board.clock) / 1000
    remedy = f"raise compile.target_latency_us to {reached:g}"
    return StageError(
        f"one frame takes {reached:,g} us by estimate at the quickest folding found that fits the "
        f"{board.title}",
        f"at most {wanted:,g} us for the target",
        f"{remedy}, or lower compile.target_fps" if goal.cycles else remedy,
    )


def price(model: ModelWrapper, board: Board) -> Folding:
    """The folding that the graph has, by the same models."""
    groups, edges = _groups(model)
    chosen = [present(model, nodes, board.finn_part) for nodes in groups]
    problem = Problem([], edges, _supply(board, None), _prices(board))
    return _folding(chosen, problem, wiring_of(model))


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
        found = pick(problem, goals[middle], bounded=True)
        if found is None:
            low = middle + 1
        else:
            best = found
            # It may well be faster than it had to be.
            reached = max(option.cycles for option in found)
            high = min(middle, goals.index(reached)) - 1
    return best or pick(problem, goals[-1], bounded=False) or []


def _folding(chosen: list[Option], problem: Problem, wiring: Wiring) -> Folding:
    attributes: dict[str, Attributes] = {}
    for option in chosen:
        attributes.update(option.attributes)
    use = total(chosen, problem.edges)
    return Folding(
        attributes=attributes,
        cycles=max(option.cycles for option in chosen),
        cost=dict(zip(RESOURCES, use, strict=True)),
        fits=problem.has_room(use),
        latency=modelled(Timed(problem, wiring), chosen),
    )


def usable(board: Board) -> dict[str, float]:
    """What a design may use of each of `RESOURCES`."""
    return {name: amount * USABLE[name] for name, amount in _amounts(board).items()}


def _supply(board: Board, budget: Mapping[str, float] | None) -> tuple[float, ...]:
    budget = usable(board) if budget is None else budget
    return tuple(float(budget[name]) for name in RESOURCES)


def _amounts(board: Board) -> dict[str, int]:
    have = board.supply
    return {"lut": have.lut, "bram18": 2 * have.bram36, "uram": have.uram, "dsp": have.dsp}


def _prices(board: Board) -> tuple[float, ...]:
    """A unit's share of the board's usable supply; a resource that it lacks is never cheap."""
    return tuple(1.0 / max(1.0, amount) for amount in _supply(board, None))


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


def _problem(
    among: Choices,
    board: Board,
    budget: Mapping[str, float] | None,
    fixed: Mapping[str, Mapping[str, Any]],
) -> Problem:
    groups = [[option for option in group if _has(option, fixed)] for group in among.groups]
    return Problem(groups, among.edges, _supply(board, budget), _prices(board))


def _has(option: Option, fixed: Mapping[str, Mapping[str, Any]]) -> bool:
    return all(
        attributes.get(key, value) == value
        for name, attributes in option.attributes.items()
        for key, value in fixed.get(name, {}).items()
    )


def _given_cycles(groups: list[list[Option]], fixed: Mapping[str, Mapping[str, Any]]) -> int | None:
    """Cycles of the slowest layer whose folding is given; None if none is."""
    given = [
        min(option.cycles for option in options)
        for options in groups
        if any(name in fixed for name in options[0].attributes)
    ]
    return max(given, default=None)


def _groups(model: ModelWrapper) -> tuple[list[list[Any]], list[tuple[int, int]]]:
    """Layers that fold together, and which group feeds which: a depthwise window and its reader
    are one group.
    """
    groups: list[list[Any]] = []
    owner: dict[str, int] = {}
    for node in model.graph.node:
        if node.name in owner:
            continue
        reader = depthwise_reader(model, node)
        nodes = [node] if reader is None else [node, reader]
        owner.update(dict.fromkeys((n.name for n in nodes), len(groups)))
        groups.append(nodes)
    edges = {
        (owner[node.name], owner[consumer.name])
        for node in model.graph.node
        for tensor in node.output
        for consumer in model.find_consumers(tensor) or []
    }
    return groups, sorted((left, right) for left, right in edges if left != right)
