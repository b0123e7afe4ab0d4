"""Half-way values round to even in QONNX; FINN's thresholds must send them to the same codes."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.general.quant import quant
from qonnx.util.cleanup import cleanup_model

from lepton_hw.board import load_board
from lepton_hw.compiler.steps import FRONT, STREAMLINE, FinnSteps
from lepton_hw.compiler.ties import round_ties_to_even
from lepton_hw.compiler.world import finn_world

from .tiny_onnx import Graph

Floats = NDArray[np.float32]
#: Sums of -300 to 300, every one of them a frame of one value.
SUMS = np.arange(-300, 301, dtype=np.float32)


def expected(sums: Floats, scale: float, bits: int, *, signed: bool) -> Floats:
    """Codes as QONNX's own Quant gives them."""
    real = quant(sums, np.float32(scale), np.float32(0), np.float32(bits), signed, False, "ROUND")
    return np.rint(real / scale)


def thresholds_model(scale: float, bits: int, *, signed: bool) -> ModelWrapper:
    """The quantiser as FINN makes it: a step at the middle between every two codes."""
    lowest = -(2 ** (bits - 1)) if signed else 0
    steps = 2**bits - 1
    middles = (lowest + np.arange(steps) + 0.5) * scale
    node = helper.make_node(
        "MultiThreshold", ["sums", "thresholds"], ["codes"], name="step",
        domain="qonnx.custom_op.general", out_bias=float(lowest),
        out_dtype=f"{'' if signed else 'U'}INT{bits}", out_scale=1.0,
    )  # fmt: skip
    info = helper.make_tensor_value_info
    shape = [1, 1]
    graph = helper.make_graph(
        [node], "step",
        [info("sums", TensorProto.FLOAT, shape)], [info("codes", TensorProto.FLOAT, shape)],
    )  # fmt: skip
    model = ModelWrapper(helper.make_model(graph, opset_imports=[
        helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1),
    ]))  # fmt: skip
    model.set_initializer("thresholds", middles.astype(np.float32).reshape(1, -1))
    model.set_tensor_datatype("sums", DataType["INT16"])
    model.set_tensor_datatype("codes", DataType[f"{'' if signed else 'U'}INT{bits}"])
    return model


def codes(model: ModelWrapper) -> Floats:
    name = model.graph.input[0].name
    out = model.graph.output[0].name
    found = [execute_onnx(model, {name: np.full((1, 1), s, np.float32)})[out] for s in SUMS]
    return np.concatenate(found).reshape(-1)


SCALES = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 3.0, 6.0, 0.7]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("scale", SCALES)
def test_every_sum_gets_the_code_of_qonnx(scale: float, signed: bool) -> None:
    model = thresholds_model(scale, 4, signed=signed)
    wanted = expected(SUMS, scale, 4, signed=signed)
    before = codes(model)
    moved = round_ties_to_even(model)
    assert np.array_equal(codes(model), wanted)
    # Ties exist where the middle of two codes is an integer, and half of them were wrong.
    ties = scale % 2 == 0
    assert (moved > 0) == ties
    assert np.array_equal(before, wanted) != ties
    assert round_ties_to_even(model) == 0  # what was moved is a tie no longer


def test_both_parities_are_met() -> None:
    """Of two neighbouring ties one goes up and one goes down."""
    model = thresholds_model(2.0, 4, signed=False)
    assert round_ties_to_even(model) == 8  # into odd codes: 1, 3, … 15
    found = dict(zip(SUMS.tolist(), codes(model).tolist(), strict=True))
    assert [found[s] for s in (1.0, 3.0, 5.0, 7.0)] == [0, 2, 2, 4]


@pytest.mark.parametrize("signed", [False, True])
def test_through_finns_own_conversion(tmp_path: Path, signed: bool) -> None:
    """A Quant node on integer sums, converted and streamlined by FINN, on every input."""
    graph = Graph()
    tensor = graph.quantised("image", 4, 1.0)
    identity = np.zeros((6, 3), np.float32)
    identity[[0, 1, 2], [0, 1, 2]] = 1.0
    weight = graph.quantised(graph.constant("weight", identity), 4, 1.0)
    tensor = graph.node("MatMul", [tensor, weight], "sum")
    tensor = graph.quantised(tensor, 3, 2.0, signed=signed)
    again = graph.quantised(graph.constant("weight2", np.eye(3, dtype=np.float32)), 4, 1.0)
    tensor = graph.node("MatMul", [tensor, again], "out")
    original = cleanup_model(ModelWrapper(str(graph.save(tmp_path / "m.onnx", tensor))))
    original.save(str(tmp_path / "m.onnx"))
    (tmp_path / "finn").mkdir()
    log = tmp_path / "log"
    with finn_world(tmp_path / "build", log):
        steps = FinnSteps(load_board("pynq_z2"), tmp_path / "finn", log)
        model = steps.run((*FRONT, *STREAMLINE), ModelWrapper(str(tmp_path / "m.onnx")))
        unfixed = differing(original, model)
        assert round_ties_to_even(model) > 0
        assert unfixed > 0
        assert differing(original, model) == 0


def differing(left: ModelWrapper, right: ModelWrapper) -> int:
    """In how many of all 4-bit inputs the two graphs give other outputs."""
    count = 0
    for value in range(-8, 8):
        frame = np.full((1, 6), value, np.float32)
        one, two = (
            execute_onnx(model, {model.graph.input[0].name: frame})[model.graph.output[0].name]
            for model in (left, right)
        )
        count += int(not np.array_equal(one, two))
    return count
