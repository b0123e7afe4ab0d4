"""An ONNX file as the readers of this package see it: attributes, constants, shapes, datatypes.

Needs neither FINN nor the classes of its operators.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.errors import InputError, StageError
from lepton_hw.onnx_tensors import require_one_file
from lepton_hw.reference.build import float_left


class OnnxFile:
    """A file read, and no other that it may point to; nodes in order of execution."""

    def __init__(self, path: Path) -> None:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
        from qonnx.core.modelwrapper import ModelWrapper

        try:
            model = onnx.load(str(path), load_external_data=False)
        except (OSError, ValueError, DecodeError) as error:
            raise InputError(
                f"{path} cannot be read ({error})",
                "a QONNX file, or FINN's graph of hardware layers",
                "check the path",
            ) from None
        require_one_file(model, path)
        self.model = ModelWrapper(model)
        self.path = path
        constants = {tensor.name for tensor in self.model.graph.initializer}
        self.inputs = [v.name for v in self.model.graph.input if v.name not in constants]
        self.outputs = [v.name for v in self.model.graph.output]

    @property
    def nodes(self) -> list[Any]:
        """All nodes."""
        return list(self.model.graph.node)

    @property
    def is_finns(self) -> bool:
        """Whether it is a graph of FINN's hardware layers, and not one on the way there."""
        before = any(node.op_type in ("Im2Col", "MultiThreshold") for node in self.nodes)
        return not before and any(n.domain.startswith("finn.custom_op") for n in self.nodes)

    def constant(self, name: str) -> NDArray[Any] | None:
        """Value of an initializer, or None for a tensor that is computed."""
        value = self.model.get_initializer(name) if name else None
        return None if value is None else np.asarray(value)

    def frame_shape(self, name: str) -> tuple[int, ...]:
        """Shape of one frame; raises `StageError` where the batch is not 1."""
        shape = self.model.get_tensor_shape(name)
        if not shape or shape[0] != 1:
            raise StageError(
                f"tensor '{name}' has shape {shape}", "a batch of 1 in front", "export with batch 1"
            )
        return tuple(int(size) for size in shape[1:])

    def integer_range(self, name: str) -> tuple[int, int]:
        """Bounds of an input by its datatype; raises `StageError` where that is no integer type."""
        kind = self.model.get_tensor_datatype(name)
        if not kind.is_integer() or kind.name.startswith("SCALEDINT"):
            raise float_left(name, f"an input of type {kind.name}")
        return int(kind.min()), int(kind.max())


def attributes(node: Any) -> dict[str, Any]:
    """Attributes by name, text decoded."""
    from onnx.helper import get_attribute_value

    found = {}
    for attribute in node.attribute:
        value = get_attribute_value(attribute)
        found[attribute.name] = value.decode() if isinstance(value, bytes) else value
    return found
