"""Fork: every branch gets every beat, at its own pace."""

from pathlib import Path
from typing import Any

import numpy as np
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


def test_finns_own_simulation_of_a_node(tmp_path: Path) -> None:
    """FINN's rtlsim: several outputs, an input that is a constant, and several inputs."""
    from finn.core.onnx_exec import execute_onnx
    from kernel_cases import _model
    from qonnx.custom_op.registry import getCustomOp

    from lepton_hw.compiler.world import finn_world

    shape = (1, 2, 6)
    attributes = {
        "lhs_dtype": "INT4", "rhs_dtype": "INT4", "out_dtype": "INT5", "lhs_shape": list(shape),
        "rhs_shape": [6], "out_shape": list(shape), "PE": 3, "rhs_style": "const",
        "mem_mode": "internal_embedded",
    }  # fmt: skip
    constant = np.arange(-3, 3).astype(np.float32)
    pack = [
        case("INT4", 6, 2, 3, [1, 2]),
        Case(
            "ElementwiseAdd_rtl", attributes, ((shape, "INT4"),), ((shape, "INT5"),),
            ((constant, "INT4"),),
        ),
    ]  # fmt: skip
    with finn_world(tmp_path / "finn", tmp_path / "log"):
        model = _model(pack)
        values = np.random.default_rng(0).integers(-8, 8, shape).astype(np.float32)
        feed = {value.name: values for value in model.graph.input}
        expected = execute_onnx(model, feed)
        for index, node in enumerate(model.graph.node):
            node.name = f"node_{index}"
            op = getCustomOp(node)
            folder = tmp_path / node.name
            folder.mkdir()
            op.set_nodeattr("code_gen_dir_ipgen", str(folder))
            op.code_generation_ipgen(model, "xc7z020clg400-1", 10.0)
            op.prepare_rtlsim(behav=False)
            op.set_nodeattr("exec_mode", "rtlsim")
        found = execute_onnx(model, feed)
    assert len(expected) == 4
    for name, wanted in expected.items():
        assert np.array_equal(found[name], wanted), name
