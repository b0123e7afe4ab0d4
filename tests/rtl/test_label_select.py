"""Top-K with indices: any K, folding and type; of equal values the lower index comes first."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import ACTIVATIONS, Case, divisor, examples_in_packs, refusal, verify

PACK = 20


def case(kind: str, labels: int, pe: int, k: int, vectors: list[int], **changes: Any) -> Case:
    """One selection; `changes` replace attributes."""
    attributes = {
        "Labels": labels, "PE": pe, "K": k, "inputDataType": kind, "numInputVectors": vectors,
        "outputDataType": "UINT8", **changes,
    }  # fmt: skip
    return Case(
        "LabelSelect_rtl", attributes, (((*vectors, labels), kind),), (((*vectors, k), "UINT8"),)
    )


@st.composite
def cases(draw: Any) -> Case:
    """A random selection; narrow types give many equal values."""
    labels = draw(st.sampled_from([1, 2, 3, 6, 10, 12, 16]))
    return case(
        draw(st.sampled_from(ACTIVATIONS)),
        labels,
        divisor(draw, labels),
        draw(st.integers(1, min(labels, 5))),
        draw(st.sampled_from([[1], [1, 3]])),
    )


@examples_in_packs(PACK)
@given(st.lists(cases(), min_size=PACK, max_size=PACK), st.integers(1, 1 << 20))
def test_any_configuration_is_exact(
    tmp_path_factory: pytest.TempPathFactory, pack: list[Case], seed: int
) -> None:
    verify(pack, tmp_path_factory.mktemp("label"), seed)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (case("INT4", 10, 4, 1, [1]), r"PE of layer .* \(label_select\) is 4; .* divisor of 10"),
        (case("INT4", 10, 0, 1, [1]), "PE of layer .* is 0; expected 1 to 10"),
        (case("INT4", 10, 5, 11, [1]), "parameter K of .* is 11; expected 1 to 10"),
        (case("INT4", 99, 1, 33, [1]), "parameter K of .* is 33; expected 1 to 32"),
        (case("INT4", 999, 1, 3, [1]), "parameter OUT_BITS of .* is 8; expected 10 to 32"),
        (case("FLOAT32", 10, 5, 1, [1]), "FLOAT32; expected integers"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(tmp_path: Path, case: Case, message: str) -> None:
    refusal(tmp_path, case, message)
