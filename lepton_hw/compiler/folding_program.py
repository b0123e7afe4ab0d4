"""The integer program of the folding search: one option a layer, cheapest in sum, within a budget.

Knows options and streams between them, nothing of FINN.
"""

import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from lepton_hw.compiler.folding_costs import stream_cost
from lepton_hw.compiler.folding_options import Option, Stream

#: Options of a layer that the program considers at one target, cheapest first.
CANDIDATES = 48
#: Longest time for one program.
SECONDS = 20.0


@dataclass(frozen=True)
class Problem:
    """Options of each group of layers, pairs (producer, consumer) of groups, the budget, and the
    price of a unit of each resource.
    """

    groups: list[list[Option]]
    edges: list[tuple[int, int]]
    supply: tuple[float, ...]
    prices: tuple[float, ...]

    def has_room(self, use: tuple[float, ...]) -> bool:
        """Whether so much of each resource is within the budget; sums of shares are rounded."""
        return all(used <= have + 1e-6 for used, have in zip(use, self.supply, strict=True))


def pick(problem: Problem, cycles: int, bounded: bool) -> list[Option] | None:
    """One option a group, cheapest in sum, every one within `cycles`; None if none fits.

    An integer program over the options and, for every edge, over the pairs of stream widths at its
    two ends, whose price is that of the stream between them. `bounded`: within the budget.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    groups = [_candidates(options, cycles, problem) for options in problem.groups]
    if any(not options for options in groups):
        return None
    columns = Columns(groups, problem.edges)
    constraints = [LinearConstraint(columns.rows, columns.sums, columns.sums)]
    if bounded:
        constraints.append(LinearConstraint(columns.use.T, -np.inf, problem.supply))
    answer = milp(
        columns.use @ np.asarray(problem.prices),
        constraints=constraints,
        integrality=columns.integral,
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 1e-5, "time_limit": SECONDS},
    )
    if answer.x is None:
        return None
    return columns.chosen(answer.x)


def total(chosen: list[Option], edges: list[tuple[int, int]]) -> tuple[float, ...]:
    """Resources of these layers and of the streams between them."""
    streams = [stream_cost(chosen[a].stream_out.width, chosen[b].stream_in.width) for a, b in edges]
    costs = [*(option.cost for option in chosen), *streams]
    return tuple(float(x) for x in np.sum(costs, axis=0))


class Columns:
    """The variables of the integer program: one an option, then one a pair of widths an edge."""

    def __init__(self, groups: list[list[Option]], edges: list[tuple[int, int]]) -> None:
        self.groups = groups
        self.starts = np.cumsum([0, *(len(options) for options in groups)])
        self._use: list[tuple[float, ...]] = [o.cost for options in groups for o in options]
        self._cells: list[tuple[int, int, float]] = []
        self._sums: list[float] = []
        #: Of each edge, the column of each pair of widths.
        self.pairs: dict[tuple[int, int], dict[tuple[Stream, Stream], int]] = {}
        options = len(self._use)
        for group in range(len(groups)):
            self._row([(c, 1.0) for c in range(*self.starts[group : group + 2])], 1.0)
        for left, right in edges:
            self._edge(left, right)
        self.use = np.array(self._use)
        self.sums = np.array(self._sums)
        self.rows = self._matrix()
        # With whole options the pairs come out whole by themselves.
        self.integral = np.arange(len(self._use)) < options

    def _edge(self, left: int, right: int) -> None:
        """Pairs of widths; those of one width sum to the options of that width."""
        ends = (self._by_width(left, "stream_out"), self._by_width(right, "stream_in"))
        pairs = self.pairs[left, right] = {}
        for producer, consumer in itertools.product(*ends):
            pairs[producer, consumer] = len(self._use)
            self._use.append(stream_cost(producer.width, consumer.width))
        for end, widths in enumerate(ends):
            for width, options in widths.items():
                cells = [(column, -1.0) for column in options]
                cells += [(column, 1.0) for pair, column in pairs.items() if pair[end] == width]
                self._row(cells, 0.0)

    def _by_width(self, group: int, name: str) -> dict[Stream, list[int]]:
        """Columns of the group's options by the width of a stream."""
        found: dict[Stream, list[int]] = defaultdict(list)
        for number, option in enumerate(self.groups[group]):
            found[getattr(option, name)].append(int(self.starts[group]) + number)
        return found

    def _row(self, cells: list[tuple[int, float]], total: float) -> None:
        self._cells += [(len(self._sums), column, factor) for column, factor in cells]
        self._sums.append(total)

    def _matrix(self) -> Any:
        from scipy.sparse import coo_array

        places, variables, factors = zip(*self._cells, strict=True)
        shape = (len(self._sums), len(self._use))
        return coo_array((factors, (places, variables)), shape=shape).tocsr()

    def chosen(self, values: Any) -> list[Option]:
        """The option with value 1 in every group."""
        return [
            options[int(np.argmax(values[start : start + len(options)]))]
            for start, options in zip(self.starts, self.groups, strict=False)
        ]


def _candidates(options: list[Option], cycles: int, problem: Problem) -> list[Option]:
    """Of the options that are fast enough, those that no other of the same widths beats in every
    resource, cheapest first; more would only slow the search.
    """
    by_widths: dict[tuple[int, int], list[Option]] = defaultdict(list)
    prices = np.asarray(problem.prices)
    fast = [option for option in options if option.cycles <= cycles]
    for option in sorted(fast, key=lambda o: float(prices @ o.cost)):
        same = by_widths[option.stream_in.width, option.stream_out.width]
        if not any(all(a <= b for a, b in zip(o.cost, option.cost, strict=True)) for o in same):
            same.append(option)
    kept = [option for same in by_widths.values() for option in same]
    kept.sort(key=lambda o: float(prices @ o.cost))
    few = kept[:CANDIDATES]
    if kept:  # whichever resource runs out, its thriftiest options stay
        few += [min(kept, key=lambda o: (o.cost[n], float(prices @ o.cost))) for n in range(4)]
    return list({id(option): option for option in few}.values())
