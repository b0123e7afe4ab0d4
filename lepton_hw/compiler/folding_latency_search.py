"""Searches the folding of least latency, or the cheapest that is quick enough.

The integer program proposes, the model of waves decides and corrects the program; what is left to
gain by changing one layer alone is taken at the end. It knows nothing of FINN.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lepton_hw.compiler.folding_latency import behind, latency, waves
from lepton_hw.compiler.folding_latency_program import Offsets, Timed, corrected, layers_in, solve
from lepton_hw.compiler.folding_options import Option, Stream
from lepton_hw.compiler.folding_program import Problem, total
from lepton_hw.compiler.folding_waves import Wave

#: Times that the program is asked for less latency, and for one within a limit, each time
#: corrected by its last answer.
ROUNDS, TRIALS = 2, 5
#: Share of the latency that the whole board is worth: of choices about as quick the cheaper one.
WORTH = 0.002
#: Sweeps of changes of one layer.
SWEEPS = 8
#: Share of the wanted latency from which an option is given up, all else being fastest: a little
#: more than one, since another layer's fastest folding may meet it with a converter.
SLACK = 1.05


def quickest(timed: Timed, start: list[Option]) -> list[Option]:
    """The choice of least latency that is found within the budget, the cheaper of equals.

    Args:
        timed: options, which all are fast enough.
        start: a choice that fits, which the answer is at least as good as.
    """
    best, worth = _descended(_promising(timed, modelled(timed, start)), start)
    offsets: Offsets = {}
    for _ in range(ROUNDS):
        least, _price = worth
        timed = _promising(timed, least)
        chosen = solve(timed, offsets, price=WORTH * least)
        if chosen is None:
            break
        chosen, its_worth = _descended(timed, chosen)
        if its_worth >= worth:
            break
        best, worth = chosen, its_worth
        offsets, _cycles = corrected(timed, chosen)
    return best


def cheapest(timed: Timed, limit: int) -> list[Option] | None:
    """The cheapest choice that is found within the budget of at most `limit` cycles; None where
    none is, though `quickest` may find one.
    """
    timed = _promising(timed, limit)
    offsets: Offsets = {}
    asked = float(limit)
    for _ in range(TRIALS):
        chosen = solve(timed, offsets, asked)
        if chosen is None:
            return None
        offsets, cycles = corrected(timed, chosen)
        asked -= max(0, cycles - limit)
        chosen, (cycles, _price) = _descended(timed, chosen, limit)
        if cycles <= limit:
            return chosen
    return None


def modelled(timed: Timed, chosen: list[Option]) -> int:
    """Cycles of one frame by the model of waves."""
    return latency(timed.wiring, waves(timed.wiring, layers_in(chosen)))


def cost(problem: Problem, chosen: list[Option]) -> float:
    """The sum of the shares of the board."""
    return float(np.dot(problem.prices, total(chosen, problem.edges)))


def _worth(timed: Timed, chosen: list[Option], limit: int = 0) -> tuple[int, float]:
    """Smaller is better; up to `limit` cycles only the price counts."""
    return max(modelled(timed, chosen), limit), cost(timed.problem, chosen)


def _promising(timed: Timed, most: int) -> Timed:
    """Without the options that another one of the same streams beats in every resource and every
    bound, and those with which a frame takes far more than `most` cycles though all other layers
    stand at their fastest.
    """
    groups = [_undominated(options, timed.problem.prices) for options in timed.problem.groups]
    fastest = [min(options, key=lambda option: option.cycles) for options in groups]
    layers = layers_in(fastest)
    found = waves(timed.wiring, layers)
    quick = []
    for options, other in zip(groups, fastest, strict=True):
        known = _unreached(timed, found, other)
        kept = [
            option
            for option in options
            if latency(timed.wiring, waves(timed.wiring, {**layers, **option.layers}, known))
            <= SLACK * most
        ]
        quick.append(kept or [other])
    return replace(timed, problem=replace(timed.problem, groups=quick))


def _unreached(timed: Timed, found: Mapping[str, Wave], changed: Option) -> dict[str, Wave]:
    """The waves that stay as they are when the layers of this option change."""
    reached = behind(timed.wiring, list(changed.layers))
    return {name: wave for name, wave in found.items() if name not in reached}


def _undominated(options: list[Option], prices: tuple[float, ...]) -> list[Option]:
    kept: dict[tuple[Stream, Stream], list[tuple[tuple[float, ...], Option]]] = defaultdict(list)
    for option in sorted(options, key=lambda option: float(np.dot(prices, option.cost))):
        mine = _figures(option)
        same = kept[option.stream_in, option.stream_out]
        if not any(all(a <= b for a, b in zip(o, mine, strict=True)) for o, _ in same):
            same.append((mine, option))
    return [option for same in kept.values() for _, option in same]


def _figures(option: Option) -> tuple[float, ...]:
    """All of which less is better."""
    bounds = [
        bound.constant
        for layer in option.layers.values()
        for port in layer.inputs
        for bound in layer.timing.bounds(port)
    ]
    return (*option.cost, *bounds)


def _descended(
    timed: Timed, chosen: list[Option], limit: int = 0
) -> tuple[list[Option], tuple[int, float]]:
    """Changes one layer after the other to what is best there, while that gains anything; says also
    what the choice is worth then.
    """
    best, worth = chosen, _worth(timed, chosen, limit)
    for _ in range(SWEEPS):
        before = worth
        for group in range(len(timed.problem.groups)):
            best, worth = _one_changed(timed, best, worth, group, limit)
        if worth == before:
            break
    return best, worth


def _one_changed(
    timed: Timed, chosen: list[Option], worth: tuple[int, float], group: int, limit: int
) -> tuple[list[Option], tuple[int, float]]:
    layers = layers_in(chosen)
    known = _unreached(timed, waves(timed.wiring, layers), chosen[group])
    best = chosen
    for option in timed.problem.groups[group]:
        changed = [*chosen[:group], option, *chosen[group + 1 :]]
        use = total(changed, timed.problem.edges)
        if not timed.problem.has_room(use):
            continue
        after = waves(timed.wiring, {**layers, **option.layers}, known)
        cycles = max(latency(timed.wiring, after), limit)
        one = cycles, float(np.dot(timed.problem.prices, use))
        if one < worth:
            best, worth = changed, one
    return best, worth
