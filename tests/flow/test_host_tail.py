"""What the host does after the hardware: cut off, and put together to one scale and bias."""

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.host_tail import cut_host_tail
from lepton_hw.errors import StageError

HEIGHT, WIDTH, CLASSES = 2, 4, 3
SCALES = np.array([0.5, 0.25, 2.0], np.float32)


def image_tail(constant: NDArray[np.float32]) -> ModelWrapper:
    """codes, channels-last → Transpose → Mul by `constant` → output, channels-first."""
    last, first = (1, HEIGHT, WIDTH, CLASSES), (1, CLASSES, HEIGHT, WIDTH)
    make, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        make.make_node("Identity", ["image"], ["codes"]),
        make.make_node("Transpose", ["codes"], ["first"], perm=[0, 3, 1, 2]),
        make.make_node("Mul", ["first", "constant"], ["real"]),
    ]
    graph = make.make_graph(
        nodes,
        "tail",
        [make.make_tensor_value_info("image", kind, last)],
        [make.make_tensor_value_info("real", kind, first)],
        [onnx.numpy_helper.from_array(constant, "constant")],
        value_info=[make.make_tensor_value_info("codes", kind, last)],
    )
    model = ModelWrapper(make.make_model(graph))
    model.set_tensor_datatype("codes", DataType["INT8"])
    return model


@pytest.mark.parametrize("scales", [SCALES, SCALES[:1]])
def test_an_image_keeps_the_order_of_the_hardware(scales: NDArray[np.float32]) -> None:
    model, tail = cut_host_tail(image_tail(scales.reshape(1, -1, 1, 1)))
    assert tail.scale == tuple(scales.tolist())
    assert set(tail.bias) == {0.0}
    assert tail.steps == ()
    assert model.get_first_global_out() == "codes"
    assert model.get_tensor_shape("codes") == [1, HEIGHT, WIDTH, CLASSES]


def test_a_scale_for_each_column_is_no_scale_for_each_class() -> None:
    columns = np.ones((1, 1, 1, WIDTH), np.float32) * 0.5
    columns[..., 0] = 2.0
    with pytest.raises(StageError, match="still gives FLOAT32; expected integers"):
        cut_host_tail(image_tail(columns))
