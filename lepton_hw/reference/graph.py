"""The integer graph as a plain value: tensors with bounds, nodes in order of execution.

It knows no operator; those are in `ir`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Tensor:
    """Integers from `low` to `high`; `shape` is that of one frame, without the batch."""

    name: str
    shape: Shape
    low: int
    high: int

    @property
    def range(self) -> tuple[int, int]:
        """Both bounds."""
        return self.low, self.high


#: What an operator gives: the shape and the bounds of each output.
Result = tuple[Shape, int, int]


class Op:
    """An operator; `results` derives what it gives from what it gets."""

    def results(self, inputs: Sequence[Tensor]) -> tuple[Result, ...]:
        """Shapes and bounds of the outputs; of one frame."""
        raise NotImplementedError


@dataclass(frozen=True)
class Node:
    """One layer: `name` as in the file that was read, inputs and outputs by tensor name."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """Nodes in the order of execution.

    An output integer c of the graph stands for ``scale * c + bias`` (one value, or one a channel);
    where these are empty, as in a FINN graph, the graph does not say. `inner` names tensors that
    the file that was read does not have.
    """

    nodes: tuple[Node, ...]
    tensors: dict[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    scale: tuple[float, ...] = ()
    bias: tuple[float, ...] = ()
    inner: frozenset[str] = frozenset()
