"""A QONNX file from elsewhere: what is taken, and the sentence for everything that is not."""

import os
import random
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from lepton_hw import artifacts
from lepton_hw.errors import InputError, LeptonError
from lepton_hw.executors.qonnx_executor import QonnxExecutor
from lepton_hw.flow import Check, Compile, Flow
from lepton_hw.progress import SILENT
from lepton_hw.stages import adopt
from lepton_hw.stages.export import Exported

from .tiny_onnx import FEATURES, Graph, dense, weights, weights_elsewhere


def adopted(file: Path, folder: Path, **values: object) -> Exported:
    """What adoption makes of a file."""
    flow = Flow.model_validate(
        {
            "name": "tiny",
            "model_file": str(file),
            "compile": Compile(target_fps=1000),
            "check": Check(random_vectors=20),
            **values,
        }
    )
    folder.mkdir(exist_ok=True)
    return artifacts.save(adopt.run(flow, file, folder, SILENT), folder, "key", 0.0)


def codes_of(exported: Exported) -> NDArray[np.int64]:
    inputs: NDArray[np.int64] = np.load(exported.path("vectors.npz"))["inputs"]
    return inputs


def test_the_input_quantiser_moves_to_the_host(tmp_path: Path) -> None:
    exported = adopted(dense(tmp_path / "m.onnx", head="Softmax"), tmp_path / "out")
    contract = exported.contract
    assert (contract.input.dtype, contract.input.shape) == ("INT4", (FEATURES,))
    assert contract.input.scale == (0.25,)
    assert contract.host_before == ({"op": "quantise", "scale": 0.25, "dtype": "INT4"},)
    assert contract.host_after == ("softmax",)
    vectors = codes_of(exported)
    assert (vectors.min(), vectors.max(), len(vectors)) == (-8, 7, 20)


def test_it_computes_what_the_file_does(tmp_path: Path) -> None:
    """The same real numbers, by onnxruntime's and numpy's own arithmetic on the original."""
    exported = adopted(dense(tmp_path / "m.onnx"), tmp_path / "out")
    executor = QonnxExecutor(exported.path("model.onnx"), exported.contract)
    codes = codes_of(exported)
    real = codes * 0.25
    hidden = np.maximum(real @ weights(6, 4, seed=0).astype(np.float64), 0)
    hidden = np.clip(np.rint(hidden / 0.5), 0, 15) * 0.5
    expected = hidden @ weights(4, 3, seed=1).astype(np.float64)
    step = 0.5 * 0.25
    port = exported.contract.output.model_copy(update={"scale": (step,)})
    executor.contract = exported.contract.model_copy(update={"output": port})
    assert np.array_equal(executor.infer(codes), expected / step)


def test_the_input_type_may_be_given(tmp_path: Path) -> None:
    file = dense(tmp_path / "m.onnx", input_bits=None)
    exported = adopted(file, tmp_path / "out", input_type="UINT3", input_scale=0.5)
    assert exported.contract.input.dtype == "UINT3"
    assert exported.contract.input.scale == (0.5,)
    assert (codes_of(exported).min(), codes_of(exported).max()) == (0, 7)


def with_nan() -> NDArray[np.float32]:
    values = weights(FEATURES, 4)
    values[1, 2] = np.nan
    return values


SENTENCES: dict[str, tuple[dict[str, object], str]] = {
    "float weights": (
        {"weight_bits": None},
        "layer 'MatMul_0' (MatMul) has float weights; expected weights behind a quantiser",
    ),
    "no door": (
        {"input_bits": None},
        "nothing says which integers input 'global_in' takes; expected an integer datatype on "
        "the input, or a quantiser behind it; pass --input-type",
    ),
    "operator": (
        {"extra": "Erf"},
        "layer 'Erf_extra' (Erf) is not supported; expected convolutions",
    ),
    "invented operator": ({"extra": "Banana"}, "layer 'Banana_extra' (Banana) is not supported"),
    "dynamic batch": (
        {"batch": "N"},
        "input 'image' has shape ['N', 6]; expected fixed sizes with batch 1 in front",
    ),
    "batch of four": ({"batch": 4}, "input 'image' has shape [4, 6]; expected fixed sizes"),
    "not a number": ({"first": with_nan()}, "tensor 'weight0' holds NaN or infinity"),
    "half a bit": ({"act_bits": 2.5}, "has 2.5 bits; expected a whole number from 1 to 8"),
    "no bits": ({"weight_bits": 0}, "has 0 bits; expected a whole number from 1 to 8"),
    "nine bits": ({"act_bits": 9}, "has 9 bits; expected a whole number from 1 to 8"),
    "wide door": ({"input_bits": 17}, "has 17 bits; expected a whole number from 1 to 16"),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_one_fault_is_one_sentence(name: str, tmp_path: Path) -> None:
    faults, sentence = SENTENCES[name]
    file = dense(tmp_path / "m.onnx", **faults)  # type: ignore[arg-type]
    assert sentence in refused(file, tmp_path)


def refused(file: Path, tmp_path: Path, **values: object) -> str:
    with pytest.raises(InputError) as error:
        adopted(file, tmp_path / "out", **values)
    assert str(file) in str(error.value) or "input type" in str(error.value)
    assert list((tmp_path / "out").glob("*.onnx")) == []
    return str(error.value)


@pytest.mark.parametrize("given", ["BANANA", "FLOAT32", "FIXED<8,4>", "INT64", "../INT8"])
def test_an_input_type_that_is_none(given: str, tmp_path: Path) -> None:
    file = dense(tmp_path / "m.onnx", input_bits=None)
    assert refused(file, tmp_path, input_type=given) == (
        f"the input type is '{given}'; expected an integer type of at most 16 bits, such as "
        "UINT8 or INT4; correct --input-type."
    )


NO_DOOR = (
    "INT", "UINT", "INTx", "FIXED<8>", "SCALEDINT<>", "INT0", "UINT0", "INT-1", "INT 8", "INT8\n",
    "INT08", "INT1", "INT17", "int8",
)  # fmt: skip


@pytest.mark.parametrize("given", NO_DOOR)
def test_types_that_are_no_door(given: str, tmp_path: Path) -> None:
    file = dense(tmp_path / "m.onnx", input_bits=None)
    shown = re.escape(given.replace("\n", " "))
    with pytest.raises(InputError, match=rf"the input type is '{shown}'; expected an integer type"):
        adopted(file, tmp_path / "out", input_type=given)


@pytest.mark.parametrize("given", ["INT2", "UINT1", "UINT16", "BINARY", "BIPOLAR", "TERNARY"])
def test_types_that_are_one(given: str, tmp_path: Path) -> None:
    file = dense(tmp_path / "m.onnx", input_bits=None)
    wanted = "BINARY" if given == "UINT1" else given
    exported = adopted(file, tmp_path / "out", input_type=given)
    assert exported.contract.input.dtype == wanted


@pytest.mark.parametrize("scale", [1e-300, 1e-40])
def test_scales_that_are_none(scale: float, tmp_path: Path) -> None:
    file = dense(tmp_path / "m.onnx", input_bits=None)
    with pytest.raises(InputError, match=r"--input-scale in float32 is .*; expected a number"):
        adopted(file, tmp_path / "out", input_type="INT8", input_scale=scale)


def test_two_inputs_or_outputs(tmp_path: Path) -> None:
    graph = Graph()
    total = graph.node("Add", ["image", "other"], "sum")
    file = graph.save(tmp_path / "two.onnx", total, inputs=("image", "other"))
    assert "has 2 inputs and 1 outputs; expected one input and one output" in refused(
        file, tmp_path
    )
    graph = Graph()
    graph.node("Relu", ["image"], "relu")
    file = graph.save(tmp_path / "three.onnx", "relu", outputs=("image",))
    assert "has 1 inputs and 2 outputs" in refused(file, tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello\n" * 50, bytes(range(256)) * 9])
def test_what_is_no_onnx(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(content)
    assert "is not an ONNX model; expected a QONNX file" in refused(file, tmp_path)


def test_no_file_or_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.onnx"):
        flow = Flow(name="x", model_file=str(path), compile=Compile(target_fps=1))
        with pytest.raises(InputError, match=r"there is no file .*; check the path of --model"):
            adopt.model_path(flow)


@pytest.mark.parametrize("hidden", [False, True])
def test_a_tensor_in_another_file_is_not_fetched(tmp_path: Path, hidden: bool) -> None:
    """Neither as an initializer nor inside a Constant node."""
    file = dense(tmp_path / "m.onnx")
    weights_elsewhere(file, hidden)
    assert "keeps tensor 'weight0' in another file; expected a model in one file" in refused(
        file, tmp_path
    )


def test_a_tensor_shorter_than_its_shape(tmp_path: Path) -> None:
    file = dense(tmp_path / "m.onnx")
    model = onnx.load(str(file))
    model.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.zeros(3, np.float32), model.graph.initializer[0].name)
    )
    model.graph.initializer[0].dims[:] = [5]
    file.write_bytes(model.SerializeToString())
    assert "cannot be read" in refused(file, tmp_path)


def test_no_damage_ends_in_anything_but_a_sentence(tmp_path: Path) -> None:
    """Every way of cutting the file short, and bytes changed at random."""
    whole = dense(tmp_path / "whole.onnx").read_bytes()
    file, chance = tmp_path / "damaged.onnx", random.Random(0)
    damaged = [whole[:size] for size in range(0, len(whole), 8)]
    for _ in range(150):
        changed = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 5))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        damaged.append(bytes(changed))
    refusals = 0
    for content in damaged:
        file.write_bytes(content)
        try:
            adopted(file, tmp_path / "out")
        except LeptonError:
            refusals += 1
    assert refusals > len(damaged) / 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    file = dense(tmp_path / "m.onnx")
    file.chmod(0)
    assert "is not an ONNX model" in refused(file, tmp_path)
