"""The launches of a network on a card, recorded once and started together as one CUDA graph.

For small batches, whose kernels take less time than their launches. It computes nothing itself.
"""

from typing import Any

import torch

from lepton_hw.reference.network import IntegerNetwork

#: Calls before the recording: libraries make their handles and workspaces in the first ones.
WARM_UP = 3


class Captured:
    """A network for inputs of one shape, and the tensors that are kept.

    Replays use the memory of the recording, so that results are copied out of it.
    """

    def __init__(
        self, network: IntegerNetwork, inputs: tuple[Any, ...], keep: tuple[str, ...]
    ) -> None:
        self._inputs = tuple(each.clone() for each in inputs)
        with torch.cuda.device(inputs[0].device):
            aside, current = torch.cuda.Stream(), torch.cuda.current_stream()
            aside.wait_stream(current)
            with torch.cuda.stream(aside):
                for _ in range(WARM_UP):
                    network.infer(self._inputs, keep)
            current.wait_stream(aside)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._outputs = network.infer(self._inputs, keep)

    def infer(self, inputs: tuple[Any, ...]) -> dict[str, Any]:
        """The kept tensors for other inputs of the same shapes."""
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given)
        self._graph.replay()
        return {name: value.clone() for name, value in self._outputs.items()}
