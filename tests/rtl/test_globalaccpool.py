"""Sums over whole images: any size, precision and folding equals FINN's GlobalAccPool exactly."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import ACTIVATIONS, DOMAIN, PACK, Case, examples, verify
from onnx import helper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.compiler.node_design import node_model
from lepton_hw.compiler.world import finn_world
from lepton_hw.errors import StageError


@st.composite
def cases(draw: Any) -> Case:
    """A random global pooling layer."""
    kind, channels = draw(st.sampled_from(ACTIVATIONS)), draw(st.integers(1, 16))
    height, width = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    attributes = {
        "NumChannels": channels, "inputDataType": kind, "numInputVectors": [1, height, width],
        "PE": draw(st.sampled_from([n for n in range(1, channels + 1) if channels % n == 0])),
    }  # fmt: skip
    return Case(
        "GlobalAccPool_rtl",
        attributes,
        (((1, height, width, channels), kind),),
        (((1, 1, 1, channels), "INT32"),),
        minimize=True,
    )


@examples
@given(st.lists(cases(), min_size=PACK, max_size=PACK), st.integers(1, 1 << 20))
def test_any_configuration_is_exact(
    tmp_path_factory: pytest.TempPathFactory, pack: list[Case], seed: int
) -> None:
    verify(pack, tmp_path_factory.mktemp("globalaccpool"), seed)


@pytest.mark.parametrize(
    ("kind", "pixels", "expected"),
    [
        ("UINT4", (7, 7), "UINT10"), ("INT4", (2, 4), "INT7"), ("BINARY", (2, 2), "UINT3"),
        # -8 fits INT4, but 8 does not; FINN's own rule looks at the lowest sum only.
        ("BIPOLAR", (2, 4), "INT5"), ("TERNARY", (2, 4), "INT5"), ("BIPOLAR", (1, 1), "INT2"),
    ],
)  # fmt: skip
def test_the_output_type_holds_every_sum(kind: str, pixels: tuple[int, int], expected: str) -> None:
    op = getCustomOp(_node(inputDataType=kind, numInputVectors=[1, *pixels]))
    assert op.get_output_datatype().name == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"PE": 4}, r"parameter PE of layer pool \(pool\) is 4; expected a divisor of 6"),
        ({"inputDataType": "INT40"}, "parameter IN_BITS of layer pool .* is 40; expected 1 to 32"),
        (
            {"numInputVectors": [1]},
            "attribute numInputVectors of layer pool is .1.; expected three",
        ),
    ],
)
def test_a_bad_parameter_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with finn_world(tmp_path / "finn", tmp_path / "log"):
        values = {"x": ((1, 4, 4, 6), "INT4")}, {"y": ((1, 1, 1, 6), "INT8")}
        model = node_model([_node(**changes)], *values, {})
        op = getCustomOp(model.graph.node[0])
        op.set_nodeattr("code_gen_dir_ipgen", str(tmp_path))
        with pytest.raises(StageError, match=message):
            op.code_generation_ipgen(model, "xc7z020clg400-1", 10.0)


def _node(**changes: Any) -> Any:
    attributes = {
        "NumChannels": 6, "PE": 2, "inputDataType": "INT4", "numInputVectors": [1, 4, 4], **changes,
    }  # fmt: skip
    return helper.make_node(
        "GlobalAccPool_rtl", ["x"], ["y"], name="pool", domain=DOMAIN, backend="fpgadataflow",
        **attributes,
    )  # fmt: skip
