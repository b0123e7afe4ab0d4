"""Metrics against values worked out by hand."""

import numpy as np
import pytest

from lepton_hw.training.metrics import metrics


def test_three_classes_by_hand() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 1, 1, 2, 2])
    got = metrics(labels, predicted, ("a", "b", "c"))
    assert got.confusion == ((2, 1, 0), (0, 1, 1), (0, 0, 1))
    assert got.accuracy == pytest.approx(4 / 6)
    assert [row.precision for row in got.classes] == pytest.approx([1.0, 0.5, 0.5])
    assert [row.recall for row in got.classes] == pytest.approx([2 / 3, 0.5, 1.0])
    assert [row.f1 for row in got.classes] == pytest.approx([0.8, 0.5, 2 / 3])
    assert [row.support for row in got.classes] == [3, 2, 1]
    assert got.precision == pytest.approx(2 / 3)
    assert got.recall == pytest.approx((2 / 3 + 0.5 + 1) / 3)
    assert got.f1 == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)


def test_a_class_that_is_never_seen_nor_named_counts_as_zero() -> None:
    got = metrics(np.array([0, 0]), np.array([0, 0]), ("a", "b"))
    assert got.accuracy == 1.0
    assert (got.classes[1].precision, got.classes[1].recall, got.classes[1].f1) == (0.0, 0.0, 0.0)
    assert got.f1 == 0.5
