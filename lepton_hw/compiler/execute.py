"""FINN's own execution of the compiled graph, node by node in Python, as an integer function.

The golden model of the RTL: it yields every intermediate tensor by name. It simulates nothing.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lepton_hw.compiler.world import finn_world

Ints = NDArray[np.int64]


class FinnGraph:
    """The dataflow graph in ``finn.onnx``, one frame at a time (FINN fixes the batch at 1)."""

    def __init__(self, model_file: Path) -> None:
        from qonnx.core.modelwrapper import ModelWrapper

        with _quiet():
            self._model = ModelWrapper(str(model_file))
            self._input = self._model.get_first_global_in()
            self._output = self._model.get_first_global_out()
            self._shape = tuple(self._model.get_tensor_shape(self._input))

    def infer(self, codes: Ints) -> Ints:
        """Output codes of each frame: (N, *input shape) to (N, *output shape)."""
        with _quiet():
            return np.stack([self._run(frame)[self._output][0] for frame in codes])

    def taps(self, frame: Ints) -> dict[str, Ints]:
        """Every tensor of one frame by name, without the batch dimension, weights left out."""
        with _quiet():
            tensors = self._run(frame)
        return {name: value[0] for name, value in tensors.items()}

    def _run(self, frame: Ints) -> dict[str, Ints]:
        from finn.core.onnx_exec import execute_onnx

        data = np.asarray(frame, dtype=np.float32).reshape(self._shape)
        context = execute_onnx(self._model, {self._input: data}, return_full_exec_context=True)
        weights = {tensor.name for tensor in self._model.graph.initializer}
        return {
            name: self._shaped(name, np.rint(np.asarray(value, dtype=np.float64)).astype(np.int64))
            for name, value in context.items()
            if name not in weights and value is not None
        }

    def _shaped(self, name: str, value: Ints) -> Ints:
        """In the graph's shape: FINN's width converters leave the shape that they were given."""
        shape = self._model.get_tensor_shape(name)
        return value.reshape(shape) if shape and np.prod(shape) == value.size else value


@contextmanager
def _quiet() -> Iterator[None]:
    with (
        tempfile.TemporaryDirectory() as scratch,
        finn_world(Path(scratch), Path(os.devnull)),
    ):
        yield
