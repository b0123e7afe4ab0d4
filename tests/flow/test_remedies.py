"""Mechanical remedies: a graph that would not map is changed, still means the same, and maps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import AttributeProto, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model

from lepton_hw.board import load_board
from lepton_hw.cli import run
from lepton_hw.compiler.supported import require_mapped
from lepton_hw.stages.lint import lint_file
from lepton_hw.stages.onnx_defaults import write_defaults
from lepton_hw.stages.remedies import Remedy, apply_remedies

from .tiny_onnx import Graph, convolution, head

IMAGE = (2, 6, 6)


def pooled(path: Path, *order: str, gains: tuple[float, ...] = (0.3, 0.5, 0.7)) -> Path:
    """image → Quant → Conv → the operators of `order` → dense."""
    graph = Graph()
    tensor = convolution(graph, graph.quantised("image", 4), "first", (3, 2, 3, 3))
    for name in order:
        if name == "pool":
            tensor = graph.node("MaxPool", [tensor], name, kernel_shape=[2, 2], strides=[2, 2])
        elif name == "gain":
            gain = graph.constant("gains", np.array(gains, np.float32).reshape(1, 3, 1, 1))
            tensor = graph.node("Mul", [tensor, gain], name)
        elif name == "relu":
            tensor = graph.node("Relu", [tensor], name)
        else:
            tensor = graph.quantised(tensor, 4, 0.5, signed=False)
    return graph.save(path, head(graph, tensor, 12), shape=IMAGE)


def joined(path: Path, operator: str, one: float, two: float, unsigned: bool = False) -> Path:
    """image → Quant → Conv → Quant → two branches, each Conv → Quant → join → Quant → dense."""
    graph = Graph()
    door = convolution(graph, graph.quantised("image", 4), "first", (3, 2, 3, 3))
    door = graph.quantised(door, 4, 0.5, signed=False)
    branches = []
    for name, scale in (("left", one), ("right", two)):
        branch = convolution(graph, door, name, (3, 3, 1, 1))
        branches.append(graph.quantised(branch, 4, scale, signed=not unsigned))
    attributes = {"axis": 1} if operator == "Concat" else {}
    tensor = graph.node(operator, branches, "join", **attributes)
    tensor = graph.quantised(tensor, 4, 1.0, signed=False)
    elements = 96 if operator == "Concat" else 48
    return graph.save(path, head(graph, tensor, elements), shape=IMAGE)


def mended(file: Path) -> tuple[ModelWrapper, ModelWrapper, tuple[Remedy, ...]]:
    given, model = (cleanup_model(ModelWrapper(str(file))) for _ in range(2))
    for one in (given, model):
        write_defaults(one)
    return given, model, apply_remedies(model)


def outputs(model: ModelWrapper, seed: int) -> np.ndarray:
    frame = np.random.default_rng(seed).uniform(-2, 2, (1, *IMAGE)).astype(np.float32)
    found = execute_onnx(model, {model.graph.input[0].name: frame})
    return np.asarray(found[model.graph.output[0].name])


@pytest.mark.parametrize(
    "order",
    [("relu", "pool", "quant"), ("gain", "pool", "relu", "quant"), ("pool", "gain", "quant")],
)
def test_a_pool_moves_behind_the_quantiser(order: tuple[str, ...], tmp_path: Path) -> None:
    file = pooled(tmp_path / "m.onnx", *order)
    given, model, remedies = mended(file)
    assert [remedy.exact for remedy in remedies] == [True]
    pool = model.get_nodes_by_op_type("MaxPool")[0]
    assert model.find_producer(pool.input[0]).op_type == "Quant"
    for seed in range(20):
        assert np.array_equal(outputs(given, seed), outputs(model, seed))
    assert [finding.automatic for finding in lint_file(file)] == [True]


def test_a_pool_does_not_pass_a_falling_gain(tmp_path: Path) -> None:
    """max(-x) is not -max(x)."""
    file = pooled(tmp_path / "m.onnx", "pool", "gain", "quant", gains=(0.3, -0.5, 0.7))
    assert mended(file)[2] == ()
    assert [finding.automatic for finding in lint_file(file)] == [False]


def padded(path: Path, operator: str = "Conv", fill: float = 0.0, rows: int = 2) -> Path:
    """image → Quant → Pad of one side of rows and columns → an operator with a 2×2 window."""
    graph = Graph()
    tensor = graph.quantised("image", 4, 0.5)
    sizes = np.array([0, 0, rows, 0, 0, 0, 0, 1], np.int64)
    graph.constants.append(numpy_helper.from_array(sizes, "sizes"))
    tensor = graph.node("Pad", [tensor, "sizes", graph.constant("fill", fill)], "padded")
    if operator == "Conv":
        tensor = convolution(graph, tensor, "conv", (3, 2, 2, 2))
        tensor = graph.quantised(tensor, 4, 0.5)
        return graph.save(path, head(graph, tensor, 3 * (5 + rows) * 6), shape=IMAGE)
    tensor = graph.node(operator, [tensor], "pool", kernel_shape=[2, 2], strides=[1, 1])
    return graph.save(path, head(graph, tensor, 2 * (5 + rows) * 6), shape=IMAGE)


def test_padding_moves_into_the_convolution(tmp_path: Path) -> None:
    file = padded(tmp_path / "m.onnx")
    given, model, remedies = mended(file)
    assert [str(r) for r in remedies] == ["Pad_0: padding moved into Conv_0 (exact)"]
    assert not model.get_nodes_by_op_type("Pad")
    for seed in range(20):
        assert np.array_equal(outputs(given, seed), outputs(model, seed))
    assert [finding.automatic for finding in lint_file(file)] == [True]


@pytest.mark.parametrize("given", [{"operator": "MaxPool"}, {"fill": 1.0}, {"rows": -1}])
def test_other_padding_is_refused(
    given: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = padded(tmp_path / "m.onnx", **given)
    assert mended(file)[2] == ()
    assert [finding.automatic for finding in lint_file(file)] == [False]
    folder = ("--build-dir", str(tmp_path / "build"))
    assert run(["build", "--model", str(file), "--board", "pynq_z2", *folder]) == 1
    assert "(Pad) pads other than a convolution, or not with zeros" in capsys.readouterr().err


def test_signs_are_not_padded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = Graph()
    tensor = convolution(graph, graph.quantised("image", 4, 0.5), "first", (3, 2, 3, 3))
    tensor = graph.node("BipolarQuant", [tensor, graph.constant("one", 1.0)], "signs")
    tensor = convolution(graph, tensor, "second", (3, 3, 3, 3))
    graph.nodes[-1].attribute.add(name="pads", type=AttributeProto.INTS, ints=[1, 0, 0, 0])
    tensor = graph.quantised(tensor, 4, 0.5)
    file = graph.save(tmp_path / "m.onnx", head(graph, tensor, 3 * 3 * 2), shape=IMAGE)
    folder = ("--build-dir", str(tmp_path / "build"))
    assert run(["build", "--model", str(file), "--board", "pynq_z2", *folder]) == 1
    told = capsys.readouterr().err
    assert "pads BIPOLAR codes with zeros, which are none of them" in told


@pytest.mark.parametrize("operator", ["Add", "Concat"])
@pytest.mark.parametrize(
    ("two", "bits", "exact"), [(0.5, [5], True), (0.3, [5], False), (30.0, [2, 8], False)]
)
def test_branches_get_one_scale(
    operator: str, two: float, bits: list[int], exact: bool, tmp_path: Path
) -> None:
    file = joined(tmp_path / "m.onnx", operator, 0.25, two)
    given, model, remedies = mended(file)
    assert [remedy.exact for remedy in remedies] == [exact] * len(bits)
    assert [int(r.change.rsplit(" bits", 1)[0].rsplit(" ", 1)[1]) for r in remedies] == bits
    same = [np.array_equal(outputs(given, seed), outputs(model, seed)) for seed in range(20)]
    assert all(same) if exact else not all(same)
    assert [finding.automatic for finding in lint_file(file)] == [True]
    assert apply_remedies(model) == ()


def test_equal_scales_are_left_alone(tmp_path: Path) -> None:
    assert mended(joined(tmp_path / "m.onnx", "Add", 0.25, 0.25))[2] == ()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: pooled(path, "gain", "relu", "pool", "quant"),
        lambda path: joined(path, "Add", 0.25, 0.3),
        lambda path: joined(path, "Add", 0.25, 0.3, unsigned=True),
        padded,
    ],
)
def test_what_was_mended_maps(make: Callable[[Path], Path], tmp_path: Path) -> None:
    from lepton_hw.compiler.steps import FinnSteps
    from lepton_hw.compiler.world import finn_world

    _, model, _ = mended(make(tmp_path / "m.onnx"))
    log = tmp_path / "finn.log"
    with finn_world(tmp_path / "scratch", log):
        steps = FinnSteps(load_board("pynq_z2"), tmp_path, log)
        front, _ = steps.front(model)
        require_mapped(steps.run(("step_convert_to_hw",), front))


def test_a_rounded_sum_is_certified_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = joined(tmp_path / "sum.onnx", "Add", 0.25, 0.3)
    command = ("build", "--model", str(file), "--board", "pynq_z2", "--to", "certify", "--json")
    code = run([*command, "--build-dir", str(tmp_path / "build")])
    told = capsys.readouterr()
    assert code == 0, told.err
    certificate = json.loads(told.out)["stages"]["certify"]["certificate"]
    assert certificate["exact"] is True
    assert "requantised from scale 0.3 to 0.25" in certificate["remedies"][0]
    assert 0 < certificate["changed_vectors"] <= 64
