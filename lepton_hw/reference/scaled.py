"""Real tensors as exact functions of integer ones, channel by channel, and their inversion.

A float constant is the rational number that its bits say; every step after that is exact.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.reference.graph import Ints

#: Object arrays of Fractions, one value or one a channel.
Rationals = NDArray[Any]
#: A threshold that no integer of 63 bits reaches, or that all do.
NEVER = 1 << 62
ALWAYS = -NEVER

_ceil = np.frompyfunc(math.ceil, 1, 1)
_floor = np.frompyfunc(math.floor, 1, 1)


def rationals(values: Any) -> Rationals:
    """The exact values of an array of floats."""
    array = np.asarray(values)
    exact = np.empty(array.size, dtype=object)
    exact[:] = [Fraction(value) for value in array.reshape(-1).tolist()]
    return exact.reshape(array.shape)


ONE, ZERO = rationals([1]), rationals([0])


@dataclass(frozen=True, eq=False)
class Affine:
    """``factor × x + bias``."""

    factor: Rationals
    bias: Rationals


@dataclass(frozen=True)
class Clamp:
    """The nearest value between two; None leaves that side open."""

    low: Fraction | None
    high: Fraction | None


@dataclass(frozen=True, eq=False)
class Scaled:
    """`steps`, in order, on the integer tensor `name`; its channels lie along `axis` of a frame."""

    name: str
    axis: int = 0
    steps: tuple[Affine | Clamp, ...] = ()

    def then_affine(self, factor: Rationals, bias: Rationals) -> "Scaled":
        """With one more affine step, merged into the last if that is one too."""
        last = self.steps[-1] if self.steps else None
        if isinstance(last, Affine):
            merged = Affine(last.factor * factor, last.bias * factor + bias)
            return replace(self, steps=(*self.steps[:-1], merged))
        return replace(self, steps=(*self.steps, Affine(factor, bias)))

    def then_clamp(self, low: Fraction | None, high: Fraction | None) -> "Scaled":
        """With one more limit."""
        return replace(self, steps=(*self.steps, Clamp(low, high)))

    @property
    def channels(self) -> int:
        """How many channels differ: 1 where all are treated alike."""
        sizes = [s.factor.size for s in self.steps if isinstance(s, Affine)]
        sizes += [s.bias.size for s in self.steps if isinstance(s, Affine)]
        return max(sizes, default=1)

    @property
    def is_increasing(self) -> bool:
        """Whether no factor is negative."""
        return all((s.factor >= 0).all() for s in self.steps if isinstance(s, Affine))


def common_scale(values: Sequence[Fraction]) -> Fraction:
    """The largest number of which all are whole multiples; 1 where all are zero."""
    scale = Fraction(0)
    for value in values:
        top = math.gcd(scale.numerator * value.denominator, value.numerator * scale.denominator)
        scale = Fraction(top, scale.denominator * value.denominator)
    return scale or Fraction(1)


def thresholds(
    steps: Sequence[Affine | Clamp], levels: Rationals, strict: NDArray[np.bool_]
) -> tuple[Ints, Ints]:
    """Where real levels are reached, as thresholds on the integers.

    Args:
        steps: from the integer to the real tensor.
        levels: ascending, (C or 1, T).
        strict: (T,), whether a level must be exceeded and not only met.

    Returns:
        thresholds (C or 1, T), sign (C or 1,): a level is reached if ``sign × x >= threshold``.
    """
    # "sign × y >= level" is carried back through each step to "sign × x >= level".
    sign = ONE.reshape(1, 1)
    always = never = np.zeros((1, 1), dtype=bool)
    for step in reversed(steps):
        if isinstance(step, Affine):
            factor, bias = sign * step.factor.reshape(-1, 1), sign * step.bias.reshape(-1, 1)
            rest = levels - bias
            is_flat = factor == 0
            reached = np.where(strict, rest < 0, rest <= 0)
            decided = is_flat & reached, is_flat & ~reached
            levels = rest / np.where(is_flat, ONE, abs(factor))
            sign = np.where(factor < 0, -ONE, ONE)
        else:
            decided = _outside(step, levels, strict, sign)
        # What an outer step has decided stays so.
        always, never = always | (decided[0] & ~never), never | (decided[1] & ~always)
    whole = np.where(strict, _floor(levels) + 1, _ceil(levels))
    whole = np.clip(whole, ALWAYS, NEVER)
    whole = np.where(always, ALWAYS, np.where(never, NEVER, whole)).astype(np.int64)
    channels = np.broadcast_shapes(whole.shape[:1], sign.shape[:1])
    return whole, np.broadcast_to(sign[:, 0], channels).astype(np.int64)


def _outside(step: Clamp, levels: Rationals, strict: Any, sign: Rationals) -> tuple[Any, Any]:
    """Levels that a clamped value always, and never, reaches."""
    nothing = np.zeros(np.broadcast_shapes(levels.shape, sign.shape), dtype=bool)
    always, never = nothing, nothing
    for is_up, low, high in (
        (sign > 0, step.low, step.high),
        (sign < 0, _negative(step.high), _negative(step.low)),
    ):
        if low is not None:
            always = always | (is_up & np.where(strict, levels < low, levels <= low))
        if high is not None:
            never = never | (is_up & np.where(strict, levels >= high, levels > high))
    return always, never


def _negative(value: Fraction | None) -> Fraction | None:
    return None if value is None else -value
