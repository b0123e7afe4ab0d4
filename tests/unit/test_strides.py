"""Strides that end beyond an image, shortened: as many windows as before, at the same places."""

from typing import Any

import pytest
from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.strides import shorten_strides


def pooled(size: int, **attributes: Any) -> tuple[list[int], int]:
    """Strides of a max-pool on (1, 2, 4, `size`) afterwards, and how many were changed."""
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 4, size])]
    ends.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, None))
    node = helper.make_node("MaxPool", ["x"], ["y"], **attributes)
    model = ModelWrapper(helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:])))
    changed = shorten_strides(model)
    (strides,) = (a.ints for a in model.graph.node[0].attribute if a.name == "strides")
    return list(strides), changed


@pytest.mark.parametrize(
    ("size", "attributes", "expected"),
    [
        (4, {"kernel_shape": [2, 2], "strides": [2, 2]}, [2, 2]),
        (2, {"kernel_shape": [2, 2], "strides": [2, 2]}, [2, 1]),
        (3, {"kernel_shape": [2, 2], "strides": [2, 9]}, [2, 2]),
        (3, {"kernel_shape": [2, 2], "strides": [2, 9], "pads": [0, 1, 0, 1]}, [2, 4]),
        (3, {"kernel_shape": [2, 2], "strides": [2, 9], "dilations": [1, 2]}, [2, 1]),
        (3, {"kernel_shape": [2, 2], "strides": [2, 9], "ceil_mode": 1}, [2, 9]),
    ],
)
def test_strides(size: int, attributes: dict[str, Any], expected: list[int]) -> None:
    strides, changed = pooled(size, **attributes)
    assert strides == expected
    assert changed == sum(a != b for a, b in zip(strides, attributes["strides"], strict=True))
