"""The Open Inference Protocol, version 2 over HTTP, as bytes: requests to codes, codes to answers.

With its extension for binary tensors, as clients of Triton use it. Source: KServe's "Open Inference
Protocol" and Triton's "Binary Tensor Data Extension". It opens no connection and computes nothing.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The protocol's names of integers, and NumPy's.
DATATYPES = {
    "BOOL": "bool", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
}  # fmt: skip
#: Bytes of the JSON in front of binary tensors, by this header.
HEADER = "Inference-Header-Content-Length"
CORRECT = "correct the request; GET /v2/models/NAME says what goes in"


class Tensor(NamedTuple):
    """One end of the network: `shape` is that of one frame, `dtype` FINN's name."""

    name: str
    dtype: str
    container: Any
    shape: tuple[int, ...]
    layout: str


class Asked(NamedTuple):
    """A request that was understood: codes (N, *shape), and how the answer is to look."""

    codes: NDArray[Any]
    identity: str | None
    binary: bool


class Answer(NamedTuple):
    """`header` is the length of the JSON in front of binary tensors, None where there are none."""

    body: bytes
    header: int | None


def datatype(container: Any) -> str:
    """The protocol's name of a NumPy type of integers."""
    kind = np.dtype(container)
    return "{}{}".format("UINT" if kind.kind == "u" else "INT", 8 * kind.itemsize)


def described(tensor: Tensor) -> dict[str, Any]:
    """An entry of the model's metadata."""
    return {
        "name": tensor.name,
        "datatype": datatype(tensor.container),
        "shape": [-1, *tensor.shape],
        "parameters": {"dtype": tensor.dtype, "layout": tensor.layout},
    }


def read_request(body: bytes, header: str | None, tensor: Tensor, output: str) -> Asked:
    """`header` is the value of `HEADER`; raises `InputError` for what is no request of this model.

    Whether codes are in range is the engine's to say.
    """
    size = len(body) if header is None else _length(header, len(body))
    request = _json(body[:size])
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        found = len(inputs) if isinstance(inputs, list) else "no"
        raise InputError(f"the request has {found} inputs", "a list of one tensor", CORRECT)
    identity = request.get("id")
    if identity is not None and not isinstance(identity, str):
        raise InputError("the request's id is no text", "a string, or none", CORRECT)
    codes = _codes(inputs[0], body[size:], tensor)
    return Asked(codes, identity, _binary(request, output))


def _length(header: str, most: int) -> int:
    # isdigit alone takes digits of other scripts, and int takes signs, spaces and underscores.
    if not (header.isascii() and header.isdigit()) or len(header) > 12 or int(header) > most:
        raise InputError(f"{HEADER} is '{header[:40]}'", f"0 to {most}", CORRECT)
    return int(header)


def _json(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"the request is no JSON ({said})", "an object", CORRECT) from None
    if not isinstance(found, dict):
        raise InputError(f"the request is a JSON {type(found).__name__}", "an object", CORRECT)
    return found


def _codes(given: dict[str, Any], rest: bytes, tensor: Tensor) -> NDArray[Any]:
    if given.get("name") != tensor.name:
        raise InputError(f"the input is {_short(given.get('name'))}", f"'{tensor.name}'", CORRECT)
    named = given.get("datatype")
    if not isinstance(named, str) or named not in DATATYPES:
        raise InputError(
            f"the input's datatype is {_short(named)}",
            f"one of {', '.join(DATATYPES)} with integer codes of {tensor.dtype}",
            "quantise first, as the input contract says, or POST the image to /classify",
        )
    shape, kind = _shape(given.get("shape"), tensor), np.dtype(DATATYPES[named])
    size = _parameters(given).get("binary_data_size")
    if size is None:
        return _listed(given.get("data"), kind, shape)
    if isinstance(size, bool) or not isinstance(size, int) or size != len(rest):
        raise InputError(
            f"binary_data_size is {_short(size)} with {len(rest)} bytes behind the JSON",
            "the number of these bytes",
            CORRECT,
        )
    if size != kind.itemsize * math.prod(shape):
        raise InputError(
            f"{size} bytes for a tensor of {named} and shape {shape}",
            f"{kind.itemsize * math.prod(shape)}",
            CORRECT,
        )
    return np.frombuffer(rest, kind).reshape(shape)


def _shape(given: Any, tensor: Tensor) -> tuple[int, ...]:
    """One frame, or any number of frames but none."""
    whole = isinstance(given, list) and all(type(size) is int and size >= 0 for size in given)
    shape = tuple(given) if whole else ()
    if shape == tensor.shape:
        return (1, *shape)
    if not whole or shape[1:] != tensor.shape or not shape[0]:
        wanted = ", ".join(map(str, tensor.shape))
        raise InputError(
            f"the input's shape is {_short(given)}",
            f"[N, {wanted}] in {tensor.layout} order, N from 1",
            CORRECT,
        )
    return shape


def _listed(data: Any, kind: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """JSON numbers, flat or nested."""
    if not isinstance(data, list):
        raise InputError("the input has no data", "a list of integers, or binary data", CORRECT)
    try:
        found = np.asarray(data)
    except (ValueError, OverflowError, RecursionError):  # a ragged list
        found = np.asarray(None)
    if found.dtype.kind not in ("b" if kind.kind == "b" else "iu"):
        raise InputError("the input's data are no integers of one shape", "integer codes", CORRECT)
    if found.size != math.prod(shape):
        raise InputError(
            f"the input has {found.size} numbers",
            f"{math.prod(shape)}, as its shape says",
            CORRECT,
        )
    if kind.kind != "b":
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        if int(found.min()) < low or int(found.max()) > high:
            raise InputError(
                f"the input's data reach from {found.min()} to {found.max()}",
                f"{low} to {high}, as its datatype says",
                CORRECT,
            )
    return found.reshape(shape)


def _binary(request: dict[str, Any], output: str) -> bool:
    """Whether the answer is to hold bytes: by the output that is asked for, or for all of them."""
    outputs = request.get("outputs")
    if not outputs:
        return _parameters(request).get("binary_data_output") is True
    if not isinstance(outputs, list) or not all(isinstance(each, dict) for each in outputs):
        raise InputError("the request's outputs are no list", "a list of tensors", CORRECT)
    for each in outputs:
        if each.get("name") != output:
            raise InputError(f"the output is {_short(each.get('name'))}", f"'{output}'", CORRECT)
    default = _parameters(request).get("binary_data_output") is True
    return _parameters(outputs[0]).get("binary_data", default) is True


def _parameters(of: dict[str, Any]) -> dict[str, Any]:
    found = of.get("parameters", {})
    return found if isinstance(found, dict) else {}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def answer(codes: NDArray[Any], asked: Asked, model: str, version: str, output: str) -> Answer:
    """The response with the output codes (N, *shape)."""
    kind = np.dtype(codes.dtype).newbyteorder("<")
    entry: dict[str, Any] = {
        "name": output, "datatype": datatype(kind), "shape": list(codes.shape),
    }  # fmt: skip
    values: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": [entry]}
    if asked.identity is not None:
        values["id"] = asked.identity
    if not asked.binary:
        entry["data"] = codes.reshape(-1).tolist()
        return Answer(json.dumps(values).encode(), None)
    content = np.ascontiguousarray(codes, kind).tobytes()
    entry["parameters"] = {"binary_data_size": len(content)}
    front = json.dumps(values).encode()
    return Answer(front + content, len(front))
