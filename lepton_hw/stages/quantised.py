"""What a QONNX graph says of a tensor: the integers in it, and the real value of one step.

Only reads the graph.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.qonnx_names import QUANTISERS

#: Operators through which a quantised tensor keeps its codes and its scale.
TRANSPARENT = (
    "Reshape", "Flatten", "Transpose", "Identity", "MaxPool", "Resize", "Upsample", "Split",
    "Squeeze", "Unsqueeze", "Pad", "Relu",
)  # fmt: skip
JOINS = ("Add", "Concat")
#: A sum of more codes than this is taken for one without codes: remedies try every one.
MOST_CODES = 1 << 24
#: Scales that differ by less than float32 can tell are the same.
SAME = 1e-6


@dataclass(frozen=True)
class Codes:
    """A tensor whose values are `scale` times whole numbers from `low` to `high`."""

    scale: float
    low: int
    high: int

    @property
    def values(self) -> NDArray[np.int64]:
        """Every whole number in the range."""
        return np.arange(self.low, self.high + 1)


def codes_of(model: Any, tensor: str) -> Codes | None:
    """The codes of a tensor; None where it holds no whole steps of one scale.

    Looks back through what moves values, through constant factors, and through sums and
    concatenations of equal scales, to quantisers or to the model's integer input.
    """
    return _codes(model, tensor, {})


def _codes(model: Any, tensor: str, known: dict[str, Codes | None]) -> Codes | None:
    """As `codes_of`; each tensor once, since a chain of sums doubles the ways to its start."""
    if tensor not in known:
        known[tensor] = _one_step(model, tensor, known)
    return known[tensor]


def _one_step(model: Any, tensor: str, known: dict[str, Codes | None]) -> Codes | None:
    node = model.find_producer(tensor)
    if node is None:
        return _of_input(model, tensor)
    if node.op_type in QUANTISERS:
        return _of_quantiser(model, node)
    if node.op_type in JOINS:
        return _of_join(node.op_type, [_codes(model, name, known) for name in node.input])
    if node.op_type in TRANSPARENT:
        return _codes(model, node.input[0], known)
    factor = constant_factor(model, node)
    return None if factor is None else _scaled(_codes(model, node.input[0], known), factor)


def origin(model: Any, tensor: str) -> Any | None:
    """The node behind what only moves values and constant factors; None at the model's input."""
    while (node := model.find_producer(tensor)) is not None:
        if node.op_type not in TRANSPARENT and constant_factor(model, node) is None:
            return node
        tensor = node.input[0]
    return None


def constant_factor(model: Any, node: Any) -> NDArray[Any] | None:
    """What a Mul or Div multiplies its first input with, if that is constant."""
    if node.op_type not in ("Mul", "Div"):
        return None
    constant = model.get_initializer(node.input[1])
    if constant is None or model.get_initializer(node.input[0]) is not None:
        return None
    return 1.0 / constant if node.op_type == "Div" else np.asarray(constant)


def is_static(model: Any, tensor: str) -> bool:
    """Whether a tensor is a constant, or the quantised form of one."""
    producer = model.find_producer(tensor)
    if producer is None:
        return model.get_initializer(tensor) is not None
    return all(model.get_initializer(name) is not None for name in producer.input)


def same_scale(one: float, other: float) -> bool:
    """Whether two scales are one, up to what float32 can tell."""
    return bool(np.isclose(one, other, rtol=SAME, atol=0))


def one_value(values: NDArray[Any]) -> float | None:
    """The value that all elements have, or None."""
    flat = np.unique(values)
    spread = bool(np.allclose(flat, flat[:1], rtol=SAME, atol=0))
    return float(flat[0]) if flat.size and spread else None


def _of_input(model: Any, tensor: str) -> Codes | None:
    kind = model.get_tensor_datatype(tensor)
    if model.get_initializer(tensor) is not None or not kind.is_integer():
        return None
    return Codes(1.0, int(kind.min()), int(kind.max()))


def _of_quantiser(model: Any, node: Any) -> Codes | None:
    from qonnx.custom_op.registry import getCustomOp

    scale = model.get_initializer(node.input[1])
    step = None if scale is None else one_value(scale)
    if step is None:
        return None
    if node.op_type == "BipolarQuant":
        return Codes(step, -1, 1)
    zero, bits = (model.get_initializer(name) for name in node.input[2:4])
    if zero is None or bits is None or np.any(zero != 0) or np.size(bits) != 1:
        return None
    kind = getCustomOp(node).get_integer_datatype(model)
    return Codes(step, int(kind.min()), int(kind.max()))


def _scaled(codes: Codes | None, factor: NDArray[Any]) -> Codes | None:
    if codes is None or factor.size != 1 or factor.item() <= 0:
        return None
    return Codes(codes.scale * float(factor.item()), codes.low, codes.high)


def _of_join(kind: str, parts: list[Codes | None]) -> Codes | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or not all(same_scale(known[0].scale, p.scale) for p in known):
        return None
    lows, highs = [part.low for part in known], [part.high for part in known]
    if kind == "Add":
        low, high = sum(lows), sum(highs)
        return Codes(known[0].scale, low, high) if high - low < MOST_CODES else None
    return Codes(known[0].scale, min(lows), max(highs))
