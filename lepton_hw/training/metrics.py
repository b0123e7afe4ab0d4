"""Classification metrics on integers: accuracy, precision, recall, F1, confusion matrix.

Pure NumPy; never sees a network.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict


class ClassMetrics(BaseModel):
    """One class: fractions from 0 to 1; a fraction of nothing is 0. `support` counts labels."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    precision: float
    recall: float
    f1: float
    support: int


class Metrics(BaseModel):
    """`confusion[i][j]` counts images of class i that were taken for class j.

    The macro figures are plain means over the classes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    accuracy: float
    precision: float
    recall: float
    f1: float
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]


def metrics(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], names: Sequence[str]
) -> Metrics:
    """All metrics of `predicted` against `labels`, both (N,) class numbers."""
    count = len(names)
    confusion = np.zeros((count, count), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    right = np.diag(confusion).astype(float)
    precision = _fraction(right, confusion.sum(axis=0))
    recall = _fraction(right, confusion.sum(axis=1))
    f1 = _fraction(2 * precision * recall, precision + recall)
    rows = tuple(
        ClassMetrics(name=name, precision=p, recall=r, f1=f, support=int(n))
        for name, p, r, f, n in zip(
            names,
            precision.tolist(),
            recall.tolist(),
            f1.tolist(),
            confusion.sum(axis=1),
            strict=True,
        )
    )
    return Metrics(
        accuracy=float(right.sum() / max(len(labels), 1)),
        precision=float(precision.mean()),
        recall=float(recall.mean()),
        f1=float(f1.mean()),
        classes=rows,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def _fraction(part: NDArray[np.float64], whole: NDArray[np.generic]) -> NDArray[np.float64]:
    divisor = whole.astype(np.float64)
    return np.divide(part, divisor, out=np.zeros_like(divisor), where=divisor > 0)
