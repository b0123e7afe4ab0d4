"""The trained network itself, in PyTorch and Brevitas: the reference that others must equal."""

from typing import Any

import numpy as np

from lepton_hw.contract import InputContract
from lepton_hw.errors import StageError
from lepton_hw.executors.base import Codes, Executor, to_codes

#: An output further than this from a whole number is not an integer that rounding may hide.
MAX_RESIDUAL = 0.01
BATCH = 128


class TorchExecutor(Executor):
    """A `models.Network` in evaluation mode; `residual` is the largest one met so far."""

    name = "torch"

    def __init__(self, network: Any, contract: InputContract, device: str = "cpu") -> None:
        super().__init__(contract)
        self.network = network.eval().to(device)
        self.device, self.residual = device, 0.0

    def _infer(self, codes: Codes) -> Codes:
        import torch

        from lepton_hw.models.network import door

        port = self.contract.output
        found = [np.zeros((0, *self.contract.output.shape), np.int64)]
        with torch.no_grad():
            for start in range(0, len(codes), BATCH):
                batch = door(codes[start : start + BATCH], self.network.flat).to(self.device)
                outputs, residual = to_codes(self.network(batch).cpu().numpy(), port)
                self.residual = max(self.residual, residual)
                found.append(outputs)
        if self.residual > MAX_RESIDUAL:
            raise StageError(
                f"an output of PyTorch is {self.residual:.3f} steps from a whole code",
                f"at most {MAX_RESIDUAL}",
                "look for a layer without quantiser before the head",
            )
        return np.concatenate(found)
