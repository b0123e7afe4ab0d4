"""The exported QONNX graph, executed by qonnx itself: node by node, many frames at once."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.contract import InputContract
from lepton_hw.errors import StageError
from lepton_hw.executors.base import Codes, Executor, to_codes
from lepton_hw.executors.torch_executor import MAX_RESIDUAL

BATCH = 64
Tensors = dict[str, NDArray[np.float32]]
Watch = Callable[[Tensors, int], None]
Runner = Callable[[NDArray[np.float32]], Tensors]


class QonnxExecutor(Executor):
    """A QONNX file of batch 1; `images_per_second` is the speed of the last call."""

    name = "qonnx"
    max_residual = MAX_RESIDUAL

    def __init__(self, path: Path, contract: InputContract) -> None:
        super().__init__(contract)
        self.path = path
        self.images_per_second = 0.0
        self.residual = 0.0
        self._models: dict[int, Any] = {}

    def real(self, codes: Codes, watch: Watch | None = None) -> NDArray[np.float32]:
        """The graph's own float32 outputs for codes (N, *contract.input.shape), N at least 1.

        `watch` is called after each batch with all tensors by name and the batch's first frame.
        """
        shape = tuple(self.model.get_tensor_shape(self.model.graph.input[0].name)[1:])
        frames = in_graph_order(codes.astype(np.float32), self.contract.input.layout, shape)
        found = []
        for start in range(0, len(frames), BATCH):
            for first, tensors in self._execute(frames[start : start + BATCH]):
                found.append(tensors[self.model.graph.output[0].name])
                if watch is not None:
                    watch(tensors, start + first)
        return np.concatenate(found)

    def _infer(self, codes: Codes) -> Codes:
        return self.watched(codes, None)

    def watched(self, codes: Codes, watch: Watch | None) -> Codes:
        """As `infer` for codes that have been checked, with `watch` as in `real`."""
        if not len(codes):
            return np.zeros((0, *self.contract.output.shape), np.int64)
        begin = time.perf_counter()
        outputs = self.real(codes, watch)
        self.images_per_second = len(codes) / (time.perf_counter() - begin)
        whole, residual = to_codes(outputs, self.contract.output)
        self.residual = max(self.residual, residual)
        if self.residual > self.max_residual:
            raise StageError(
                f"an output of the QONNX graph is {self.residual:.3f} steps from a whole code",
                f"at most {self.max_residual}",
                "check the scale in the input contract",
            )
        return whole

    def _execute(self, frames: NDArray[np.float32]) -> Iterator[tuple[int, Tensors]]:
        """All tensors of a batch; frame by frame where the graph cannot take a batch."""
        whole = self._runner(len(frames))
        if whole is not None:
            yield 0, whole(frames)
            return
        one = self._runner(1)
        assert one is not None  # the graph as it is
        for index, frame in enumerate(frames):
            yield index, one(frame[None])

    def _runner(self, batch: int) -> Runner | None:
        """What computes a batch of that size, or None where the graph cannot take it."""
        model = self._model(batch)
        return None if model is None else lambda frames: _run(model, frames)

    @property
    def model(self) -> Any:
        """The graph itself, a ModelWrapper."""
        return self._model(1)

    def _model(self, batch: int) -> Any:
        """The graph with another batch size, or None where its shapes do not follow the batch."""
        if batch not in self._models:
            from qonnx.core.modelwrapper import ModelWrapper
            from qonnx.transformation.change_batchsize import ChangeBatchSize
            from qonnx.transformation.infer_shapes import InferShapes

            model = ModelWrapper(str(self.path))
            if batch > 1:
                known = _shapes(model)
                model = model.transform(ChangeBatchSize(batch)).transform(InferShapes())
                # Sound only if every tensor that had one frame has `batch` frames now.
                scaled = {name: (batch, *shape[1:]) for name, shape in known.items()}
                if _shapes(model) != scaled:
                    model = None
            self._models[batch] = model
        return self._models[batch]


def in_graph_order(frames: NDArray[Any], layout: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Frames of a contract's layout in the order of a QONNX graph's input, which is `shape`."""
    if layout == "NHWC" and len(shape) == 3:
        frames = frames.transpose(0, 3, 1, 2)
    if frames[0].size != np.prod(shape) or (frames.ndim > 2 and frames.shape[1:] != shape):
        raise StageError(
            f"frames of {frames.shape[1:]} for a graph input of {shape}",
            "one shape",
            "export again, so that contract and graph agree",
        )
    return np.ascontiguousarray(frames.reshape(len(frames), *shape))


def _run(model: Any, frames: NDArray[np.float32]) -> Tensors:
    from qonnx.core.onnx_exec import execute_onnx

    found: Tensors = execute_onnx(model, {model.graph.input[0].name: frames}, True)
    return found


def _shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor that a node computes from the input (constants left out)."""
    live = {model.graph.input[0].name}
    for node in model.graph.node:
        if any(name in live for name in node.input):
            live.update(node.output)
    return {name: tuple(model.get_tensor_shape(name) or ()) for name in sorted(live)}
