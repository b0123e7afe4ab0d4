"""The integer graph as one torch module: node by node, each tensor freed after its last use."""

from math import prod
from typing import Any

import numpy as np
import torch
from torch import nn

from lepton_hw.reference.bounds import storage
from lepton_hw.reference.graph import Graph, Tensor
from lepton_hw.reference.layers import layer
from lepton_hw.reference.products import exact_floats, has_fast_int8

#: Bytes of tensors alive at once that a chunk of frames is cut to: a CPU's cache, a card's memory.
#: Of 8 MB and more malloc gives each block back to the system, and every page faults in again.
CPU_BYTES, CUDA_BYTES = 4 << 20, 2 << 30
MOST_FRAMES = {"cpu": 256, "cuda": 65536}


class IntegerNetwork(nn.Module):  # type: ignore[misc]
    """Runs a `Graph` on integer tensors, batch first; in int8 where the device is fast at it."""

    def __init__(self, graph: Graph, device: str, int8: bool = True) -> None:
        super().__init__()
        self.graph = graph
        int8 = int8 and has_fast_int8(device)
        self._run = [layer(node, graph.tensors, device, int8) for node in graph.nodes]
        # Weights are buffers of the modules in this list.
        self.layers = nn.ModuleList([run for run in self._run if isinstance(run, nn.Module)])
        last = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
        self._dead = [
            [n for n in dict.fromkeys((*node.inputs, *node.outputs)) if last.get(n, -1) <= i]
            for i, node in enumerate(graph.nodes)
        ]

    def forward(self, inputs: tuple[Any, ...], keep: tuple[str, ...]) -> dict[str, Any]:
        """The tensors named in `keep`, for the inputs in the graph's order."""
        alive = dict(zip(self.graph.inputs, inputs, strict=True))
        wanted = set(keep)
        for node, run, dead in zip(self.graph.nodes, self._run, self._dead, strict=True):
            outputs = run(*(alive[name] for name in node.inputs))
            if len(node.outputs) == 1:
                outputs = (outputs,)
            alive.update(zip(node.outputs, outputs, strict=True))
            for name in dead:
                if name not in wanted:
                    alive.pop(name, None)
        return {name: alive[name] for name in keep}

    def infer(
        self, inputs: tuple[Any, ...], keep: tuple[str, ...], eager: bool = False
    ) -> dict[str, Any]:
        """The same without gradients and with exact floats; `eager`: never what was compiled."""
        with torch.inference_mode(), exact_floats():
            return self.forward(inputs, keep) if eager else self(inputs, keep)


def frames_at_once(graph: Graph, device: str) -> int:
    """Frames in a chunk, so that the tensors of the largest layer stay within bounds."""
    kind = device.partition(":")[0]
    largest = max(
        (
            sum(_bytes(graph.tensors[name]) for name in (*node.inputs, *node.outputs))
            for node in graph.nodes
        ),
        default=1,
    )
    room = CPU_BYTES
    if kind == "cuda":  # sums are wider than what is stored, and others may use the card
        room = min(CUDA_BYTES, torch.cuda.mem_get_info(device)[0] // 8)
    return max(1, min(MOST_FRAMES.get(kind, MOST_FRAMES["cpu"]), room // largest))


def _bytes(tensor: Tensor) -> int:
    return np.dtype(storage(tensor.low, tensor.high)).itemsize * prod(tensor.shape)
