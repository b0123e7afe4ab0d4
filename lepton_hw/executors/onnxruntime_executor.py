"""ONNX Runtime on a CPU or GPU: what a user without an FPGA would run the same network on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.contract import InputContract
from lepton_hw.errors import MissingTool, StageError
from lepton_hw.executors.base import to_codes
from lepton_hw.executors.phases import Phases, same
from lepton_hw.executors.plain_onnx import plain
from lepton_hw.executors.qonnx_executor import QonnxExecutor, Runner, in_graph_order

#: Device → ONNX Runtime's execution provider.
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
#: Who computes what a provider leaves over, before the CPU does.
BEHIND = {"tensorrt": ("cuda",)}


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

    def phases(self, batch: int) -> Phases:
        """Raises `StageError` where the graph cannot take a batch of that size."""
        session, door = self._session(batch), self.contract.input
        if session is None:
            raise StageError(
                f"{self.path.name} cannot take {batch} frames at once",
                "shapes that follow the batch",
                "measure batch 1 only",
            )
        entry, shape = session.get_inputs()[0], tuple(session.get_inputs()[0].shape[1:])
        return Phases(
            before=lambda codes: in_graph_order(codes.astype(np.float32), door.layout, shape),
            send=same if self.device == "cpu" else _on_card,
            compute=_bound(session, entry.name, self.device),
            receive=same if self.device == "cpu" else lambda value: value.numpy(),
            after=lambda outputs: to_codes(outputs, self.contract.output)[0],
        )

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
                    providers=[
                        PROVIDERS[each] for each in (self.device, *BEHIND.get(self.device, ()))
                    ],
                )
            except Exception as error:
                raise StageError(
                    f"ONNX Runtime does not take {self.path}: {str(error).splitlines()[0]}",
                    "a graph of standard operators",
                    "leave this executor out",
                ) from error
            self._require_used(self._sessions[batch])
        return self._sessions[batch]

    def _require_used(self, session: Any) -> None:
        """A provider whose libraries are missing is passed over by ONNX Runtime without a word."""
        used = session.get_providers()
        if used[0] != PROVIDERS[self.device]:
            self._sessions.clear()
            raise MissingTool(
                f"ONNX Runtime would compute by {used[0]} instead of {PROVIDERS[self.device]}",
                "the libraries of that device, in versions that it knows",
                "install those that onnxruntime-gpu asks for, or use another device",
            )


def _outputs(session: Any, frames: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: frames})[0]
    return result


def _on_card(frames: NDArray[np.float32]) -> Any:
    import onnxruntime

    return onnxruntime.OrtValue.ortvalue_from_numpy(frames, "cuda", 0)


def _bound(session: Any, name: str, device: str) -> Callable[[Any], Any]:
    """Computes without a copy: on a card the input is there already and the output stays."""
    if device == "cpu":
        return lambda frames: _outputs(session, frames)

    def compute(value: Any) -> Any:
        binding = session.io_binding()
        binding.bind_ortvalue_input(name, value)
        binding.bind_output(session.get_outputs()[0].name, "cuda", 0)
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return binding.get_outputs()[0]

    return compute


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
