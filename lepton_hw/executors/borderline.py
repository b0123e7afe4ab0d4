"""How near a float model's decisions come to the other code.

A quantiser decides between two codes at a threshold; where a float32 value lies within one unit in
its last place of that threshold, the rounding of the sum before it may decide. Counts such
activations in a QONNX graph's own float values; computes no network itself.
"""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.certificate import FloatCheck, LayerMargin
from lepton_hw.qonnx_names import QUANT

Floats = NDArray[np.float32]
#: Activations listed one by one in the file; the counts go on beyond.
MAX_LISTED = 100_000
#: Distances are told up to here, in units in the last place.
NEAR = 1.0


@dataclass(frozen=True)
class Decision:
    """A quantiser of activations: the tensor it reads, and the nearest threshold of each value."""

    layer: str
    tensor: str
    nearest: Callable[[Floats], Floats]


class Borderline:
    """Collects over any number of batches; `check()` sums up, `save()` lists every one."""

    def __init__(self, model: Any) -> None:
        self.decisions = tuple(_decisions(model))
        self._counts = {d.layer: [0, 0] for d in self.decisions}
        self._margins = {d.layer: np.inf for d in self.decisions}
        self.listed: list[tuple[str, int, str, float, float, float]] = []

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the tensors that `add` reads."""
        return tuple(decision.tensor for decision in self.decisions)

    def add(self, tensors: Mapping[str, Floats], first_frame: int) -> None:
        """One batch: float values (N, ...) by tensor name, frame `first_frame` first."""
        for decision in self.decisions:
            values = np.asarray(tensors[decision.tensor], dtype=np.float32)
            near = decision.nearest(values)
            margin = np.abs(values - near) / np.spacing(np.maximum(np.abs(values), np.abs(near)))
            close = np.argwhere(margin <= NEAR)
            counts = self._counts[decision.layer]
            counts[0] += values.size
            counts[1] += len(close)
            smallest = min(self._margins[decision.layer], float(margin.min(initial=np.inf)))
            self._margins[decision.layer] = smallest
            for place in close[: MAX_LISTED - len(self.listed)]:
                at = tuple(place)
                index = " ".join(str(i) for i in place[1:])
                self.listed.append(
                    (
                        decision.layer,
                        first_frame + int(place[0]),
                        index,
                        float(values[at]),
                        float(near[at]),
                        float(margin[at]),
                    )
                )

    def check(self) -> FloatCheck:
        """Counts over everything added so far."""
        layers = tuple(
            LayerMargin(
                layer=layer,
                decisions=counts[0],
                within_one_ulp=counts[1],
                smallest_margin_ulp=round(float(min(self._margins[layer], 1e12)), 3),
            )
            for layer, counts in self._counts.items()
        )
        return FloatCheck(
            decisions=sum(row.decisions for row in layers),
            within_one_ulp=sum(row.within_one_ulp for row in layers),
            layers=layers,
        )

    def save(self, file: Path) -> None:
        """One line an activation: layer, frame, index, value, threshold, margin in ULP."""
        with file.open("w", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(("layer", "frame", "index", "value", "threshold", "margin_ulp"))
            writer.writerows(self.listed)

    def state(self) -> dict[str, Any]:
        """Everything collected, as JSON values; `restore` takes it back."""
        return {"counts": self._counts, "margins": self._margins, "listed": self.listed}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from a `state()` of the same model."""
        self._counts = {layer: list(counts) for layer, counts in state["counts"].items()}
        self._margins = {layer: float(margin) for layer, margin in state["margins"].items()}
        self.listed = [tuple(row) for row in state["listed"]]


def _decisions(model: Any) -> list[Decision]:
    from qonnx.custom_op.registry import getCustomOp

    found = []
    for node in model.graph.node:
        if model.get_initializer(node.input[0]) is not None:
            continue  # weights
        name = node.name or node.output[0]
        if node.op_type in QUANT:
            kind = getCustomOp(node).get_integer_datatype(model)
            scale, zero = (model.get_initializer(tensor) for tensor in node.input[1:3])
            if scale is None or zero is None:
                continue
            steps = _of_steps(np.float64(scale), np.float64(zero), kind.min(), kind.max())
            found.append(Decision(name, node.input[0], steps))
        elif node.op_type == "BipolarQuant":
            found.append(Decision(name, node.input[0], np.zeros_like))
        elif node.op_type == "MultiThreshold":
            levels = model.get_initializer(node.input[1])
            found.append(Decision(name, node.input[0], _of_levels(levels)))
    return found


def _of_steps(
    scale: NDArray[np.float64] | np.float64,
    zero: NDArray[np.float64] | np.float64,
    low: float,
    high: float,
) -> Callable[[Floats], Floats]:
    """Thresholds of a rounding quantiser: ``(k + 1/2 - zero) * scale``, k from low to high - 1."""

    def nearest(values: Floats) -> Floats:
        step = np.clip(np.floor(values / scale + zero), low, high - 1)
        return np.asarray((step + 0.5 - zero) * scale, dtype=np.float32)

    return nearest


def _of_levels(levels: Floats) -> Callable[[Floats], Floats]:
    """The nearest of a channel's thresholds (channels, steps), channels at axis 1."""

    def nearest(values: Floats) -> Floats:
        found = np.empty_like(values)
        for channel in range(values.shape[1]):
            row = levels[channel % len(levels)]
            part = values[:, channel]
            above = np.clip(np.searchsorted(row, part), 1, len(row) - 1) if len(row) > 1 else 0
            below = np.maximum(above - 1, 0)
            nearer = np.abs(row[below] - part) <= np.abs(row[above] - part)
            found[:, channel] = np.where(nearer, row[below], row[above])
        return found

    return nearest
