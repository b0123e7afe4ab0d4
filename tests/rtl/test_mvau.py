"""Matrix-vector unit of LUTs: any shape, precision and folding equals FINN's MVAU exactly."""

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
    refusal,
    verify,
)

from lepton_hw.compiler.kernels.dot_formats import narrowest, planar_words


@st.composite
def cases(draw: Any) -> Case:
    """A random matrix-vector unit."""
    xnor = draw(st.sampled_from([0, 0, 0, 1]))
    activation = "BINARY" if xnor else draw(st.sampled_from(ACTIVATIONS))
    weight = "BINARY" if xnor else draw(st.sampled_from(WEIGHTS))
    mw, mh = draw(st.integers(1, longest(activation, weight))), draw(st.integers(1, 12))
    vectors = draw(st.sampled_from([[1], [1, 3], [1, 2, 2]]))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    weights = random_codes(rng, weight, (mw, mh)).astype(np.float32)
    attributes = {
        "MW": mw, "MH": mh, "PE": divisor(draw, mh), "SIMD": divisor(draw, mw),
        "inputDataType": activation, "weightDataType": weight, "outputDataType": "INT32",
        "accDataType": "INT32", "noActivation": 1, "binaryXnorMode": xnor,
        "numInputVectors": vectors, "resType": "lut", "mem_mode": draw(st.sampled_from(MODES)),
    }  # fmt: skip
    return Case(
        "MVAU_rtl",
        attributes,
        (((*vectors, mw), activation),),
        (((*vectors, mh), "INT32"),),
        ((weights, weight),),
        minimize=draw(st.booleans()),
    )


@examples
@given(st.lists(cases(), min_size=PACK, max_size=PACK), st.integers(1, 1 << 20))
def test_any_configuration_is_exact(
    tmp_path_factory: pytest.TempPathFactory, pack: list[Case], seed: int
) -> None:
    verify(pack, tmp_path_factory.mktemp("mvau"), seed)


def test_many_stages_and_wide_beats(tmp_path: Path) -> None:
    """A beat that fills several stages of the adder, in each of the formats."""
    rng = np.random.default_rng(3)
    formats = [("BIPOLAR", "BIPOLAR", 1200), ("INT4", "INT4", 96), ("UINT8", "BIPOLAR", 160)]
    pack = []
    for activation, weight, mw in formats:
        attributes = {
            "MW": mw, "MH": 3, "PE": 3, "SIMD": mw, "inputDataType": activation,
            "weightDataType": weight, "outputDataType": "INT32", "noActivation": 1,
            "numInputVectors": [1, 6], "resType": "lut", "mem_mode": "internal_embedded",
        }  # fmt: skip
        weights = random_codes(rng, weight, (mw, 3)).astype(np.float32)
        pack.append(
            Case(
                "MVAU_rtl", attributes, (((1, 6, mw), activation),), (((1, 6, 3), "INT32"),),
                ((weights, weight),), minimize=True,
            )
        )  # fmt: skip
    verify(pack, tmp_path, 1)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PE", 5, r"parameter PE of layer layer_0 \(mvau_lut\) is 5; expected 1 to 4"),
        ("PE", 3, "parameter PE of .* is 3; expected a divisor of 4"),
        ("SIMD", 0, "parameter SIMD of .* is 0; expected 1 to 6"),
        ("inputDataType", "INT17", "parameter A_BITS of .* is 17; expected 1 to 16"),
        ("noActivation", 0, "attribute noActivation of .* is 0; expected 1"),
        ("mem_mode", "dynamic", "attribute mem_mode of .* is dynamic; expected one of"),
        ("weightDataType", "FLOAT32", "operands of type FLOAT32; expected integers"),
        ("resType", "dsp", "mem_mode of .* dsp and internal_embedded; expected .*_decoupled"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(
    tmp_path: Path, name: str, value: Any, message: str
) -> None:
    attributes = {
        "MW": 6, "MH": 4, "PE": 2, "SIMD": 3, "inputDataType": "INT4", "weightDataType": "INT4",
        "outputDataType": "INT16", "noActivation": 1, "resType": "lut",
        "mem_mode": "internal_embedded", name: value,
    }  # fmt: skip
    streams = (((1, 6), "INT4"),), (((1, 4), "INT16"),)
    weights = np.ones((6, 4), np.float32)
    refusal(tmp_path, Case("MVAU_rtl", attributes, *streams, ((weights, "INT4"),)), message)


def test_planar_words_hold_one_bit_plane_after_the_other() -> None:
    codes = np.array([[[1, -2, 3], [0, 0, -1]]])
    # Row 0: bit 0 of (1, -2, 3) is 101b from the left, read from the lowest: 1, 0, 1.
    planes = [[1, 0, 1], [0, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]]
    bits = [bit for plane in planes for bit in plane]
    expected = sum(bit << place for place, bit in enumerate(bits))
    assert planar_words(codes, 3) == f"{expected:05x}\n"


@pytest.mark.parametrize(
    ("weights", "keep_sum", "expected"),
    [
        ([-1, 1], False, "BIPOLAR"),
        ([-1, 1], True, "TERNARY"),
        ([-1, 0, 1], False, "TERNARY"),
        ([0, 1], False, "BINARY"),
        ([0, 3], False, "UINT2"),
        ([-2, 1], False, "INT2"),
        ([-1, 2], False, "INT3"),
        ([-128, 127], False, "INT8"),
        ([-129], False, "INT9"),
    ],
)
def test_the_narrowest_type(weights: list[int], keep_sum: bool, expected: str) -> None:
    assert narrowest(np.array(weights), keep_sum) == expected
