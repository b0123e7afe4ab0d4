"""Depthwise unit of LUTs: any shape, precision and folding equals FINN's VVAU exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import (
    ACTIVATIONS,
    MODES,
    PACK,
    WEIGHTS,
    Case,
    divisor,
    examples,
    longest,
    random_codes,
    verify,
)


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
