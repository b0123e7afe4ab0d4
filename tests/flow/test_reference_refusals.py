"""What the integer path refuses to read, in a sentence each: floats, unknown layers, bad files."""

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from lepton_hw import reference
from lepton_hw.errors import InputError, StageError

from .tiny_onnx import FEATURES, dense, weights_elsewhere
from .tiny_onnx import Graph as TinyGraph


def typed(file: Path, kind: str = "INT4") -> Path:
    """The file with an integer datatype at its input."""
    from qonnx.core.datatype import DataType
    from qonnx.core.modelwrapper import ModelWrapper

    model = ModelWrapper(str(file))
    model.set_tensor_datatype(model.graph.input[0].name, DataType[kind])
    model.save(str(file))
    return file


def test_a_float_is_refused_by_tensor(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    with pytest.raises(StageError, match="tensor 'image' is an input of type FLOAT32"):
        reference.read(dense(file))
    with pytest.raises(StageError, match="tensor 'weight0' is a constant that is not whole"):
        reference.read(typed(dense(file, weight_bits=None, input_bits=None)))
    graph = TinyGraph()
    tensor = graph.node("Mul", ["image", graph.constant("scale", np.linspace(0.1, 0.6, 6))], "s")
    weight = graph.constant("weight", np.ones((FEATURES, 3), np.float32))
    graph.save(file, graph.node("MatMul", [tensor, weight], "out"))
    with pytest.raises(StageError, match="tensor 's' is made of channels or branches without a c"):
        reference.read(typed(file))


@pytest.mark.parametrize(
    ("kind", "factor", "message"),
    [
        ("INT4", 0.5, "tensor 'factor' is a constant that is not whole"),
        ("FLOAT32", 2.0, "tensor 'x' is an input of type FLOAT32"),
    ],
)
def test_a_float_in_finns_graph(tmp_path: Path, kind: str, factor: float, message: str) -> None:
    from lepton_hw.compiler.node_design import node_model

    node = helper.make_node(
        "ElementwiseMul_rtl", ["x", "factor"], ["y"], name="mul", domain="finn.custom_op.x"
    )
    values = {"x": ((1, 4), kind)}, {"y": ((1, 4), "FLOAT32")}
    model = node_model([node], *values, {"factor": (np.full(4, factor, np.float32), "FLOAT32")})
    model.save(str(tmp_path / "finn.onnx"))
    with pytest.raises(StageError, match=message):
        reference.read(tmp_path / "finn.onnx")


def test_an_unknown_layer_is_refused_by_name(tmp_path: Path) -> None:
    file = typed(dense(tmp_path / "m.onnx", input_bits=None, extra="Sigmoid"))
    with pytest.raises(StageError, match=r"layer 'Sigmoid_extra' \(Sigmoid\) is not known"):
        reference.read(file)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match="cannot be read"):
        reference.read(tmp_path / "m.onnx")
    with pytest.raises(InputError, match="cannot be read"):
        reference.read(tmp_path / "nothing.onnx")


@pytest.mark.parametrize("hidden", [False, True])
def test_no_other_file_is_read(tmp_path: Path, hidden: bool) -> None:
    """Neither for an initializer nor for the tensor inside a Constant node."""
    file = typed(dense(tmp_path / "m.onnx"))
    weights_elsewhere(file, hidden)
    with pytest.raises(InputError) as error:
        reference.load(file)
    assert str(error.value) == (
        f"{file} keeps tensor 'weight0' in another file; expected a model in one file; "
        "save it again without external data."
    )
