"""The runtimes that a user would have without an FPGA, beside the exact executors."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model

from lepton_hw.data import load
from lepton_hw.errors import InputError, MissingTool
from lepton_hw.executors.float_torch_executor import FloatTorchExecutor
from lepton_hw.executors.onnxruntime_executor import OnnxRuntimeExecutor
from lepton_hw.executors.plain_onnx import plain
from lepton_hw.stages.train import WEIGHTS, Trained, build_network, load_weights

from .conftest import Built
from .tiny_onnx import FEATURES, Graph, weights


def vectors(built: Built) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Inputs, PyTorch's codes and labels of the shared build."""
    archive = np.load(built.exported.path("vectors.npz"))
    return archive["inputs"].astype(np.int64), archive["torch_codes"], archive["labels"]


def test_quantisers_in_standard_operators_give_the_codes(built: Built) -> None:
    inputs, codes, _ = vectors(built)
    executor = OnnxRuntimeExecutor(
        built.exported.path("model.onnx"), built.exported.contract, threads=1
    )
    assert np.array_equal(executor.infer(inputs), codes)
    assert np.array_equal(executor.infer(inputs[:3]), codes[:3])


def test_without_quantisers_it_decides_much_the_same(built: Built) -> None:
    from lepton_hw import artifacts

    inputs, codes, labels = vectors(built)
    trained = artifacts.load(Trained, built.folder / "train")
    assert trained is not None
    assert built.flow.data is not None
    network = build_network(built.flow, load(built.flow.data))
    network.load_state_dict(load_weights(trained.path(WEIGHTS)))
    contract, file = built.exported.contract, built.exported.path("model.onnx")
    runtime = OnnxRuntimeExecutor(file, contract, quantised=False)
    plain_torch = FloatTorchExecutor(network, contract)
    results = {"runtime": runtime.infer(inputs), "torch": plain_torch.infer(inputs)}
    exact = float((codes.argmax(axis=1) == labels).mean())
    for found in results.values():
        assert not np.array_equal(found, codes)  # no rounding inside
        assert abs(float((found.argmax(axis=1) == labels).mean()) - exact) < 0.05
    assert np.abs(results["runtime"] - results["torch"]).max() <= 1  # one function, twice
    half = FloatTorchExecutor(network, contract, dtype="bfloat16").infer(inputs[:64])
    assert float((half.argmax(axis=1) == results["torch"][:64].argmax(axis=1)).mean()) > 0.9


def test_a_card_that_is_passed_over_is_no_measurement(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime with CUDA built in and without its libraries computes on the CPU."""
    import onnxruntime

    asked: list[list[str]] = []
    real = onnxruntime.InferenceSession

    def passed_over(model: bytes, options: object, providers: list[str]) -> object:
        asked.append(providers)
        return real(model, options, providers=["CPUExecutionProvider"])

    known = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: known)
    monkeypatch.setattr(onnxruntime, "InferenceSession", passed_over)
    file, contract = built.exported.path("model.onnx"), built.exported.contract
    for device in ("cuda", "tensorrt"):
        executor = OnnxRuntimeExecutor(file, contract, device)
        for _ in range(2):
            with pytest.raises(MissingTool, match="would compute by CPUExecutionProvider instead"):
                executor.phases(1)
    assert asked == [known[1:2]] * 2 + [known[:2]] * 2


@pytest.mark.parametrize(
    "kind",
    [
        lambda graph: graph.quantised("image", 3, 0.25),
        lambda graph: graph.quantised("image", 4, 0.3, signed=False),
        lambda graph: graph.node("BipolarQuant", ["image", graph.constant("s", 0.5)], "sign"),
    ],
)
def test_each_quantiser(kind: Callable[[Graph], str], tmp_path: Path) -> None:
    import onnxruntime

    graph = Graph()
    weight = graph.quantised(graph.constant("w", weights(FEATURES, 3)), 4)
    file = graph.save(tmp_path / "m.onnx", graph.node("MatMul", [kind(graph), weight], "out"))
    model = cleanup_model(ModelWrapper(str(file)))
    session = onnxruntime.InferenceSession(plain(model).SerializeToString())
    name = model.graph.input[0].name
    edges = np.array([0.0, 0.125, 0.375, -0.125, 2.0, -3.0], np.float32)
    random = np.random.default_rng(0).normal(size=(20, FEATURES)).astype(np.float32)
    for frame in (edges, *random):
        expected = execute_onnx(model, {name: frame[None]})[model.graph.output[0].name]
        found = session.run(None, {name: frame[None]})[0]
        np.testing.assert_allclose(found, expected, atol=1e-6)  # far less than one code


def test_what_is_not_there(built: Built) -> None:
    file, contract = built.exported.path("model.onnx"), built.exported.contract
    with pytest.raises(MissingTool, match="ONNX Runtime has no device 'tensorrt' here"):
        OnnxRuntimeExecutor(file, contract, device="tensorrt")
    with pytest.raises(MissingTool, match="ONNX Runtime has no device 'tpu' here"):
        OnnxRuntimeExecutor(file, contract, device="tpu")
    with pytest.raises(InputError, match="dtype is 'int3'"):
        FloatTorchExecutor(None, contract, dtype="int3")
