"""Exact comparison: counts, first frames, first layers; nothing is close enough."""

import numpy as np
import pytest

from lepton_hw.executors.compare import agreement, first_difference, first_wrong_frame

EXPECTED = np.arange(24).reshape(4, 3, 2)


def changed(*places: tuple[int, ...]) -> np.ndarray:
    values = EXPECTED.copy()
    for place in places:
        values[place] += 1
    return values


@pytest.mark.parametrize(
    ("got", "vectors", "mismatches", "first"),
    [
        (EXPECTED, 4, 0, None),
        (EXPECTED[:2], 2, 0, None),  # fewer vectors were run, all of them right
        (changed((2, 1, 1)), 4, 1, 2),
        (changed((3, 0, 0), (1, 2, 1), (1, 0, 0)), 4, 2, 1),
        (EXPECTED.reshape(4, 6), 4, 4, 0),
        (EXPECTED[:, :2], 4, 4, 0),
        (np.concatenate([EXPECTED, EXPECTED]), 8, 8, 0),  # more than was asked for
        (EXPECTED[:0], 0, 0, None),
    ],
)
def test_frames(got: np.ndarray, vectors: int, mismatches: int, first: int | None) -> None:
    counted = agreement(EXPECTED, got)
    assert (counted.vectors, counted.mismatches) == (vectors, mismatches)
    assert first_wrong_frame(EXPECTED, got) == first


def test_one_step_in_a_large_number_counts() -> None:
    large = np.array([[2**53 + 1]])
    assert agreement(large, large - 1).mismatches == 1


LAYERS = [("input", "door", "a"), ("conv", "MVAU", "b"), ("head", "MVAU", "c")]
TENSORS = {"a": np.zeros((2, 2), int), "b": np.ones((2, 3), int), "c": np.full(4, 7)}


def test_the_first_layer_in_order_is_named() -> None:
    got = {**TENSORS, "c": np.array([7, 7, 8, 7]), "b": np.array([[1, 1, 1], [1, -3, 1]])}
    found = first_difference("rtl", "finn", 5, LAYERS, TENSORS, got)
    assert found is not None
    assert (found.layer, found.op, found.index) == ("conv", "MVAU", (1, 1))
    assert (found.expected, found.got, found.frame) == (1, -3, 5)
    assert found.sentence() == (
        "rtl and finn first differ in vector 5 at the output of layer conv (MVAU), "
        "element [1, 1]: rtl has -3"
    )


def test_equal_or_unknown_tensors_are_no_difference() -> None:
    assert first_difference("rtl", "finn", 0, LAYERS, TENSORS, dict(TENSORS)) is None
    assert first_difference("rtl", "finn", 0, [("x", "y", "z")], TENSORS, {}) is None


@pytest.mark.parametrize("got", [{}, {**TENSORS, "a": np.zeros(4, int)}])
def test_a_missing_or_misshapen_tensor_is_a_difference(got: dict[str, np.ndarray]) -> None:
    found = first_difference("rtl", "finn", 0, LAYERS, TENSORS, got)
    assert found is not None
    assert (found.layer, found.index, found.expected, found.got) == ("input", (0, 0), 0, None)
    assert "rtl has nothing" in found.sentence()
