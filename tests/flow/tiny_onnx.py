"""Tiny QONNX files from nothing but the onnx package: two dense layers, whole or with one fault."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
FEATURES, HIDDEN, CLASSES = 6, 4, 3


class Graph:
    """Nodes and constants, collected in order."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.float32] | float) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
        return name

    def node(self, op: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        domain = QONNX if op in ("Quant", "BipolarQuant", "Trunc", "MultiThreshold") else ""
        self.nodes.append(
            helper.make_node(
                op, list(inputs), [output], name=f"{op}_{output}", domain=domain, **attributes
            )
        )
        return output

    def quantised(
        self, tensor: str, bits: float, scale: float = 0.25, *, signed: bool = True
    ) -> str:
        """The tensor behind a Quant node."""
        name = f"{tensor}_quantised"
        inputs = [
            tensor,
            self.constant(f"{tensor}_scale", scale),
            self.constant(f"{tensor}_zero", 0.0),
            self.constant(f"{tensor}_bits", bits),
        ]
        return self.node("Quant", inputs, name, signed=int(signed), narrow=0, rounding_mode="ROUND")

    def save(
        self,
        path: Path,
        output: str,
        *,
        batch: int | str = 1,
        outputs: Sequence[str] = (),
        inputs: Sequence[str] = ("image",),
        shape: Sequence[int] = (FEATURES,),
    ) -> Path:
        graph = helper.make_graph(
            self.nodes,
            "tiny",
            [info(name, (batch, *shape)) for name in inputs],
            [info(name, (batch, CLASSES)) for name in (output, *outputs)],
            initializer=self.constants,
        )
        sets = [helper.make_opsetid("", 13), helper.make_opsetid(QONNX, 1)]
        onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=8), str(path))
        return path


def info(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def weights(rows: int, columns: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).integers(-7, 8, (rows, columns)).astype(np.float32) / 4


def convolution(graph: Graph, tensor: str, name: str, shape: Sequence[int]) -> str:
    """Weights (out, in, *kernel) of 4 bits; no attribute that ONNX lets an exporter leave out."""
    values = weights(shape[0], int(np.prod(shape[1:])), seed=len(graph.nodes)).reshape(shape)
    weight = graph.quantised(graph.constant(f"{name}_weight", values), 4)
    return graph.node("Conv", [tensor, weight], name)


def head(graph: Graph, tensor: str, elements: int) -> str:
    """Flatten → dense layer of `CLASSES`."""
    weight = graph.quantised(graph.constant("head_weight", weights(elements, CLASSES, 9)), 4)
    return graph.node("MatMul", [graph.node("Flatten", [tensor], "flat"), weight], "classes")


def dense(
    path: Path,
    *,
    weight_bits: float | None = 4,
    input_bits: float | None = 4,
    act_bits: float = 4,
    head: str = "",
    extra: str = "",
    batch: int | str = 1,
    first: NDArray[np.float32] | None = None,
) -> Path:
    """image → Quant → MatMul → Relu → Quant → MatMul [→ head]; `extra` stands behind the Relu.

    None for bits leaves that quantiser out.
    """
    graph = Graph()
    tensor = "image" if input_bits is None else graph.quantised("image", input_bits)
    shapes = ((FEATURES, HIDDEN), (HIDDEN, CLASSES))
    for index, shape in enumerate(shapes):
        values = first if first is not None and index == 0 else weights(*shape, seed=index)
        weight = graph.constant(f"weight{index}", values)
        if weight_bits is not None:
            weight = graph.quantised(weight, weight_bits)
        tensor = graph.node("MatMul", [tensor, weight], f"sum{index}")
        if index == 0:
            tensor = graph.node("Relu", [tensor], "relu")
            if extra:
                tensor = graph.node(extra, [tensor], "extra")
            tensor = graph.quantised(tensor, act_bits, 0.5, signed=False)
    if head:
        tensor = graph.node(head, [tensor], "probabilities", axis=1)
    return graph.save(path, tensor, batch=batch)


def weights_elsewhere(file: Path, hidden: bool) -> None:
    """Moves the first weights of `dense` to a file beside, named by a Constant node if `hidden`."""
    (file.parent / "secret").write_bytes(bytes(FEATURES * 4 * 4))
    model = onnx.load(str(file))
    tensor = next(t for t in model.graph.initializer if t.name == "weight0")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret")
    if hidden:
        model.graph.node.insert(0, helper.make_node("Constant", [], ["weight0"], value=tensor))
        model.graph.initializer.remove(tensor)
    file.write_bytes(model.SerializeToString())
