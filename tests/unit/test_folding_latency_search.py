"""The search for least latency, against all choices of chains small enough to try them all."""

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest

from lepton_hw.compiler.folding_latency import Source, Wiring, behind
from lepton_hw.compiler.folding_latency_program import Timed, corrected, layers_in, solve
from lepton_hw.compiler.folding_latency_search import cheapest, cost, modelled, quickest
from lepton_hw.compiler.folding_options import Option, Stream
from lepton_hw.compiler.folding_program import Problem, total
from lepton_hw.compiler.folding_timing import Matrix, Port
from lepton_hw.compiler.folding_timing_of import Layer

SIZE = 8  # elements of every vector
PLENTY = (1e9, 1e9, 1e9, 1e9)
PRICES = (1e-3, 1e-2, 1.0, 1e-2)


def unit(name: str, vectors: int, pe: int, simd: int, luts: float) -> Option:
    """A matrix unit of 8 × 8, 4 bits an element."""
    layer = Layer(
        Matrix(SIZE // simd, SIZE // pe, 5),
        (Port(vectors, SIZE // simd, 4 * simd),),
        (Port(vectors, SIZE // pe, 4 * pe),),
    )
    cycles = vectors * layer.inputs[0].beats * layer.outputs[0].beats
    streams = [Stream(4 * lanes, 4 * lanes) for lanes in (simd, pe)]
    return Option({name: {"PE": pe}}, cycles, (luts, 0, 0, 0), *streams, lambda: {name: layer})


def chain(layers: int, vectors: int, seed: int, share: float) -> Timed:
    """Units one behind the other; the budget is this share of what the largest of all cost."""
    draw = random.Random(seed)
    groups = [
        [
            unit(f"L{n}", vectors, pe, simd, 30 + pe * simd * draw.uniform(8, 12))
            for pe, simd in itertools.product((1, 2, 4, 8), (1, 2, 8))
        ]
        for n in range(layers)
    ]
    edges = [(n, n + 1) for n in range(layers - 1)]
    sources = {f"L{n}": (Source(f"L{n - 1}") if n else Source(),) for n in range(layers)}
    readers = {f"L{n}": (f"L{n + 1}",) if n + 1 < layers else () for n in range(layers)}
    most = total([max(options, key=lambda o: o.cost) for options in groups], edges)[0]
    problem = Problem(groups, edges, (share * most, 1.0, 1.0, 1.0), PRICES)
    return Timed(problem, Wiring(sources, (f"L{layers - 1}",), readers))


def every_choice(timed: Timed) -> list[list[Option]]:
    """All that fit."""
    choices = (list(each) for each in itertools.product(*timed.problem.groups))
    return [each for each in choices if fits(timed, each)]


def fits(timed: Timed, chosen: list[Option]) -> bool:
    use = total(chosen, timed.problem.edges)
    return all(used <= have for used, have in zip(use, timed.problem.supply, strict=True))


def smallest(timed: Timed) -> list[Option]:
    return [min(options, key=lambda option: option.cost) for options in timed.problem.groups]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("vectors", [1, 6])
def test_nothing_that_fits_is_quicker(seed: int, vectors: int) -> None:
    timed = chain(3, vectors, seed, share=0.25 + 0.1 * seed)
    found = quickest(timed, smallest(timed))
    assert fits(timed, found)
    best = min(modelled(timed, each) for each in every_choice(timed))
    # The program's gap; see GAP.
    assert best <= modelled(timed, found) <= 1.01 * best


@pytest.mark.parametrize("seed", range(4))
def test_nothing_quick_enough_is_cheaper(seed: int) -> None:
    timed = chain(3, 1 + 5 * (seed % 2), seed, share=0.6)
    limit = 2 * min(modelled(timed, each) for each in every_choice(timed))
    found = cheapest(timed, limit)
    assert found is not None
    assert modelled(timed, found) <= limit
    quick = [each for each in every_choice(timed) if modelled(timed, each) <= limit]
    assert cost(timed.problem, found) <= 1.02 * min(cost(timed.problem, each) for each in quick)


def test_what_cannot_be_is_not_found() -> None:
    timed = chain(2, 1, 0, share=0.5)
    least = min(modelled(timed, each) for each in every_choice(timed))
    assert cheapest(timed, least - 1) is None
    nothing = replace(timed, problem=replace(timed.problem, supply=(1.0, 1.0, 1.0, 1.0)))
    assert solve(nothing, {}) is None
    assert quickest(nothing, smallest(nothing)) == smallest(nothing)


def test_the_same_question_has_the_same_answer() -> None:
    timed = chain(4, 3, 7, share=0.3)
    assert quickest(timed, smallest(timed)) == quickest(timed, smallest(timed))


def test_corrected_bounds_say_what_the_waves_say() -> None:
    """The program, with a single choice left, then counts that choice's very latency."""
    timed = chain(3, 6, 1, share=1.0)
    chosen = [options[5] for options in timed.problem.groups]
    alone = replace(timed, problem=replace(timed.problem, groups=[[each] for each in chosen]))
    offsets, cycles = corrected(alone, chosen)
    assert cycles == modelled(alone, chosen)
    assert solve(alone, offsets, limit=modelled(alone, chosen)) == chosen
    assert solve(alone, offsets, limit=modelled(alone, chosen) - 1) is None


def test_what_a_change_reaches() -> None:
    timed = chain(3, 1, 0, share=1.0)
    assert behind(timed.wiring, ["L1"]) == {"L1", "L2"}
    assert set(layers_in(smallest(timed))) == {"L0", "L1", "L2"}
    assert np.isfinite(modelled(timed, smallest(timed)))
