"""The integer path equals QONNX's own execution on random QONNX graphs, ties and signs included.

All scales are powers of two, so that the float side rounds nowhere but in its quantisers.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from lepton_hw.reference import read
from lepton_hw.reference.reference import Reference

from .test_reference_random import examples
from .tiny_onnx import QONNX
from .tiny_onnx import Graph as Nodes


class RandomQonnx(Nodes):
    """Grows by drawn layers; `tensor` of (1, C, H, W) is its end."""

    def __init__(self, draw: Any) -> None:
        super().__init__()
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
        self.kind = self.pick(["INT3", "UINT4", "INT8"])
        self.tensor, self.shape = "image", [self.pick([1, 3]), 4, self.pick([2, 4])]
        self.start = list(self.shape)
        for _ in range(draw(st.integers(1, 4))):
            self.pick([self.conv, self.depthwise, self.dense, self.branch])()
            for _ in range(draw(st.integers(0, 3))):
                self.pick([self.affine, self.relu, self.clip, self.max_pool])()
            self.pick([self.quant, self.quant, self.bipolar])()
        if draw(st.booleans()):
            self.relu()
        if draw(st.booleans()) and int(np.prod(self.shape[1:])) in (1, 2, 4, 8, 16):
            self.add("GlobalAveragePool", [self.tensor])
            self.shape[1:] = 1, 1

    def pick(self, choices: list[Any]) -> Any:
        return self.draw(st.sampled_from(choices))

    def add(self, op: str, inputs: list[str], **attributes: object) -> str:
        self.tensor = self.node(op, inputs, f"t{len(self.nodes)}", **attributes)
        return self.tensor

    def dyadic(self, count: int, shape: tuple[int, ...], signed: bool = False) -> str:
        values = 2.0 ** self.rng.integers(-3, 2, count)
        if signed:
            values *= self.rng.choice([1, -1, 0.5, -2, 0], count, p=[0.4, 0.3, 0.1, 0.1, 0.1])
        return self.constant(f"c{len(self.constants)}", values.astype(np.float32).reshape(shape))

    def quantised_weights(self, shape: tuple[int, ...], axis: int = 0) -> str:
        scales = [1] * len(shape)
        if self.draw(st.booleans()):
            scales[axis] = shape[axis]
        values = (self.rng.integers(-9, 10, shape) / 4).astype(np.float32)
        raw = self.constant(f"c{len(self.constants)}", values)
        end, index = self.tensor, len(self.nodes)
        self.quant(raw, self.dyadic(scales[axis], tuple(scales)), index)
        weights, self.tensor = self.tensor, end
        return weights

    def conv(self) -> None:
        outputs, kernel = self.pick([1, 2, 4]), self.pick([1, 2, 3])
        pads = self.pick([[0] * 4, [1, 1, 1, 1], [0, 1, 1, 0]]) if kernel > 1 else [0] * 4
        stride = self.pick([1, 2])
        sizes = [size + pads[i] + pads[i + 2] for i, size in enumerate(self.shape[1:])]
        if min(sizes) < kernel:
            return
        weights = self.quantised_weights((outputs, self.shape[0], kernel, kernel))
        inputs = [self.tensor, weights]
        if self.draw(st.booleans()):
            inputs.append(self.dyadic(outputs, (outputs,), signed=True))
        self.add("Conv", inputs, kernel_shape=[kernel] * 2, pads=pads, strides=[stride] * 2)
        self.shape = [outputs, *((size - kernel) // stride + 1 for size in sizes)]

    def depthwise(self) -> None:
        channels, kernel = self.shape[0], min(2, *self.shape[1:])
        weights = self.quantised_weights((channels, 1, kernel, kernel))
        inputs = [self.tensor, weights]
        self.add("Conv", inputs, kernel_shape=[kernel] * 2, group=channels)
        self.shape = [channels, *(size - kernel + 1 for size in self.shape[1:])]

    def dense(self) -> None:
        """Of the flat frame, back to an image."""
        count = int(np.prod(self.shape))
        self.add("Flatten", [self.tensor], axis=1)
        weights = self.quantised_weights((count, 4), 1)
        self.add("MatMul", [self.tensor, weights])
        shape = np.array([1, 4, 1, 1], np.int64)
        name = f"c{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(shape, name))
        self.add("Reshape", [self.tensor, name])
        self.shape = [4, 1, 1]

    def branch(self) -> None:
        """Two quantisers of one tensor, added or joined."""
        start = self.tensor
        left, right = (self.quant(start) for _ in "ab")
        if self.draw(st.booleans()):
            self.add(self.pick(["Add", "Sub"]), [left, right])
            return
        same = self.quant(start, self.constant(f"c{len(self.constants)}", 0.5))
        other = self.quant(same, self.constant(f"c{len(self.constants)}", 0.5))
        self.add("Concat", [same, other], axis=1)
        self.shape[0] *= 2

    def affine(self) -> None:
        channels = self.shape[0]
        shape = (1, channels, 1, 1) if self.draw(st.booleans()) else (1,)
        constant = self.dyadic(shape[1] if len(shape) > 1 else 1, shape, signed=True)
        op = self.pick(["Mul", "Add", "Sub"])
        swapped = op != "Mul" and self.draw(st.booleans())
        self.add(op, [constant, self.tensor] if swapped else [self.tensor, constant])

    def relu(self) -> None:
        self.add("Relu", [self.tensor])

    def clip(self) -> None:
        low = self.constant(f"c{len(self.constants)}", -0.75)
        high = self.constant(f"c{len(self.constants)}", 1.5)
        self.add("Clip", [self.tensor, low, high])

    def max_pool(self) -> None:
        """Only behind a quantiser is every function in front of it increasing."""
        if min(self.shape[1:]) < 2:
            return
        self.quant()
        self.add("MaxPool", [self.tensor], kernel_shape=[2, 2], strides=[1, 2])
        self.shape[1:] = self.shape[1] - 1, self.shape[2] // 2

    def quant(self, tensor: str = "", scale: str = "", index: int | None = None) -> str:
        bits, signed = self.pick([2, 3, 4, 8]), self.draw(st.integers(0, 1))
        narrow = self.draw(st.integers(0, 1)) if signed else 0
        weights = index is not None
        zero = 0.0 if signed or weights else self.pick([0.0, 0.0, 1.0, 3.0])
        inputs = [
            tensor or self.tensor,
            scale or self.dyadic(1, ()),
            self.constant(f"c{len(self.constants)}", zero),
        ]
        inputs.append(self.constant(f"c{len(self.constants)}", bits))
        mode = "ROUND" if weights else self.pick(["ROUND", "ROUND", "FLOOR", "CEIL"])
        return self.add(
            "Quant", inputs, signed=1 if weights else signed, narrow=narrow, rounding_mode=mode
        )

    def bipolar(self) -> None:
        self.add("BipolarQuant", [self.tensor, self.dyadic(1, ())])

    def write(self, file: Path) -> Any:
        from qonnx.core.datatype import DataType
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.transformation.infer_shapes import InferShapes

        doors = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *shape])
            for name, shape in (("image", self.start), (self.tensor, self.shape))
        ]
        graph = helper.make_graph(self.nodes, "g", doors[:1], doors[1:], self.constants)
        sets = [helper.make_opsetid("", 13), helper.make_opsetid(QONNX, 1)]
        model = ModelWrapper(helper.make_model(graph, opset_imports=sets, ir_version=8))
        model = model.transform(InferShapes())
        model.set_tensor_datatype("image", DataType[self.kind])
        model.save(str(file))
        return model

    def frames(self) -> Any:
        from qonnx.core.datatype import DataType

        low, high = int(DataType[self.kind].min()), int(DataType[self.kind].max())
        batch = self.rng.integers(low, high, (5, *self.start), endpoint=True)
        batch[0], batch[1] = low, high
        return batch


@st.composite
def graphs(draw: Any) -> RandomQonnx:
    return RandomQonnx(draw)


@examples
@given(graphs())
def test_any_qonnx_graph_is_exact(
    tmp_path_factory: pytest.TempPathFactory, graph: RandomQonnx
) -> None:
    from qonnx.core.onnx_exec import execute_onnx

    file, frames = tmp_path_factory.mktemp("graph") / "m.onnx", graph.frames()
    model = graph.write(file)
    feeds = ({"image": frame[None].astype(np.float32)} for frame in frames)
    expected = np.concatenate([execute_onnx(model, feed)[graph.tensor] for feed in feeds])
    run = Reference(read(file), batch=2)
    rank = (-1, *[1] * (expected.ndim - 2))
    scale, bias = (np.array(v).reshape(rank) for v in (run.graph.scale, run.graph.bias))
    found = run.infer(frames) * scale + bias
    wrong = int((found != expected).sum())
    ops = [f"{node.op_type} {node.output[0]}" for node in graph.nodes]
    assert not wrong, f"{wrong} of {found.size} differ: {ops}"
