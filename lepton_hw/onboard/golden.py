"""Golden vectors, again and again while a service runs: the integers are still the certified ones.

A few frames a time, in turn, so that all are seen before one is seen twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from .errors import DesignError, HardwareError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .manifest import Manifest

    Codes = NDArray[Any]


VECTORS = "vectors.npz"


class Wrong(HardwareError):
    """A golden vector gave another integer than the certificate says."""


class Golden:
    """`inputs` (N, *shape) and the `outputs` that they must give."""

    def __init__(self, inputs: Codes, outputs: Codes) -> None:
        self.inputs, self.outputs = inputs, outputs
        self._next = 0

    def check(self, infer: Callable[[Codes], Codes], frames: int) -> int:
        """Compares the next `frames` vectors and returns how many; raises `Wrong`."""
        size = len(self.inputs)
        at = [(self._next + step) % size for step in range(min(frames, size))]
        self._next = (self._next + len(at)) % max(1, size)
        if at:
            self._compare(at, infer(self.inputs[at]))
        return len(at)

    def _compare(self, at: list[int], found: Codes) -> None:
        expected = self.outputs[at]
        if found.shape != expected.shape:
            raise Wrong(
                f"golden vectors give outputs of shape {found.shape}",
                f"{expected.shape}",
                "deploy the design again",
            )
        wrong = np.argwhere(found != expected)
        if len(wrong):
            place = tuple(int(i) for i in wrong[0])
            index = (at[place[0]], *place[1:])
            raise Wrong(
                f"golden vector {index} gives {found[place]}",
                f"{expected[place]}, as certified",
                "do not trust this service's answers; start it again, and see the supply and "
                "the temperature of the board",
            )


def read_golden(manifest: Manifest) -> Golden:
    """Those of a deployment; raises `DesignError` where it has none."""
    if VECTORS not in manifest.files:
        raise DesignError(
            f"design.json lists no {VECTORS}", "golden vectors", "deploy it with vectors"
        )
    with np.load(str(manifest.folder / VECTORS), allow_pickle=False) as vectors:
        return Golden(vectors["inputs"], vectors["outputs"])
