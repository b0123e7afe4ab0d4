"""The Open Inference Protocol: requests as clients write them, answers as they read them."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_hw.onboard.errors import InputError
from lepton_hw.onboard.open_inference import (
    DATATYPES,
    Asked,
    Tensor,
    answer,
    datatype,
    described,
    read_request,
)

DOOR = Tensor("input", "UINT4", np.dtype("u1"), (2, 3), "NC")
CODES = np.arange(12).reshape(2, 2, 3)


def entry(**more: Any) -> dict[str, Any]:
    values = {"name": "input", "shape": [2, 2, 3], "datatype": "UINT8", "data": list(range(12))}
    return {name: value for name, value in {**values, **more}.items() if value is not ...}


def read(request: Any, rest: bytes = b"", header: Any = ...) -> Asked:
    text = request if isinstance(request, bytes) else json.dumps(request).encode()
    front = (str(len(text)) if rest else None) if header is ... else header
    return read_request(text + rest, front, DOOR, "output")


@pytest.mark.parametrize("data", [list(range(12)), CODES.tolist()], ids=["flat", "nested"])
def test_numbers_in_json(data: list[Any]) -> None:
    asked = read({"id": "7", "inputs": [entry(data=data)]})
    assert np.array_equal(asked.codes, CODES)
    assert (asked.identity, asked.binary) == ("7", False)


def test_one_frame_without_a_batch() -> None:
    asked = read({"inputs": [entry(shape=[2, 3], data=list(range(6)))]})
    assert asked.codes.shape == (1, 2, 3)


@pytest.mark.parametrize("name", DATATYPES)
def test_binary_tensors(name: str) -> None:
    kind = np.dtype(DATATYPES[name])
    content = CODES.astype(kind).tobytes()
    given_ = entry(datatype=name, data=..., parameters={"binary_data_size": len(content)})
    asked = read({"inputs": [given_], "parameters": {"binary_data_output": True}}, content)
    assert np.array_equal(asked.codes, CODES.astype(kind))
    assert asked.binary


@pytest.mark.parametrize(
    ("request_", "binary"),
    [
        ({}, False),
        ({"outputs": [{"name": "output"}]}, False),
        ({"outputs": [{"name": "output", "parameters": {"binary_data": True}}]}, True),
        ({"outputs": [{"name": "output"}], "parameters": {"binary_data_output": True}}, True),
        ({"outputs": [{"name": "output", "parameters": {"binary_data": False}}],
          "parameters": {"binary_data_output": True}}, False),
    ],
)  # fmt: skip
def test_how_the_answer_is_to_look(request_: dict[str, Any], binary: bool) -> None:
    assert read({"inputs": [entry()], **request_}).binary is binary


TOO_DEEP = b'{"inputs": ' + b"[" * 100_000


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (b"", "is no JSON"),
        (b"[1]", "is a JSON list; expected an object"),
        (TOO_DEEP, "is no JSON"),
        (b'{"inputs": "\xff"}', "is no JSON"),
        ({}, "has no inputs"),
        ({"inputs": [entry(), entry()]}, "has 2 inputs; expected a list of one tensor"),
        ({"inputs": [3]}, "has 1 inputs"),
        ({"id": 3, "inputs": [entry()]}, "id is no text"),
        ({"inputs": [entry(name="x")]}, "the input is 'x'; expected 'input'"),
        ({"inputs": [entry(datatype="FP32")]}, "datatype is 'FP32'; expected one of BOOL"),
        ({"inputs": [entry(datatype=["UINT8"])]}, r"datatype is \['UINT8'\]"),
        ({"inputs": [entry(shape=...)]}, r"shape is None; expected \[N, 2, 3\] in NC order"),
        ({"inputs": [entry(shape=[0, 2, 3], data=[])]}, r"shape is \[0, 2, 3\]"),
        ({"inputs": [entry(shape=[2, 3, 2])]}, r"shape is \[2, 3, 2\]"),
        ({"inputs": [entry(shape=[-2, 2, 3])]}, r"shape is \[-2, 2, 3\]"),
        ({"inputs": [entry(shape=[True, 2, 3], data=[1] * 6)]}, r"shape is \[True, 2, 3\]"),
        ({"inputs": [entry(shape=[1 << 70, 2, 3])]}, "has 12 numbers; expected 7083"),
        ({"inputs": [entry(data=...)]}, "has no data"),
        ({"inputs": [entry(data=[1] * 11)]}, "has 11 numbers; expected 12"),
        ({"inputs": [entry(data=[])]}, "no integers of one shape"),
        ({"inputs": [entry(data=[1.0] * 12)]}, "no integers of one shape"),
        ({"inputs": [entry(data=[True] * 12)]}, "no integers of one shape"),
        ({"inputs": [entry(data=["1"] * 12)]}, "no integers of one shape"),
        ({"inputs": [entry(data=[[1], [1, 2]])]}, "no integers of one shape"),
        ({"inputs": [entry(data=[1] * 11 + [256])]}, "reach from 1 to 256; expected 0 to 255"),
        ({"inputs": [entry(datatype="INT8", data=[1] * 11 + [-129])]}, "reach from -129 to 1"),
        ({"inputs": [entry(data=[1] * 11 + [1 << 80])]}, "no integers of one shape"),
        ({"inputs": [entry(parameters={"binary_data_size": 12})]}, "12 with 0 bytes behind"),
        ({"inputs": [entry(parameters={"binary_data_size": "12"})]}, "'12' with 0 bytes"),
        ({"inputs": [entry()], "outputs": [{"name": "logits"}]}, "output is 'logits'"),
        ({"inputs": [entry()], "outputs": {"name": "output"}}, "outputs are no list"),
    ],
)  # fmt: skip
def test_what_is_no_request(request_: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(request_)


@pytest.mark.parametrize("header", ["-1", " 3", "1_0", "x", "", "999999", "٣", "9" * 40])
def test_a_wrong_length_of_the_json(header: str) -> None:
    with pytest.raises(InputError, match="Inference-Header-Content-Length is"):
        read({"inputs": [entry()]}, header=header)


def test_binary_tensors_of_a_wrong_size() -> None:
    given_ = entry(data=..., parameters={"binary_data_size": 11})
    with pytest.raises(InputError, match="11 bytes for a tensor of UINT8 and shape"):
        read({"inputs": [given_]}, bytes(11))
    given_ = entry(data=..., parameters={"binary_data_size": 12})
    with pytest.raises(InputError, match="12 with 13 bytes behind the JSON"):
        read({"inputs": [given_]}, bytes(13))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("aé1\n", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("aé1\n", max_size=5), inner)
    ),
    max_leaves=8,
)
keys = st.sampled_from(["name", "shape", "datatype", "data", "parameters"])


@given(st.dictionaries(keys, json_values), st.binary(max_size=20), st.booleans())
def test_whatever_comes_is_read_or_refused(change: dict, rest: bytes, deep: bool) -> None:
    request = {"inputs": [entry(**change)]} if deep else change
    try:
        asked = read(request, rest)
    except InputError as error:
        assert len(str(error)) < 1000
    else:
        assert asked.codes.shape[1:] == DOOR.shape
        assert asked.codes.dtype.kind in "iub"


@pytest.mark.parametrize("kind", ["<i1", "<u1", "<i2", "<u4", "<i8"])
@pytest.mark.parametrize("identity", [None, "an id"])
def test_answers(kind: str, identity: str | None) -> None:
    codes = np.array([[1, 2], [3, 100]], kind)
    plain = answer(codes, Asked(codes, identity, False), "m", "v", "output")
    values = json.loads(plain.body)
    assert plain.header is None
    assert values.get("id") == identity
    assert (values["model_name"], values["model_version"]) == ("m", "v")
    expected = {"name": "output", "datatype": datatype(kind), "shape": [2, 2]}
    assert values["outputs"] == [{**expected, "data": [1, 2, 3, 100]}]
    binary = answer(codes, Asked(codes, identity, True), "m", "v", "output")
    assert binary.header is not None
    front, rest = json.loads(binary.body[: binary.header]), binary.body[binary.header :]
    assert front["outputs"] == [{**expected, "parameters": {"binary_data_size": len(rest)}}]
    assert np.array_equal(np.frombuffer(rest, kind).reshape(2, 2), codes)


def test_metadata() -> None:
    assert described(DOOR) == {
        "name": "input", "datatype": "UINT8", "shape": [-1, 2, 3],
        "parameters": {"dtype": "UINT4", "layout": "NC"},
    }  # fmt: skip
