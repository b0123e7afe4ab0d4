"""Embedding tables of any depth, width and type; and layers that only rename axes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import (
    ACTIVATIONS,
    Case,
    divisor,
    examples_in_packs,
    random_codes,
    refusal,
    verify,
)

PACK = 20


def lookup(index: str, depth: int, width: int, kind: str, **changes: Any) -> Case:
    """One table of random values; `changes` replace attributes."""
    attributes = {
        "NumEmbeddings": depth, "EmbeddingDim": width, "EmbeddingType": kind, "InputType": index,
        "InputShape": [1, 7], "mem_mode": "internal_embedded", **changes,
    }  # fmt: skip
    table = np.zeros((depth, width))
    if not kind.startswith("FLOAT"):
        table = random_codes(np.random.default_rng(depth * width), kind, (depth, width))
    return Case(
        "Lookup_rtl", attributes, (((1, 7), index),), (((1, 7, width), kind),),
        ((table.astype(np.float32), kind),), highest=depth - 1,
    )  # fmt: skip


def renaming(kind: str, channels: int, pe: int, squeeze: bool) -> Case:
    """A tensor of 3 x 1 x channels to 3 x channels, or back."""
    long, short = [1, 3, 1, channels], [1, 3, channels]
    before, after = (long, short) if squeeze else (short, long)
    attributes = {
        "axes": [2], "inp_dtype": kind, "out_dtype": kind, "inp_shape": before,
        "out_shape": after, "PE": pe,
    }  # fmt: skip
    op = "Squeeze_rtl" if squeeze else "Unsqueeze_rtl"
    return Case(op, attributes, ((tuple(before), kind),), ((tuple(after), kind),))


@st.composite
def cases(draw: Any) -> Case:
    """A random table, or once in four a renaming."""
    kind = draw(st.sampled_from(ACTIVATIONS))
    if draw(st.integers(0, 3)) == 0:
        channels = draw(st.integers(1, 12))
        return renaming(kind, channels, divisor(draw, channels), draw(st.booleans()))
    bits = draw(st.integers(1, 9))
    depth = draw(st.integers(1, (1 << bits) + 3))
    style = draw(st.sampled_from(["auto", "block", "distributed"]))
    index = "BINARY" if bits == 1 else f"UINT{bits}"
    return lookup(index, depth, draw(st.integers(1, 16)), kind, ram_style=style)


@examples_in_packs(PACK)
@given(st.lists(cases(), min_size=PACK, max_size=PACK), st.integers(1, 1 << 20))
def test_any_configuration_is_exact(
    tmp_path_factory: pytest.TempPathFactory, pack: list[Case], seed: int
) -> None:
    verify(pack, tmp_path_factory.mktemp("lookup"), seed)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (lookup("INT4", 8, 4, "INT4"), "indices of layer layer_0 are INT4; expected an unsigned"),
        (lookup("UINT4", 8, 4, "INT4", mem_mode="external"), "mem_mode of layer .* is external"),
        (lookup("UINT4", 8, 4, "INT4", ram_style="ultra"), "ram_style of layer .* is ultra"),
        (lookup("UINT4", 8, 4, "FLOAT32"), "FLOAT32; expected integers"),
        (lookup("UINT4", 8, 9000, "INT8"), "parameter BITS of .* is 72000; expected 1 to 65536"),
        (renaming("INT4", 6, 4, True), r"PE of layer .* \(pass_through\) is 4; .* divisor of 6"),
        (renaming("INT4", 6, 0, False), "PE of layer layer_0 .* is 0; expected 1 to 6"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(tmp_path: Path, case: Case, message: str) -> None:
    refusal(tmp_path, case, message)
