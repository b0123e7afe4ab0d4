"""Collects nodes into a `Graph`, deriving every tensor's shape and bounds on the way.

Refuses what does not fit 63 bits, naming the layer; reads no files.
"""

from typing import Any

import numpy as np

from lepton_hw.errors import StageError
from lepton_hw.reference import bounds
from lepton_hw.reference.graph import Graph, Ints, Node, Op, Tensor
from lepton_hw.reference.ir import Transpose


class Builder:
    """Tensors and nodes so far."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._nodes: list[Node] = []
        self._inputs: list[str] = []
        self._own: set[str] = set()

    def input(self, name: str, shape: tuple[int, ...], low: int, high: int) -> str:
        """An input of the graph."""
        self.tensors[name] = Tensor(name, shape, low, high)
        self._inputs.append(name)
        return name

    def add(self, layer: str, op: Op, inputs: list[str], outputs: list[str] | None = None) -> str:
        """Appends a node and returns the name of its first output, one of its own if not given."""
        results = op.results([self.tensors[name] for name in inputs])
        if outputs is None:
            outputs = [f"{layer}:{type(op).__name__.lower()}{len(self._own)}"]
            self._own.update(outputs)
        for name, (shape, low, high) in zip(outputs, results, strict=True):
            worst = max(abs(low), abs(high))
            if worst > bounds.INT64:
                raise bounds.too_large(layer, worst)
            if min(shape, default=1) < 1:
                raise StageError(
                    f"layer '{layer}' gives a tensor of shape {shape}",
                    "at least one element in every axis",
                    "correct the model",
                )
            self.tensors[name] = Tensor(name, tuple(int(size) for size in shape), low, high)
        self._nodes.append(Node(layer, op, tuple(inputs), tuple(outputs)))
        return outputs[0]

    def transpose(
        self, layer: str, order: tuple[int, ...], name: str, output: str | None = None
    ) -> str:
        """The tensor with its axes in another order; itself where that changes nothing."""
        if order == tuple(range(len(order))) and output is None:
            return name
        return self.add(layer, Transpose(order), [name], None if output is None else [output])

    def graph(
        self,
        outputs: list[str],
        scale: tuple[float, ...] = (),
        bias: tuple[float, ...] = (),
    ) -> Graph:
        """What was collected, without nodes that lead to no output."""
        needed, kept = set(outputs), []
        for node in reversed(self._nodes):
            if not needed.isdisjoint(node.outputs):
                needed.update(node.inputs)
                kept.append(node)
        return Graph(
            tuple(reversed(kept)),
            self.tensors,
            tuple(self._inputs),
            tuple(outputs),
            scale,
            bias,
            frozenset(self._own),
        )


def whole(value: Any, tensor: str) -> Ints:
    """A constant as int64; raises `StageError` naming it where it holds fractions."""
    array = np.asarray(value, dtype=np.float64)
    if array.size and (not np.isfinite(array).all() or (array != np.rint(array)).any()):
        raise float_left(tensor, "a constant that is not whole")
    return array.astype(np.int64)


def float_left(tensor: str, what: str) -> StageError:
    """The refusal of a graph in which a tensor is not made of integers."""
    return StageError(
        f"tensor '{tensor}' is {what}",
        "integers everywhere, times one scale where a quantiser says so",
        "put a quantiser there, or train and export that layer again",
    )
