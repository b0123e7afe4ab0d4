"""The constants of an ONNX model, which have to be in its own file.

A tensor may name another file instead, by a path that leads anywhere. Imports neither ONNX nor
QONNX and reads no file: callers parse, and without external data.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lepton_hw.errors import InputError


def tensors(graph: Any) -> Iterator[Any]:
    """All constants of a graph, those in attributes and in inner graphs too."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from tensors(inner)


def require_one_file(model: Any, file: Path) -> None:
    """Refuses a model of which a tensor is in another file than `file`; raises `InputError`."""
    for tensor in tensors(model.graph):
        if tensor.external_data or tensor.data_location == tensor.EXTERNAL:
            raise InputError(
                f"{file} keeps tensor '{tensor.name}' in another file",
                "a model in one file",
                "save it again without external data",
            )
