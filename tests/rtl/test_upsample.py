"""Upsampling by repetition: any size, precision and folding equals FINN's model exactly."""

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
    """A random enlargement, of one axis or both, up to a row that needs block RAM."""
    kind, channels = draw(st.sampled_from(ACTIVATIONS)), draw(st.integers(1, 24))
    height, width = draw(st.integers(1, 4)), draw(st.integers(1, 8))
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    attributes = {
        "NumChannels": channels, "inputDataType": kind, "HI": height, "WI": width,
        "HO": height * rows, "WO": width * columns, "batchSize": 1,
        "SIMD": draw(st.sampled_from([n for n in range(1, channels + 1) if channels % n == 0])),
    }  # fmt: skip
    return Case(
        "UpsampleNearestNeighbour_rtl",
        attributes,
        (((1, height, width, channels), kind),),
        (((1, height * rows, width * columns, channels), kind),),
    )


@examples
@given(st.lists(cases(), min_size=PACK, max_size=PACK), st.integers(1, 1 << 20))
def test_any_configuration_is_exact(
    tmp_path_factory: pytest.TempPathFactory, pack: list[Case], seed: int
) -> None:
    verify(pack, tmp_path_factory.mktemp("upsample"), seed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SIMD": 4}, r"parameter SIMD of layer up \(upsample\) is 4; expected a divisor of 6"),
        ({"HO": 7}, "layer up enlarges HI 4 to HO 7; expected a whole multiple"),
        ({"WO": 2}, "layer up enlarges WI 4 to WO 2; expected a whole multiple"),
        ({"inputDataType": "INT65"}, "parameter BITS of layer up .* is 65; expected 1 to 64"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    attributes = {
        "NumChannels": 6, "SIMD": 2, "inputDataType": "INT4", "HI": 4, "WI": 4, "HO": 8, "WO": 8,
        **changes,
    }  # fmt: skip
    node = helper.make_node(
        "UpsampleNearestNeighbour_rtl", ["x"], ["y"], name="up", domain=DOMAIN,
        backend="fpgadataflow", **attributes,
    )  # fmt: skip
    with finn_world(tmp_path / "finn", tmp_path / "log"):
        values = {"x": ((1, 4, 4, 6), "INT4")}, {"y": ((1, 8, 8, 6), "INT4")}
        model = node_model([node], *values, {})
        op = getCustomOp(model.graph.node[0])
        op.set_nodeattr("code_gen_dir_ipgen", str(tmp_path))
        with pytest.raises(StageError, match=message):
            op.code_generation_ipgen(model, "xc7z020clg400-1", 10.0)
