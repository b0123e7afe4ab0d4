"""Concat and split along the channels: any types, any number of streams of any size."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import ACTIVATIONS, Case, divisor, examples_in_packs, refusal, verify

PACK = 20
VECTORS = [[1], [1, 3], [1, 2, 2]]


def concat(kinds: list[str], channels: list[int], simd: int, vectors: list[int]) -> Case:
    """One concat; the output type is FINN's choice."""
    attributes = {
        "SIMD": simd, "ChannelsPerStream": channels, "inputDataTypes": kinds,
        "numInputVectors": vectors, "inFIFODepths": [2] * len(kinds),
    }  # fmt: skip
    inputs = tuple(((*vectors, n), kind) for n, kind in zip(channels, kinds, strict=True))
    return Case("StreamingConcat_rtl", attributes, inputs, (((*vectors, sum(channels)), "INT32"),))


def split(kind: str, channels: list[int], simd: int, vectors: list[int]) -> Case:
    """One split."""
    attributes = {
        "SIMD": simd, "ChannelsPerStream": channels, "inputDataType": kind,
        "numInputVectors": vectors, "outFIFODepths": [2] * len(channels),
    }  # fmt: skip
    outputs = tuple(((*vectors, n), kind) for n in channels)
    return Case("StreamingSplit_rtl", attributes, (((*vectors, sum(channels)), kind),), outputs)


@st.composite
def cases(draw: Any) -> Case:
    """A random concat or split."""
    channels = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    channels = [draw(st.sampled_from([1, 2, 6])) * n for n in channels]
    simd, vectors = divisor(draw, math.gcd(*channels)), draw(st.sampled_from(VECTORS))
    if draw(st.booleans()):
        return split(draw(st.sampled_from(ACTIVATIONS)), channels, simd, vectors)
    kinds = [draw(st.sampled_from(ACTIVATIONS)) for _ in channels]
    return concat(kinds, channels, simd, vectors)


@examples_in_packs(PACK)
@given(st.lists(cases(), min_size=PACK, max_size=PACK), st.integers(1, 1 << 20))
def test_any_configuration_is_exact(
    tmp_path_factory: pytest.TempPathFactory, pack: list[Case], seed: int
) -> None:
    verify(pack, tmp_path_factory.mktemp("concat"), seed)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            concat(["INT4", "INT4"], [4, 6], 4, [1]),
            r"SIMD of layer layer_0 \(concat_streams\) is 4; expected a divisor of 2",
        ),
        (concat(["INT4", "INT4"], [4, 6], 0, [1]), "SIMD of layer .* is 0; expected 1 to"),
        (concat(["INT4", "FLOAT32"], [4, 6], 2, [1]), "FLOAT32; expected integers"),
        (concat(["INT4"] * 65, [1] * 65, 1, [1]), "parameter N of .* is 65; expected 1 to 64"),
        (
            split("INT4", [4, 6], 4, [1]),
            r"SIMD of layer layer_0 \(split_stream\) is 4; expected a divisor of 2",
        ),
        (split("INT4", [4, 6], 0, [1]), "SIMD of layer .* is 0; expected 1 to"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(tmp_path: Path, case: Case, message: str) -> None:
    refusal(tmp_path, case, message)
