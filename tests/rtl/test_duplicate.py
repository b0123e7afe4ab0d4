"""Fork: every branch gets every beat, at its own pace."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import ACTIVATIONS, Case, divisor, examples_in_packs, refusal, verify

PACK = 20


def case(kind: str, channels: int, pe: int, branches: int, vectors: list[int]) -> Case:
    """One fork."""
    attributes = {
        "NumChannels": channels, "PE": pe, "NumOutputStreams": branches, "inputDataType": kind,
        "numInputVectors": vectors, "outFIFODepths": [2] * branches,
    }  # fmt: skip
    tensor = ((*vectors, channels), kind)
    return Case("DuplicateStreams_rtl", attributes, (tensor,), (tensor,) * branches)


@st.composite
def cases(draw: Any) -> Case:
    """A random fork."""
    channels = draw(st.integers(1, 24))
    return case(
        draw(st.sampled_from(ACTIVATIONS)),
        channels,
        divisor(draw, channels),
        draw(st.integers(1, 4)),
        draw(st.sampled_from([[1], [1, 3], [1, 2, 2]])),
    )


@examples_in_packs(PACK)
@given(st.lists(cases(), min_size=PACK, max_size=PACK), st.integers(1, 1 << 20))
def test_any_configuration_is_exact(
    tmp_path_factory: pytest.TempPathFactory, pack: list[Case], seed: int
) -> None:
    verify(pack, tmp_path_factory.mktemp("duplicate"), seed)


@pytest.mark.parametrize(
    ("pe", "branches", "message"),
    [
        (4, 2, r"PE of layer layer_0 \(duplicate_streams\) is 4; expected a divisor of 6"),
        (0, 2, "PE of layer layer_0 .* is 0; expected 1 to 6"),
        (2, 65, "parameter N of .* is 65; expected 1 to 64"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(
    tmp_path: Path, pe: int, branches: int, message: str
) -> None:
    refusal(tmp_path, case("INT4", 6, pe, branches, [1]), message)
