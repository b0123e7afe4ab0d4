"""Packing of integers into beats, against plain Python integers, for every width."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_hw.datatypes import value_range
from lepton_hw.errors import InputError
from lepton_hw.sim.packing import checked, pack, unpack, words_per_beat


def plain_pack(beat: list[int], bits: int, words: int) -> list[int]:
    """Reference: one big integer per beat, element 0 in the lowest bits."""
    whole = sum((value % (1 << bits)) << (bits * index) for index, value in enumerate(beat))
    return [(whole >> (32 * word)) & 0xFFFFFFFF for word in range(words)]


@st.composite
def batches(draw: st.DrawFn) -> tuple[str, int, int, list[list[int]]]:
    signed = draw(st.booleans())
    bits = draw(st.integers(1, 62))
    elements = draw(st.integers(1, 70))
    dtype = f"INT{bits}" if signed else f"UINT{bits}"
    low, high = value_range(dtype)
    value = st.integers(low, high)
    beat = st.lists(value, min_size=elements, max_size=elements)
    return dtype, bits, elements, draw(st.lists(beat, min_size=1, max_size=5))


@given(batches(), st.integers(0, 80))
def test_round_trip_and_reference(
    batch: tuple[str, int, int, list[list[int]]], padding: int
) -> None:
    dtype, bits, elements, beats = batch
    width = bits * elements + padding
    words = pack(np.array(beats, np.int64), elements, bits, width, dtype)
    assert words.dtype == np.uint32
    assert words.tolist() == [plain_pack(beat, bits, words_per_beat(width)) for beat in beats]
    assert unpack(words, elements, bits, dtype).tolist() == beats


@given(batches(), st.integers(0, 2**32 - 1))
def test_padding_bits_are_ignored(batch: tuple[str, int, int, list[list[int]]], noise: int) -> None:
    dtype, bits, elements, beats = batch
    used = bits * elements
    words = pack(np.array(beats, np.int64), elements, bits, used, dtype)
    if used % 32:
        words[:, -1] |= np.uint32((noise << (used % 32)) & 0xFFFFFFFF)
    assert unpack(words, elements, bits, dtype).tolist() == beats


@given(st.lists(st.sampled_from([-1, 1]), min_size=1, max_size=200))
def test_bipolar_is_one_bit(values: list[int]) -> None:
    words = pack(np.array([values]), len(values), 1, len(values), "BIPOLAR")
    reference = plain_pack([(value + 1) // 2 for value in values], 1, words.shape[1])
    assert words[0].tolist() == reference
    assert unpack(words, len(values), 1, "BIPOLAR")[0].tolist() == values


def test_ternary_is_two_bits_signed() -> None:
    words = pack(np.array([[-1, 0, 1]]), 3, 2, 8, "TERNARY")
    assert words.tolist() == [[0b010011]]
    assert unpack(words, 3, 2, "TERNARY").tolist() == [[-1, 0, 1]]


def test_large_batches_go_in_blocks() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-8, 8, (3000, 700))
    words = pack(values, 700, 4, 2800, "INT4")
    assert words.shape == (3000, 88)
    assert words[2999].tolist() == plain_pack(values[2999].tolist(), 4, 88)
    assert np.array_equal(unpack(words, 700, 4, "INT4"), values)


def test_beats_come_in_c_order() -> None:
    values = np.arange(12).reshape(1, 2, 2, 3)
    assert pack(values, 3, 8, 24, "UINT8").tolist() == [
        [0x020100], [0x050403], [0x080706], [0x0B0A09],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0, 1]], "holds 0; expected only -1 and 1"),
        ([[2, 1]], "values from 1 to 2; expected BIPOLAR"),
        ([[1, 1, 1]], r"shape \(1, 3\); expected \(frames, 2\)"),
    ],
)
def test_bipolar_batches_are_checked(values: list[list[int]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked(np.array(values), (2,), "BIPOLAR", "x")
