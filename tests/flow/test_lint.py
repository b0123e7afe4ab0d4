"""The preflight: each fault in a tiny graph is named by layer, and a sound graph has none."""

import json
from pathlib import Path

import numpy as np
import pytest

from lepton_hw.cli import run
from lepton_hw.stages.lint import Finding, lint_file

from .tiny_onnx import CLASSES, FEATURES, HIDDEN, Graph, convolution, dense, head, weights


def only(findings: tuple[Finding, ...]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


def test_a_sound_graph_has_no_findings(tmp_path: Path) -> None:
    assert lint_file(dense(tmp_path / "sound.onnx")) == ()


def test_float_weights(tmp_path: Path) -> None:
    found = lint_file(dense(tmp_path / "m.onnx", weight_bits=None))
    assert {finding.operator for finding in found} == {"MatMul"}
    assert all("float" in finding.problem for finding in found)


def test_an_input_without_integers(tmp_path: Path) -> None:
    found = only(lint_file(dense(tmp_path / "m.onnx", input_bits=None)))
    assert found.operator == "MatMul"
    assert "no integer type" in found.problem


def test_too_many_bits(tmp_path: Path) -> None:
    found = lint_file(dense(tmp_path / "m.onnx", act_bits=12))
    assert any("12 bits" in finding.problem for finding in found)


@pytest.mark.parametrize(("second", "expected"), [(0.25, 0), (0.125, 1)])
def test_scales_at_a_sum(tmp_path: Path, second: float, expected: int) -> None:
    graph = Graph()
    image = graph.quantised("image", 4)
    one = graph.node("MatMul", [image, graph.quantised(
        graph.constant("w1", weights(FEATURES, HIDDEN)), 4)], "one")  # fmt: skip
    two = graph.node("MatMul", [image, graph.quantised(
        graph.constant("w2", weights(FEATURES, HIDDEN, 1)), 4)], "two")  # fmt: skip
    left, right = graph.quantised(one, 4), graph.quantised(two, 4, second)
    both = graph.node("Add", [left, right], "sum")
    again = graph.quantised(both, 4)
    last = graph.node("MatMul", [again, graph.quantised(
        graph.constant("w3", weights(HIDDEN, CLASSES)), 4)], "out")  # fmt: skip
    found = lint_file(graph.save(tmp_path / "sum.onnx", last))
    assert len(found) == expected
    if found:
        assert found[0].operator == "Add"
        assert "0.25, 0.125" in found[0].problem


def test_an_activation_straight_into_a_layer(tmp_path: Path) -> None:
    graph = Graph()
    image = graph.quantised("image", 4)
    one = graph.node("MatMul", [image, graph.quantised(
        graph.constant("w1", weights(FEATURES, HIDDEN)), 4)], "one")  # fmt: skip
    relu = graph.node("Relu", [one], "relu")
    last = graph.node("MatMul", [relu, graph.quantised(
        graph.constant("w2", weights(HIDDEN, CLASSES)), 4)], "out")  # fmt: skip
    found = only(lint_file(graph.save(tmp_path / "relu.onnx", last)))
    assert "straight from" in found.problem
    assert found.remedy == "put a quantiser in front of it"


def test_a_scale_between_a_quantiser_and_a_layer_moves_by_itself(tmp_path: Path) -> None:
    graph = Graph()
    image = graph.node("Mul", [graph.quantised("image", 4), graph.constant("c", 0.3)], "scaled")
    pooled = graph.node("Identity", [image], "same")
    last = graph.node("MatMul", [pooled, graph.quantised(
        graph.constant("w1", weights(FEATURES, CLASSES)), 4)], "out")  # fmt: skip
    assert lint_file(graph.save(tmp_path / "m.onnx", last)) == ()


def test_thresholds_of_a_float_tensor(tmp_path: Path) -> None:
    graph = Graph()
    levels = np.tile(np.array([0.5, 1.5, 2.5], np.float32), (FEATURES, 1))
    stepped = graph.node(
        "MultiThreshold", ["image", graph.constant("levels", levels)], "steps", out_dtype="UINT2"
    )
    last = graph.node("MatMul", [stepped, graph.quantised(
        graph.constant("w1", weights(FEATURES, CLASSES)), 4)], "out")  # fmt: skip
    found = lint_file(graph.save(tmp_path / "m.onnx", last))
    assert "thresholds that are no integers" in found[0].problem


@pytest.mark.parametrize(("mode", "expected"), [("nearest", 0), ("linear", 1)])
def test_enlarging(tmp_path: Path, mode: str, expected: int) -> None:
    graph = Graph()
    tensor = graph.quantised(convolution(graph, graph.quantised("image", 4), "c", (2, 2, 1, 1)), 4)
    scales = graph.constant("scales", np.array([1, 1, 2, 2], np.float32))
    tensor = graph.node("Resize", [tensor, "", scales], "larger", mode=mode)
    file = graph.save(tmp_path / "m.onnx", head(graph, tensor, 32), shape=(2, 2, 2))
    assert [finding.operator for finding in lint_file(file)] == ["Resize"] * expected


def test_wide_weights_and_a_wide_door(tmp_path: Path) -> None:
    found = only(lint_file(dense(tmp_path / "m.onnx", weight_bits=9, first=weights(6, 4)))[:1])
    assert "multipliers" in found.problem
    assert lint_file(dense(tmp_path / "m.onnx", input_bits=16)) == ()


def test_a_flow_before_it_is_trained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "digits_cnn"]) == 0
    assert capsys.readouterr().out == "nothing found\n"


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", str(dense(tmp_path / "sound.onnx"))]) == 0
    assert capsys.readouterr().out == "nothing found\n"
    faulty = dense(tmp_path / "faulty.onnx", act_bits=12)
    assert run(["lint", str(faulty), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["operator"] == "Quant"
    assert run(["lint", str(tmp_path / "none.onnx")]) == 1
    assert "there is no file" in capsys.readouterr().err
