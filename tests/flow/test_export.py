"""The export stage: the same integers in PyTorch and QONNX, or no artifact."""

from pathlib import Path

import numpy as np
import pytest

from lepton_hw.artifacts import save
from lepton_hw.errors import InputError, Mismatch, StageError
from lepton_hw.executors.base import Executor, check_codes
from lepton_hw.executors.qonnx_executor import QonnxExecutor
from lepton_hw.flow import CenterCrop, Flow, Normalise
from lepton_hw.stages import export, train

from .small import BOARD, folder, small_flow


@pytest.fixture(scope="module")
def flow() -> Flow:
    return small_flow(epochs=2)


@pytest.fixture(scope="module")
def trained(flow: Flow, tmp_path_factory: pytest.TempPathFactory) -> train.Trained:
    work = tmp_path_factory.mktemp("trained")
    return save(train.run(flow, BOARD, work), work, "key", 0.0)


@pytest.fixture(scope="module")
def exported(
    flow: Flow, trained: train.Trained, tmp_path_factory: pytest.TempPathFactory
) -> export.Exported:
    work = tmp_path_factory.mktemp("exported")
    return save(export.run(flow, BOARD, trained, work), work, "key", 0.0)


def test_vectors_and_contract_say_what_goes_in(exported: export.Exported) -> None:
    vectors = np.load(exported.path(export.VECTORS))
    contract = exported.contract
    assert vectors["inputs"].shape == (24, *contract.input.shape) == (24, 8, 8, 1)
    assert (vectors["inputs"].dtype, vectors["torch_codes"].dtype) == (np.uint8, np.int64)
    assert (contract.input.dtype, contract.input.layout) == ("UINT8", "NHWC")
    assert (exported.images, contract.host_after) == (24, ("argmax",))
    assert exported.torch_residual < 0.01


def test_the_accuracy_of_the_codes_is_that_of_training(
    exported: export.Exported, trained: train.Trained
) -> None:
    vectors = np.load(exported.path(export.VECTORS))
    right = (vectors["torch_codes"].argmax(1) == vectors["labels"]).mean()
    assert right == pytest.approx(trained.metrics.accuracy)


def test_the_graph_is_integer_at_its_door_and_has_no_input_quantiser(
    exported: export.Exported,
) -> None:
    from qonnx.core.modelwrapper import ModelWrapper

    model = ModelWrapper(str(exported.path(export.MODEL)))
    assert model.get_tensor_datatype("global_in").name == "UINT8"
    assert model.get_tensor_shape("global_in") == [1, 1, 8, 8]
    assert [node.op_type for node in model.find_consumers("global_in")] == ["Conv"]


def test_the_output_does_not_depend_on_the_batch(exported: export.Exported) -> None:
    vectors = np.load(exported.path(export.VECTORS))
    executor: Executor = QonnxExecutor(exported.path(export.MODEL), exported.contract)
    whole = executor.infer(vectors["inputs"])
    one = np.concatenate([executor.infer(vectors["inputs"][i : i + 1]) for i in range(5)])
    assert (whole[:5] == one).all()
    assert executor.infer(vectors["inputs"][:0]).shape == (0, 3)


def test_one_changed_weight_is_noticed(exported: export.Exported, tmp_path: Path) -> None:
    from qonnx.core.modelwrapper import ModelWrapper

    vectors = np.load(exported.path(export.VECTORS))
    model = ModelWrapper(str(exported.path(export.MODEL)))
    head = model.find_producer(model.get_nodes_by_op_type("MatMul")[0].input[1])
    weights = model.get_initializer(head.input[0]).copy()
    weights[0, 0] += 2 * float(model.get_initializer(head.input[1]))
    model.set_initializer(head.input[0], weights)
    model.save(str(tmp_path / "wrong.onnx"))
    found = QonnxExecutor(tmp_path / "wrong.onnx", exported.contract).infer(vectors["inputs"])
    with pytest.raises(Mismatch, match=r"QONNX gives -?\d+ at \(\d+, 0\), in \d+ of 24 frames"):
        export.compare(vectors["torch_codes"], found)


def test_a_wrong_scale_is_not_rounded_away(exported: export.Exported) -> None:
    vectors = np.load(exported.path(export.VECTORS))
    output = exported.contract.output
    wrong = exported.contract.model_copy(
        update={"output": output.model_copy(update={"scale": (output.scale[0] * 1.3,)})}
    )
    with pytest.raises(StageError, match="steps from a whole code"):
        QonnxExecutor(exported.path(export.MODEL), wrong).infer(vectors["inputs"])


def test_a_normalised_image_is_int8_at_the_door(tmp_path: Path) -> None:
    flow = small_flow(epochs=1)
    assert flow.data
    steps = (
        CenterCrop(op="center_crop", width=6, height=6),
        Normalise(op="normalise", mean=(0.5,), std=(0.25,)),
    )
    data = flow.data.model_copy(update={"preprocess": steps, "augment": ()})
    flow = flow.model_copy(update={"data": data})
    work, out = folder(tmp_path, "work"), folder(tmp_path, "out")
    trained = save(train.run(flow, BOARD, work), work, "key", 0.0)
    exported = export.run(flow, BOARD, trained, out)
    assert (exported.contract.input.dtype, exported.contract.input.shape) == ("INT8", (6, 6, 1))
    assert np.load(out / export.VECTORS)["inputs"].min() < 0
    assert [step["op"] for step in exported.contract.host_before] == ["center_crop", "normalise"]


def test_codes_that_break_the_contract(exported: export.Exported) -> None:
    contract = exported.contract
    good = np.zeros((2, 8, 8, 1), np.int64)
    assert check_codes(good, contract).dtype == np.int64
    for wrong, message in (
        (good[0], r"input of shape \(8, 8, 1\); expected \(N, 8, 8, 1\) in NHWC order"),
        (good.astype(float), "input of type float64; expected integer codes of UINT8"),
        (np.full(good.shape, np.nan), "the input holds NaN"),
        (good - 1, r"input code \(0, 0, 0, 0\) is -1; expected 0 to 255"),
        (good + 256, "is 256; expected 0 to 255"),
        (good.astype(bool), "input of type bool"),
    ):
        with pytest.raises(InputError, match=message):
            check_codes(wrong, contract)
    signs = contract.model_copy(
        update={"input": contract.input.model_copy(update={"dtype": "BIPOLAR"})}
    )
    assert check_codes(2 * good + 1, signs).min() == 1
    with pytest.raises(InputError, match=r"\(0, 0, 0, 0\) is 0; expected -1 to 1 \(BIPOLAR, with"):
        check_codes(good, signs)
