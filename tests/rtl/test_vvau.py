"""Depthwise unit of LUTs: any shape, precision and folding equals FINN's VVAU exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import (
    ACTIVATIONS,
    DOMAIN,
    MODES,
    PACK,
    WEIGHTS,
    Case,
    divisor,
    examples,
    longest,
    random_codes,
    refusal,
    verify,
)
from onnx import helper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.compiler.node_design import node_model
from lepton_hw.compiler.world import finn_world
from lepton_hw.errors import StageError


@st.composite
def cases(draw: Any) -> Case:
    """A random depthwise unit."""
    activation, weight = draw(st.sampled_from(ACTIVATIONS)), draw(st.sampled_from(WEIGHTS))
    kernels = [(1, 1), (3, 3), (1, 4), (2, 3), (5, 1)]
    most = longest(activation, weight)
    kernel = draw(st.sampled_from([k for k in kernels if k[0] * k[1] <= most]))
    channels = draw(st.integers(1, 12))
    taps = kernel[0] * kernel[1]
    height, width = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    pe = divisor(draw, channels)
    # FINN folds the kernel only once all channels work side by side.
    simd = divisor(draw, taps) if pe == channels else 1
    rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    weights = random_codes(rng, weight, (channels, 1, *kernel)).astype(np.float32)
    attributes = {
        "PE": pe, "SIMD": simd, "Dim": [height, width], "Channels": channels,
        "Kernel": list(kernel), "inputDataType": activation, "weightDataType": weight,
        "outputDataType": "INT32", "accDataType": "INT32", "noActivation": 1,
        "resType": "lut", "mem_mode": draw(st.sampled_from(MODES)),
    }  # fmt: skip
    return Case(
        "VVAU_rtl",
        attributes,
        (((1, height, width, taps * channels), activation),),
        (((1, height, width, channels), "INT32"),),
        ((weights, weight),),
        minimize=draw(st.booleans()),
    )


@examples
@given(st.lists(cases(), min_size=PACK, max_size=PACK), st.integers(1, 1 << 20))
def test_any_configuration_is_exact(
    tmp_path_factory: pytest.TempPathFactory, pack: list[Case], seed: int
) -> None:
    verify(pack, tmp_path_factory.mktemp("vvau"), seed)


def test_weights_that_are_all_zero(tmp_path: Path) -> None:
    attributes = {
        "PE": 2, "SIMD": 1, "Dim": [2, 2], "Channels": 2, "Kernel": [3, 3],
        "inputDataType": "UINT3", "weightDataType": "INT2", "outputDataType": "INT32",
        "noActivation": 1, "resType": "lut", "mem_mode": "internal_embedded",
    }  # fmt: skip
    weights = np.zeros((2, 1, 3, 3), np.float32)
    streams = (((1, 2, 2, 18), "UINT3"),), (((1, 2, 2, 2), "INT32"),)
    verify(
        [Case("VVAU_rtl", attributes, *streams, ((weights, "INT2"),), minimize=True)], tmp_path, 1
    )


def unit(**changes: Any) -> Case:
    """Six channels, a kernel of 3 x 3."""
    attributes = {
        "PE": 2, "SIMD": 1, "Dim": [2, 2], "Channels": 6, "Kernel": [3, 3],
        "inputDataType": "UINT3", "weightDataType": "INT2", "outputDataType": "INT32",
        "noActivation": 1, "resType": "lut", "mem_mode": "internal_embedded", **changes,
    }  # fmt: skip
    streams = (((1, 2, 2, 54), "UINT3"),), (((1, 2, 2, 6), "INT32"),)
    return Case("VVAU_rtl", attributes, *streams, ((np.ones((6, 1, 3, 3), np.float32), "INT2"),))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"PE": 4}, r"parameter PE of layer layer_0 \(vvau_lut\) is 4; expected a divisor of 6"),
        ({"PE": 7}, "parameter PE of .* is 7; expected 1 to 6"),
        ({"SIMD": 0}, "parameter SIMD of .* is 0; expected 1 to 9"),
        ({"SIMD": 2, "PE": 6}, "parameter SIMD of .* is 2; expected a divisor of 9"),
        ({"weightDataType": "INT17"}, "parameter W_BITS of .* is 17; expected 1 to 16"),
        ({"noActivation": 0}, "attribute noActivation of .* is 0; expected 1"),
        ({"resType": "dsp"}, "mem_mode of .* dsp and internal_embedded; expected .*_decoupled"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    refusal(tmp_path, unit(**changes), message)


def test_a_window_folded_otherwise_is_refused(tmp_path: Path) -> None:
    case = unit(PE=2)
    window = helper.make_node(
        "ConvolutionInputGenerator_rtl", ["x"], ["v"], name="swg", domain=DOMAIN,
        backend="fpgadataflow", ConvKernelDim=[3, 3], IFMChannels=6, IFMDim=[4, 4],
        OFMDim=[2, 2], SIMD=3, Stride=[1, 1], Dilation=[1, 1], inputDataType="UINT3",
        outputDataType="UINT3", depthwise=1,
    )  # fmt: skip
    node = helper.make_node(
        "VVAU_rtl", ["v", "w"], ["y"], name="vvau", domain=DOMAIN, backend="fpgadataflow",
        **case.attributes,
    )  # fmt: skip
    with finn_world(tmp_path / "finn", tmp_path / "log"):
        values = {"x": ((1, 4, 4, 6), "UINT3")}, {"y": ((1, 2, 2, 6), "INT32")}
        model = node_model([window, node], *values, {"w": case.constants[0]})
        with pytest.raises(StageError, match="vvau has PE 2 and its window swg has SIMD 3"):
            getCustomOp(model.graph.node[1]).kernel(model)
