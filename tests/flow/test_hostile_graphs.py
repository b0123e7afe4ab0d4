"""Whole graphs that a network never is: windows over nothing, endless paths, too large an input."""

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from lepton_hw.errors import InputError
from lepton_hw.stages.lint import lint_file

from .hostile_onnx import refused_by_both
from .test_adopt import adopted
from .tiny_onnx import CLASSES, FEATURES, Graph, convolution, head, weights


def test_a_window_over_a_vector(tmp_path: Path) -> None:
    """ONNX's shape inference aborts the process at this one, so it must not be reached."""
    graph = Graph()
    weight = graph.constant("w", np.zeros((4, 2, 3, 3), np.float32))
    file = graph.save(tmp_path / "m.onnx", graph.node("Conv", ["image", weight], "y"), shape=(2,))
    refused_by_both(file, tmp_path / "out", r"\(Conv\) slides over a tensor of shape \[1, 2\]; exp")


def windowed(file: Path, **attributes: object) -> Path:
    graph = Graph()
    tensor = graph.quantised(convolution(graph, graph.quantised("image", 4), "c", (2, 2, 1, 1)), 4)
    graph.nodes[-2].attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
    return graph.save(file, head(graph, tensor, 2 * 4 * 4), shape=(2, 4, 4))


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("group", [1, 1], "has the wrong type"),
        ("strides", 1, "has the wrong type"),
        ("strides", [0, 0], "is not from 1 to 65536"),
        ("pads", [0, 0, 1 << 40, 0], "is not from 0 to 65536"),
        ("group", 0, "is not from 1 to 65536"),
        ("auto_pad", 3, "has the wrong type"),
    ],
)
def test_attributes_of_windows(name: str, value: object, problem: str, tmp_path: Path) -> None:
    file = windowed(tmp_path / "m.onnx", **{name: value})
    refused_by_both(file, tmp_path / "out", rf"attribute '{name}' of layer 'Conv_c' .* {problem}")


def test_the_same_window_unharmed(tmp_path: Path) -> None:
    assert lint_file(windowed(tmp_path / "m.onnx", strides=[1, 1], auto_pad="VALID")) == ()


@pytest.mark.parametrize("mode", ["SAME_LOWER", "SIDEWAYS"])
def test_padding_by_name(mode: str, tmp_path: Path) -> None:
    file = windowed(tmp_path / "m.onnx", auto_pad=mode)
    if mode == "SAME_LOWER":
        assert adopted(file, tmp_path / "out").contract.output.shape == (CLASSES,)
        return
    with pytest.raises(InputError, match=r"\(Conv\)"):
        adopted(file, tmp_path / "out")


def test_many_ways_back(tmp_path: Path) -> None:
    """A chain of sums of a tensor with itself has 2^n paths to its quantiser; each is one step."""
    graph = Graph()
    tensor = graph.quantised("image", 4)
    for index in range(40):
        two = [graph.node(op, [tensor], f"{op}{index}") for op in ("Relu", "Identity")]
        tensor = graph.node("Add", two, f"sum{index}")
    weight = graph.quantised(graph.constant("w", weights(FEATURES, CLASSES)), 4)
    file = graph.save(tmp_path / "m.onnx", graph.node("MatMul", [tensor, weight], "y"))
    assert "Add" in {finding.operator for finding in lint_file(file)}


def test_a_layer_that_reads_one_tensor_twice(tmp_path: Path) -> None:
    """QONNX renames only one of them, and computes with zeros for the other."""
    graph = Graph()
    tensor = graph.quantised("image", 4)
    total = graph.quantised(graph.node("Add", [tensor, tensor], "sum"), 4)
    weight = graph.quantised(graph.constant("w", weights(FEATURES, CLASSES)), 4)
    file = graph.save(tmp_path / "m.onnx", graph.node("MatMul", [total, weight], "y"))
    refused_by_both(file, tmp_path / "out", "'image_quantised' is read by 'Add_0' before any")


def test_an_input_too_large_for_its_vectors(tmp_path: Path) -> None:
    graph = Graph()
    tensor = graph.quantised("image", 4)
    tensor = graph.quantised(graph.node("GlobalAveragePool", [tensor], "mean"), 4)
    file = graph.save(tmp_path / "m.onnx", head(graph, tensor, 1), shape=(1, 1 << 12, 1 << 11))
    with pytest.raises(InputError, match=r"20 random vectors of 8,388,608 numbers are 167,772,160"):
        adopted(file, tmp_path / "out")


def test_nothing_but_softmax(tmp_path: Path) -> None:
    graph = Graph()
    file = graph.save(tmp_path / "m.onnx", graph.node("Softmax", ["image"], "p"), shape=(CLASSES,))
    with pytest.raises(InputError, match=r"holds nothing but 'Softmax_0' \(Softmax\), which is"):
        adopted(file, tmp_path / "out")
