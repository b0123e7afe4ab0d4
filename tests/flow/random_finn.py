"""What random graphs of FINN's hardware layers have in common: types, values, the model itself."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from onnx import helper

#: What FINN's float32 model holds exactly.
MOST = 1 << 24
TYPES = [
    "BIPOLAR", "BINARY", "TERNARY", *(f"UINT{n}" for n in range(2, 9)),
    *(f"INT{n}" for n in range(2, 9)),
]  # fmt: skip
WEIGHTS = ["BIPOLAR", "BINARY", "TERNARY", "INT2", "INT3", "INT4", "INT8", "INT9", "UINT8"]
DOMAIN = "finn.custom_op.fpgadataflow"


@dataclass(frozen=True)
class State:
    """A tensor on the way: (1, H, W, C) from `low` to `high`."""

    name: str
    shape: tuple[int, int, int]
    low: int
    high: int
    kind: str


def type_of(low: int, high: int) -> str:
    """The narrowest type that holds both."""
    if low >= 0:
        return "BINARY" if high <= 1 else f"UINT{high.bit_length()}"
    return f"INT{max((-low - 1).bit_length(), high.bit_length()) + 1}"


def limits(kind: str) -> tuple[int, int]:
    """Smallest and largest value."""
    from qonnx.core.datatype import DataType

    return int(DataType[kind].min()), int(DataType[kind].max())


class GrowingGraph:
    """Nodes, values and constants so far, and where the next layer starts."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
        self.nodes: list[Any] = []
        self.values: dict[str, tuple[tuple[int, ...], str]] = {}
        self.constants: dict[str, tuple[Any, str]] = {}
        kind = self.pick(TYPES)
        shape = (self.pick([1, 3, 4, 6]), self.pick([1, 3, 5, 6]), self.pick([1, 2, 3, 4, 6, 8]))
        self.start = self.state = State("x", shape, *limits(kind), kind)
        self.values["x"] = ((1, *shape), kind)

    def pick(self, choices: Any) -> Any:
        """One of them."""
        return self.draw(st.sampled_from(list(choices)))

    def divisor(self, number: int) -> int:
        """Any divisor."""
        return self.pick(n for n in range(1, number + 1) if number % n == 0)

    def add(
        self, op: str, inputs: list[str], result: State, rtl: bool | None = None, **attributes: Any
    ) -> None:
        """One node, as abstract layer or as RTL."""
        if rtl is None:
            rtl = self.draw(st.booleans())
        domain = f"{DOMAIN}.rtl" if rtl else DOMAIN
        self.nodes.append(
            helper.make_node(
                f"{op}_rtl" if rtl else op, inputs, [result.name], domain=domain,
                backend="fpgadataflow", **attributes,
            )
        )  # fmt: skip
        self.values[result.name] = ((1, *result.shape), result.kind)

    def new(self, shape: tuple[int, ...], low: int, high: int, kind: str | None = None) -> State:
        """A tensor that has no node yet."""
        height, width, channels = shape
        name = f"t{len(self.values)}"
        return State(name, (height, width, channels), low, high, kind or type_of(low, high))

    def codes(self, kind: str, shape: tuple[int, ...]) -> Any:
        """Values of a type: uniform, or only the ends."""
        low, high = limits(kind)
        if kind == "BIPOLAR" or self.draw(st.integers(0, 2)) == 0:
            return self.rng.choice([low, high], shape).astype(np.float32)
        return self.rng.integers(low, high, shape, endpoint=True).astype(np.float32)

    def weights(self, shape: tuple[int, ...], axis: int) -> tuple[str, str, int, int] | None:
        """Name and type of new weights, and the bounds of sums over `axis`; None if too large."""
        kind, name = self.pick(WEIGHTS), f"w{len(self.constants)}"
        values, state = self.codes(kind, shape), self.state
        up = np.maximum(values * state.low, values * state.high).sum(axis=axis).max()
        down = np.minimum(values * state.low, values * state.high).sum(axis=axis).min()
        worst = np.abs(values).sum(axis=axis).max() * max(abs(state.low), abs(state.high))
        if worst >= MOST:
            return None
        self.constants[name] = (values, kind)
        return name, kind, int(down), int(up)

    def frames(self, count: int) -> Any:
        """Lowest values, highest values, both at random, then uniform ones."""
        shape, low, high = self.start.shape, self.start.low, self.start.high
        batch = self.rng.integers(low, high, (count, *shape), endpoint=True)
        if self.start.kind == "BIPOLAR":
            batch = np.where(batch > 0, 1, -1)
        batch[0], batch[1] = low, high
        batch[2] = self.rng.choice([low, high], shape)
        return batch

    def model(self) -> Any:
        """As FINN wants it; every value known by shape and type."""
        from qonnx.core.datatype import DataType

        from lepton_hw.compiler.node_design import node_model

        doors = ({n: self.values[n]} for n in (self.start.name, self.state.name))
        model = node_model(self.nodes, *doors, self.constants)
        for name, (shape, kind) in self.values.items():
            model.set_tensor_shape(name, list(shape))
            model.set_tensor_datatype(name, DataType[kind])
        for index, node in enumerate(model.graph.node):
            node.name = f"{node.op_type}_{index}"
        return model
