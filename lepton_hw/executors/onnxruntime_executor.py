"""ONNX Runtime on a CPU or GPU: what a user without an FPGA would run the same network on."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.contract import InputContract
from lepton_hw.errors import MissingTool, StageError
from lepton_hw.executors.plain_onnx import plain
from lepton_hw.executors.qonnx_executor import QonnxExecutor, Runner

#: Device → ONNX Runtime's execution provider.
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


class OnnxRuntimeExecutor(QonnxExecutor):
    """A QONNX file in standard operators, float32.

    With `quantised` it computes the network's own codes, up to float32's rounding. Without, the
    activations are plain floats and the outputs only near the codes: a baseline for speed.
    `threads` 0 leaves their number to the runtime.
    """

    name = "onnxruntime"

    def __init__(
        self,
        path: Path,
        contract: InputContract,
        device: str = "cpu",
        quantised: bool = True,
        threads: int = 0,
    ) -> None:
        """Raises `MissingTool` where ONNX Runtime was built without that device."""
        super().__init__(path, contract)
        self.device, self.quantised, self.threads = device, quantised, threads
        if not quantised:
            self.max_residual = np.inf
        self._sessions: dict[int, Any] = {}
        _require(device)

    def _runner(self, batch: int) -> Runner | None:
        name, session = self.model.graph.output[0].name, self._session(batch)
        return None if session is None else lambda frames: {name: _outputs(session, frames)}

    def _session(self, batch: int) -> Any:
        """None where the graph's shapes do not follow the batch."""
        if batch not in self._sessions:
            import onnxruntime

            model = self._model(batch)
            if model is None:
                return None
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self.threads
            options.log_severity_level = 3
            try:
                self._sessions[batch] = onnxruntime.InferenceSession(
                    plain(model, self.quantised).SerializeToString(),
                    options,
                    providers=[PROVIDERS[self.device]],
                )
            except Exception as error:
                raise StageError(
                    f"ONNX Runtime does not take {self.path}: {str(error).splitlines()[0]}",
                    "a graph of standard operators",
                    "leave this executor out",
                ) from error
        return self._sessions[batch]


def _outputs(session: Any, frames: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: frames})[0]
    return result


def _require(device: str) -> None:
    import onnxruntime

    there = onnxruntime.get_available_providers()
    if PROVIDERS.get(device) not in there:
        known = [name for name, provider in PROVIDERS.items() if provider in there]
        raise MissingTool(
            f"ONNX Runtime has no device '{device}' here",
            f"one of {', '.join(known)}",
            "install onnxruntime-gpu (and TensorRT), or use another device",
        )
