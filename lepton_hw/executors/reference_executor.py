"""The exact integer path as an executor: all frames of a data set, on a CPU or a CUDA card."""

import time
from pathlib import Path

import numpy as np

from lepton_hw.contract import InputContract
from lepton_hw.errors import StageError
from lepton_hw.executors.base import Codes, Executor, check_codes, to_codes
from lepton_hw.executors.phases import Phases, finished, same
from lepton_hw.executors.qonnx_executor import in_graph_order
from lepton_hw.executors.torch_executor import MAX_RESIDUAL


class ReferenceExecutor(Executor):
    """``finn.onnx`` of a compiled design, or an exported ``model.onnx``, as integers.

    `images_per_second` is the speed of the last call.
    """

    name = "reference"

    def __init__(
        self,
        model_file: Path,
        contract: InputContract,
        device: str = "cpu",
        batch: int | None = None,
        compiled: bool = False,
    ) -> None:
        """See `lepton_hw.reference.Reference` for the options and the errors."""
        from lepton_hw import reference

        super().__init__(contract)
        self.reference = reference.load(model_file, device, batch, compiled)
        self.images_per_second = 0.0

    def _infer(self, codes: Codes) -> Codes:
        if not len(codes):
            return np.zeros((0, *self.contract.output.shape), np.int64)
        begin = time.perf_counter()
        found = self.reference.infer(self._frames(codes))
        self.images_per_second = len(codes) / (time.perf_counter() - begin)
        return self._whole(found)

    def phases(self, batch: int) -> Phases:
        """The same for any batch. On a CPU frames are converted a few at a time, within compute."""
        reference = self.reference
        if reference.device == "cpu":
            return Phases(self._frames, same, reference.infer, same, self._whole)
        wait = finished(reference.device)
        return Phases(
            before=self._frames,
            send=lambda frames: wait(reference.send(frames)),
            compute=lambda chunks: wait(reference.compute(chunks)),
            receive=reference.receive,
            after=self._whole,
        )

    def _whole(self, found: Codes) -> Codes:
        """The graph's outputs as codes of the contract."""
        graph = self.reference.graph
        if not graph.scale:  # FINN's graph gives the codes of its contract
            return found
        whole, residual = to_codes(
            found * np.asarray(graph.scale) + graph.bias, self.contract.output
        )
        if residual > MAX_RESIDUAL:
            raise StageError(
                f"an output of the integer path is {residual:.3f} steps from a whole code",
                f"at most {MAX_RESIDUAL}",
                "check the scale in the input contract",
            )
        return whole

    def taps(self, codes: Codes, names: tuple[str, ...] | None = None) -> dict[str, Codes]:
        """Tensors of the graph by name, (N, *shape) each; all of them if none are named."""
        return self.reference.taps(self._frames(check_codes(codes, self.contract)), names)

    def _frames(self, codes: Codes) -> Codes:
        graph = self.reference.graph
        if not graph.scale:
            return codes
        shape = graph.tensors[graph.inputs[0]].shape
        return in_graph_order(codes, self.contract.input.layout, shape)
