"""Elementwise add, subtract, multiply: any types, broadcasting and folding as FINN's, exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import (
    ACTIVATIONS,
    DOMAIN,
    Case,
    divisor,
    examples_in_packs,
    random_codes,
    refusal,
    verify,
)

from lepton_hw.compiler.kernels.stream_formats import hex_words, holding
from lepton_hw.compiler.node_design import node_model
from lepton_hw.compiler.world import finn_world

PACK = 20
OPS = {"ElementwiseAdd": np.add, "ElementwiseSub": np.subtract, "ElementwiseMul": np.multiply}
#: Products of two of these stay exact in FINN's float32 model.
NARROW = [kind for kind in ACTIVATIONS if kind not in ("INT16", "UINT12")]


@st.composite
def cases(draw: Any) -> Case:
    """A random operation on two streams, or on a stream and a constant on either side."""
    op = draw(st.sampled_from(sorted(OPS)))
    kinds = [draw(st.sampled_from(NARROW if "Mul" in op else ACTIVATIONS)) for _ in "ab"]
    full = [1, *(draw(st.integers(1, 4)) for _ in "hw"), draw(st.integers(1, 12))]
    const = draw(st.sampled_from([None, None, 0, 1]))
    shapes = [list(full), list(full)]
    for axis in (1, 2, 3):
        broadcast = draw(st.sampled_from([None, None, 0, 1]))
        if broadcast is not None:
            shapes[broadcast][axis] = 1
    out = list(np.broadcast_shapes(*map(tuple, shapes)))
    if const is not None and draw(st.booleans()):
        shapes[const] = shapes[const][draw(st.integers(0, 3)) :]
        out = list(np.broadcast_shapes(*map(tuple, shapes)))
    styles = ["const" if const == i else "input" for i in (0, 1)]
    attributes = {
        "lhs_dtype": kinds[0], "rhs_dtype": kinds[1], "out_dtype": "INT32",
        "lhs_shape": shapes[0], "rhs_shape": shapes[1], "out_shape": out,
        "lhs_style": styles[0], "rhs_style": styles[1], "PE": divisor(draw, out[-1]),
        "mem_mode": "internal_embedded",
        "ram_style": draw(st.sampled_from(["auto", "block", "distributed"])),
    }  # fmt: skip
    operands = [(tuple(shapes[i]), kinds[i]) for i in (0, 1)]
    constants: tuple[Any, ...] = ()
    if const is not None:
        rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
        shape, kind = operands.pop(const)
        constants = ((random_codes(rng, kind, shape).astype(np.float32), kind),)
    return Case(
        f"{op}_rtl", attributes, tuple(operands), ((tuple(out), "INT32"),), constants,
        minimize=draw(st.booleans()), constants_first=const == 0,
    )  # fmt: skip


@examples_in_packs(PACK)
@given(st.lists(cases(), min_size=PACK, max_size=PACK), st.integers(1, 1 << 20))
def test_any_configuration_is_exact(
    tmp_path_factory: pytest.TempPathFactory, pack: list[Case], seed: int
) -> None:
    verify(pack, tmp_path_factory.mktemp("eltwise"), seed)


def node(**changes: Any) -> Case:
    """A sum of 6 channels; `changes` replace attributes."""
    attributes = {
        "lhs_dtype": "INT8", "rhs_dtype": "UINT8", "out_dtype": "INT10", "lhs_shape": [1, 2, 6],
        "rhs_shape": [1, 2, 6], "out_shape": [1, 2, 6], "PE": 2, **changes,
    }  # fmt: skip
    inputs = tuple((tuple(attributes[f"{s}_shape"]), "INT8") for s in ("lhs", "rhs"))
    return Case("ElementwiseAdd_rtl", attributes, inputs, (((1, 2, 6), "INT10"),))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"PE": 4}, r"parameter PE of layer layer_0 \(eltwise\) is 4; expected a divisor of 6"),
        ({"PE": 7}, "parameter PE of .* is 7; expected 1 to 6"),
        ({"PE": 0}, "parameter PE of .* is 0; expected 1 to 6"),
        ({"out_dtype": "INT9"}, "out_dtype of layer layer_0 is INT9; .* holds -128 to 382"),
        ({"lhs_dtype": "INT33", "out_dtype": "INT40"}, "A_BITS of .* is 33; expected 1 to 32"),
        ({"out_dtype": "FLOAT32"}, "numbers of type FLOAT32; expected integers"),
        ({"rhs_style": "const", "mem_mode": "internal_decoupled"}, "mem_mode of layer layer_0 is"),
        ({"rhs_style": "const", "mem_mode": "internal_embedded"}, "the constant x0_1 .* missing"),
        (
            {"lhs_shape": [2, 1, 2, 1, 2, 1, 6], "rhs_shape": [1, 2, 1, 2, 1, 2, 6],
             "out_shape": [2, 2, 2, 2, 2, 2, 6]},
            "operand lhs of layer layer_0 is broadcast along 3 axes",
        ),
    ],
)  # fmt: skip
def test_a_bad_parameter_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    refusal(tmp_path, node(**changes), message)


@pytest.mark.parametrize(
    ("op", "lhs", "rhs", "expected"),
    [
        ("Add", "INT8", "UINT8", "INT10"), ("Sub", "INT8", "UINT8", "INT10"),
        ("Add", "UINT4", "UINT4", "UINT5"), ("Sub", "UINT4", "UINT4", "INT5"),
        ("Mul", "INT4", "INT4", "INT8"), ("Mul", "BIPOLAR", "UINT4", "INT5"),
    ],
)  # fmt: skip
def test_the_result_type_holds_every_result(
    tmp_path: Path, op: str, lhs: str, rhs: str, expected: str
) -> None:
    """FINN's own types are too narrow for the first two."""
    from onnx import helper

    with finn_world(tmp_path / "finn", tmp_path / "log"):
        from qonnx.custom_op.registry import getCustomOp

        one = helper.make_node(
            f"Elementwise{op}_rtl", ["x", "y"], ["z"], name="n", domain=DOMAIN,
            backend="fpgadataflow", lhs_dtype=lhs, rhs_dtype=rhs, out_dtype="INT32",
            lhs_shape=[1, 2], rhs_shape=[1, 2], out_shape=[1, 2],
        )  # fmt: skip
        values = {"x": ((1, 2), lhs), "y": ((1, 2), rhs)}, {"z": ((1, 2), "INT32")}
        model = node_model([one], *values, {})
        getCustomOp(model.graph.node[0]).minimize_accumulator_width(model)
        assert model.get_tensor_datatype("z").name == expected


def test_memory_words() -> None:
    from qonnx.core.datatype import DataType

    assert hex_words(np.array([[1, -2], [3, -1]]), DataType["INT3"]) == "31\n3b\n"
    assert hex_words(np.array([[1, -1, 1]]), DataType["BIPOLAR"]) == "5\n"
    assert [holding(0, 1), holding(0, 2), holding(-1, 0), holding(-3, 4)] == [
        "BINARY", "UINT2", "INT1", "INT4",
    ]  # fmt: skip
