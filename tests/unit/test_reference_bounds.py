"""Bounds from weights, the arithmetic chosen at its edges, and thresholds of real functions."""

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_hw.errors import StageError
from lepton_hw.reference import bounds
from lepton_hw.reference.build import Builder
from lepton_hw.reference.ir import Arithmetic as ArithmeticOp
from lepton_hw.reference.ir import GlobalSum, MatMul
from lepton_hw.reference.scaled import Affine, Clamp, common_scale, rationals, thresholds

quick = settings(max_examples=60, derandomize=True, database=None, deadline=None)


@quick
@given(st.data())
def test_bounds_are_the_extremes_of_all_inputs(data: Any) -> None:
    shape = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 20)))
    columns, offset = rng.integers(-9, 10, shape), rng.integers(-5, 6, shape[0])
    low = data.draw(st.integers(-4, 3))
    high, shift = data.draw(st.integers(low, 4)), data.draw(st.integers(0, 1))
    sums = [
        (int(row @ np.array(x)) + int(added)) >> shift
        for row, added in zip(columns, offset, strict=True)
        for x in itertools.product(range(low, high + 1), repeat=shape[1])
    ]
    assert bounds.of_sums(columns, offset, shift, low, high) == (min(sums), max(sums))


def chosen(weight: int, low: int, high: int, fast: bool = True, offset: int = 0) -> tuple[str, int]:
    """What a layer of two such weights is computed in."""
    columns = np.array([[weight, -weight]])
    found = bounds.choose("layer", columns, np.array([offset]), low, high, fast_int8=fast)
    return found.kind, found.zero


@pytest.mark.parametrize(
    ("weight", "low", "high", "expected"),
    [
        (127, -128, 127, ("int8", 0)),
        (127, 0, 255, ("int8", 128)),
        (127, -300, -45, ("int8", -172)),
        (128, 0, 1, ("float32", 0)),  # the weight does not fit
        (1, 0, 256, ("float32", 0)),  # nor do 257 codes
        (1, 0, 1 << 23, ("float32", 0)),
        (1, 0, (1 << 23) + 1, ("float64", 0)),
        (1 << 22, 0, 1 << 30, ("float64", 0)),
        ((1 << 22) + 1, 0, 1 << 30, ("int64", 0)),
        (1 << 31, 0, (1 << 31) - 1, ("int64", 0)),
    ],
)
def test_the_cheapest_exact_arithmetic(
    weight: int, low: int, high: int, expected: tuple[str, int]
) -> None:
    assert chosen(weight, low, high) == expected


def test_without_fast_int8_and_with_an_offset() -> None:
    assert chosen(3, 0, 15, fast=False) == ("float32", 0)
    assert chosen(3, 0, 15, offset=1 << 24) == ("int8", 0)
    assert chosen(3, 0, 15, offset=1 << 31) == ("float64", 0)


def test_beyond_63_bits_is_refused_by_layer() -> None:
    with pytest.raises(StageError, match=r"layer 'layer' may reach 9223372036854775808 \(2\^63"):
        chosen(1 << 31, 0, 1 << 31)
    builder = Builder()
    builder.input("x", (1 << 20, 1 << 20, 1), 0, 1 << 23)
    with pytest.raises(StageError, match=r"layer .sum. may reach .* at most 2\^63 - 1"):
        builder.add("sum", GlobalSum(), ["x"])
    builder.input("y", (4,), -(1 << 62), 1 << 62)
    with pytest.raises(StageError, match="layer 'add'"):
        builder.add("add", ArithmeticOp("add"), ["y", "y"])


def test_sums_of_large_weights_do_not_wrap() -> None:
    columns = np.full((1, 4), (1 << 62) - 1)
    assert bounds.magnitude(columns, 0, 1) == 4 * ((1 << 62) - 1)
    builder = Builder()
    builder.input("x", (4,), 0, 1)
    with pytest.raises(StageError, match="layer 'dense'"):
        builder.add("dense", MatMul(columns.T, np.zeros(1, np.int64)), ["x"])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-128, 127, "int8"), (0, 128, "uint8"), (-1, 128, "int16"), (0, 256, "int16"),
        (0, 1 << 15, "int32"), (-(1 << 31), 0, "int32"), (0, 1 << 31, "int64"),
    ],
)  # fmt: skip
def test_the_narrowest_storage(low: int, high: int, expected: str) -> None:
    assert bounds.storage(low, high) == expected


fractions = st.fractions(-4, 4, max_denominator=8)


@st.composite
def steps(draw: Any) -> Affine | Clamp:
    if draw(st.booleans()):
        return Affine(rationals([draw(fractions), draw(fractions)]), rationals([draw(fractions)]))
    ends = sorted([draw(fractions), draw(fractions)])
    return Clamp(*(draw(st.sampled_from([end, None])) for end in ends))


@quick
@given(st.lists(steps(), max_size=4), st.lists(fractions, min_size=1, max_size=3), st.data())
def test_thresholds_invert_any_chain_of_steps(chain: Any, levels: Any, data: Any) -> None:
    levels = sorted(levels)
    strict = np.array([data.draw(st.booleans()) for _ in levels])
    found, sign = thresholds(chain, rationals([levels]), strict)
    for x in range(-40, 41):
        for channel in (0, 1):
            y = Fraction(x)
            for step in chain:
                if isinstance(step, Affine):
                    y = step.factor[channel] * y + step.bias[0]
                else:
                    y = y if step.low is None else max(y, step.low)
                    y = y if step.high is None else min(y, step.high)
            row, own = found[min(channel, len(found) - 1)], sign[min(channel, len(sign) - 1)]
            for level, is_strict, threshold in zip(levels, strict, row, strict=True):
                reached = y > level if is_strict else y >= level
                assert reached == (own * x >= threshold), (chain, x, level)


def test_the_common_scale() -> None:
    assert common_scale([Fraction(3, 4), Fraction(-1, 6), Fraction(0)]) == Fraction(1, 12)
    assert common_scale([Fraction(0)]) == 1
