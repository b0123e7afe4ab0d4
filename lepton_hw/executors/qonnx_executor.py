"""The exported QONNX graph, executed by qonnx itself (node by node, many frames at once)."""

import time
from pathlib import Path

import numpy as np

from lepton_hw.contract import InputContract
from lepton_hw.errors import StageError
from lepton_hw.executors.base import Codes, Executor, to_codes
from lepton_hw.executors.torch_executor import MAX_RESIDUAL

BATCH = 64


class QonnxExecutor(Executor):
    """A QONNX file; `images_per_second` is the speed of the last call."""

    name = "QONNX"

    def __init__(self, path: Path, contract: InputContract) -> None:
        super().__init__(contract)
        self.path = path
        self.images_per_second = 0.0
        self.residual = 0.0

    def _infer(self, codes: Codes) -> Codes:
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
        from qonnx.transformation.change_batchsize import ChangeBatchSize
        from qonnx.transformation.infer_shapes import InferShapes

        if not len(codes):
            return np.zeros((0, *self.contract.output.shape), np.int64)
        begin = time.perf_counter()
        batch = min(BATCH, len(codes))
        single = ModelWrapper(str(self.path))
        source, sink = single.graph.input[0].name, single.graph.output[0].name
        shape = single.get_tensor_shape(source)
        model = single.transform(ChangeBatchSize(batch)).transform(InferShapes())
        frames = _as_graph_input(codes, tuple(shape[1:]), self.contract.input.layout)
        # Every call takes a whole batch; the last one is filled up and its surplus dropped.
        short = -len(frames) % batch
        frames = np.concatenate([frames, np.repeat(frames[:1], short, axis=0)])
        found = [
            execute_onnx(model, {source: frames[start : start + batch]})[sink]
            for start in range(0, len(frames), batch)
        ]
        outputs = np.concatenate(found)[: len(codes)]
        self.images_per_second = len(codes) / (time.perf_counter() - begin)
        whole, residual = to_codes(
            outputs, self.contract.output.scale[0], self.contract.output.bias[0]
        )
        self.residual = max(self.residual, residual)
        if self.residual > MAX_RESIDUAL:
            raise StageError(
                f"an output of the QONNX graph is {self.residual:.3f} steps from a whole code",
                f"at most {MAX_RESIDUAL}",
                "check the scale in the input contract",
            )
        return whole


def _as_graph_input(codes: Codes, shape: tuple[int, ...], layout: str) -> np.ndarray:
    """Frames in the order of the graph's own input, float32 as ONNX's quantisers want them."""
    frames = codes.astype(np.float32)
    if layout == "NHWC" and len(shape) == 3:
        frames = frames.transpose(0, 3, 1, 2)
    if frames.shape[1:] != shape:
        raise StageError(
            f"frames of {frames.shape[1:]} for a graph input of {shape}",
            "one shape",
            "export again, so that contract and graph agree",
        )
    return np.ascontiguousarray(frames)
