"""An ONNX file that has been read, simplified by QONNX; both verbs that take one go through here.

Simplifying walks and computes constants, so everything that could make it import, hang or die is
checked before, and the numbers that it computed afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lepton_hw.errors import InputError, LeptonError
from lepton_hw.qonnx_names import QUANTISERS
from lepton_hw.stages.onnx_checks import require_finite, require_known
from lepton_hw.stages.onnx_sizes import first_line, require_sizes
from lepton_hw.stages.onnx_structure import require_attributes, require_order

#: Scales whose products and quotients with codes stay numbers in float32.
SMALLEST_SCALE, LARGEST_SCALE = 1e-30, 1e30


def clean(proto: Any, file: Path) -> Any:
    """The model of a file that `read_onnx` gave, simplified; raises `InputError`."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model

    require_known(proto, file, foldable=True)
    require_order(proto.graph, file)
    require_attributes(proto, file)
    for node in proto.graph.node:
        if node.domain == "ai.onnx":  # another name for ONNX's own, which QONNX would import
            node.domain = ""
    require_sizes(proto, file)
    with sentences(file):
        model = cleanup_model(ModelWrapper(proto))
        require_order(model.graph, file)  # renaming misses a tensor that a layer reads twice
        _require_finite(model, file)
        _require_scales(model, file)
        return model


@contextmanager
def sentences(file: Path) -> Iterator[None]:
    """Turns whatever a library raises over a graph into one sentence about the file.

    A full disk is none of the file's, so an `OSError` passes.
    """
    try:
        yield
    except (LeptonError, OSError):
        raise
    except Exception as error:
        raise InputError(
            f"{file} cannot be simplified ({first_line(error)})",
            "a QONNX graph with known shapes",
            "export it again with fixed shapes",
        ) from error


def require_scale(value: Any, what: str) -> None:
    """A scale must be a positive number that float32 can calculate with."""
    values = np.asarray(value, np.float64)
    if not ((values >= SMALLEST_SCALE) & (values <= LARGEST_SCALE)).all():
        flat = values.reshape(-1)
        wrong = flat[~((flat >= SMALLEST_SCALE) & (flat <= LARGEST_SCALE))][0]
        raise InputError(
            f"{what} is {wrong:g}",
            f"a number from {SMALLEST_SCALE:g} to {LARGEST_SCALE:g}",
            "correct it and run again",
        )


def _require_finite(model: Any, file: Path) -> None:
    for tensor in model.graph.initializer:
        found = f"{file}: constant '{tensor.name}' holds NaN or infinity once computed"
        require_finite(model.get_initializer(tensor.name), found)


def _require_scales(model: Any, file: Path) -> None:
    for node in model.graph.node:
        if node.op_type in (*QUANTISERS, "Trunc"):
            scale = model.get_initializer(node.input[1])
            if scale is not None:
                require_scale(scale, f"{file}: the scale of quantiser '{node.name}'")
