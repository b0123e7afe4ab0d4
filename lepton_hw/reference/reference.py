"""Runs an integer graph: integers in, integers out, on a CPU or a CUDA card.

Any number of frames in bounded memory; every tensor between by name.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lepton_hw.devices import require_device
from lepton_hw.errors import InputError, StageError
from lepton_hw.reference.bounds import storage
from lepton_hw.reference.captured import Captured
from lepton_hw.reference.graph import Graph, Ints, Tensor
from lepton_hw.reference.network import IntegerNetwork, frames_at_once
from lepton_hw.reference.order import quickest


class Reference:
    """A graph on a device.

    Args:
        graph: from `lepton_hw.reference.read`.
        device: "cpu" or "cuda" (or "cuda:1" …).
        batch: frames at once; by default as many as keep memory small and caches warm.
        compiled: runs full chunks through torch.compile, which takes long and pays on a card.
        captured: starts the launches of a full chunk as one CUDA graph, which pays for small
            batches on a card; on a CPU it changes nothing.

    Raises:
        InputError, MissingTool: where the device is none, or is not there.
        StageError: where a layer cannot be exact, or a chunk does not fit the card.
    """

    def __init__(
        self,
        graph: Graph,
        device: str = "cpu",
        batch: int | None = None,
        compiled: bool = False,
        captured: bool = False,
    ) -> None:
        require_device(device)
        if batch is not None and batch < 1:
            raise InputError(f"batch is {batch}", "1 or more", "give another batch")
        self.graph, self.device = graph, device
        self.batch = batch or frames_at_once(graph, device)
        self.network = self._rehearsed(quickest(graph))
        self._tapped: IntegerNetwork | None = None
        if compiled:  # for one shape: what is chosen for a small batch would be used for all
            self.network.compile(dynamic=False)
        self._captures = captured and device != "cpu"
        self._captured: Captured | None = None

    def infer(self, codes: NDArray[Any]) -> Ints:
        """Output integers (N, *output shape) of frames (N, *input shape), int64."""
        feeds, (output,) = self._single(codes), self.graph.outputs
        return self.run(feeds, (output,))[output]

    def send(self, codes: NDArray[Any]) -> list[torch.Tensor]:
        """Frames on the device, in chunks; what `compute` takes. All of them at once."""
        (frames,) = self._single(codes).values()
        checked = self._checked(frames, self.graph.tensors[self.graph.inputs[0]])
        return [chunk for _, (chunk,) in self._chunks([checked])]

    def compute(self, chunks: list[torch.Tensor]) -> list[torch.Tensor]:
        """The output of each chunk, on the device."""
        (output,) = self.graph.outputs
        return [self._infer((chunk,), (output,))[output] for chunk in chunks]

    def receive(self, chunks: list[torch.Tensor]) -> Ints:
        """What `infer` gives."""
        shape = self.graph.tensors[self.graph.outputs[0]].shape
        found = [chunk.cpu().numpy().astype(np.int64) for chunk in chunks]
        return np.concatenate(found).reshape(-1, *shape)

    def taps(self, codes: NDArray[Any], names: tuple[str, ...] | None = None) -> dict[str, Ints]:
        """Tensors by name, (N, *shape) each; all of the file's if none are named.

        Raises `InputError` for a name that is not in the graph.
        """
        made = [name for node in self.graph.nodes for name in node.outputs]
        known = tuple(n for n in (*self.graph.inputs, *made) if n not in self.graph.inner)
        for name in names or ():
            if name not in known:
                raise InputError(
                    f"there is no tensor '{name}'", f"one of {', '.join(known)}", "correct the name"
                )
        return self.run(self._single(codes), names or known)

    def run(self, feeds: Mapping[str, NDArray[Any]], names: tuple[str, ...]) -> dict[str, Ints]:
        """The named tensors for frames at every input; all must be equally many."""
        inputs = [
            self._checked(feeds[name], self.graph.tensors[name]) for name in self.graph.inputs
        ]
        count = len(inputs[0])
        shapes = {name: self.graph.tensors[name].shape for name in names}
        found = {name: np.empty((count, *shape), np.int64) for name, shape in shapes.items()}
        for part, chunk in self._chunks(inputs):
            for name, value in self._infer(chunk, names).items():
                found[name][part] = value.cpu().numpy().reshape(found[name][part].shape)
        return found

    def _chunks(
        self, inputs: list[NDArray[Any]]
    ) -> Iterator[tuple[slice, tuple[torch.Tensor, ...]]]:
        """Where the frames of each chunk stand, and these on the device, when it is their turn."""
        for start in range(0, len(inputs[0]), self.batch):
            part = slice(start, start + self.batch)
            yield part, tuple(torch.from_numpy(each[part]).to(self.device) for each in inputs)

    def _infer(self, chunk: tuple[Any, ...], names: tuple[str, ...]) -> dict[str, Any]:
        network, is_full = self._network(names), len(chunk[0]) == self.batch
        if not self._captures or names != self.graph.outputs or not is_full:
            return network.infer(chunk, names, eager=not is_full)
        if self._captured is None:
            self._captured = Captured(network, chunk, names)
        return self._captured.infer(chunk)

    def _network(self, names: tuple[str, ...]) -> IntegerNetwork:
        """The quickest that has these tensors as the file has them."""
        if set(names) <= {*self.graph.inputs, *self.graph.outputs}:
            return self.network
        if self._tapped is None:
            self._tapped = self._rehearsed(self.graph)
        return self._tapped

    def _rehearsed(self, graph: Graph) -> IntegerNetwork:
        """The network, having run a full chunk where that may be refused.

        Layers are tried on a few rows. A card's library chooses by all of them, and may know no way
        in int8 then.
        """
        network = IntegerNetwork(graph, self.device)
        if self.device == "cpu":
            return network
        chunk = tuple(
            torch.full(
                (self.batch, *tensor.shape), tensor.low,
                dtype=getattr(torch, storage(*tensor.range)), device=self.device,
            )
            for tensor in (graph.tensors[name] for name in graph.inputs)
        )  # fmt: skip
        try:
            network.infer(chunk, graph.outputs)
        except torch.OutOfMemoryError as error:
            why = str(error).split(". ")[0]
            raise StageError(
                f"{self.batch} frames at once do not fit {self.device} ({why})",
                "memory for one chunk",
                "give a smaller batch",
            ) from None
        except RuntimeError:
            network = IntegerNetwork(graph, self.device, int8=False)
            network.infer(chunk, graph.outputs)
        return network

    def _single(self, codes: NDArray[Any]) -> dict[str, NDArray[Any]]:
        if len(self.graph.inputs) != 1 or len(self.graph.outputs) != 1:
            raise InputError(
                f"the graph has inputs {', '.join(self.graph.inputs)} "
                f"and outputs {', '.join(self.graph.outputs)}",
                "one of each",
                "call run with all of them",
            )
        return {self.graph.inputs[0]: np.asarray(codes)}

    def _checked(self, codes: NDArray[Any], tensor: Tensor) -> NDArray[Any]:
        """Frames in the narrowest type, which numbers out of range would not survive."""
        codes = np.asarray(codes)
        low, high = tensor.range
        if not np.issubdtype(codes.dtype, np.integer):
            raise InputError(
                f"input '{tensor.name}' of type {codes.dtype}", "integers", "quantise first"
            )
        kind = np.iinfo(codes.dtype)
        may_leave = kind.min < low or kind.max > high  # a data set of bytes need not be read for it
        if may_leave and codes.size and (codes.min() < low or codes.max() > high):
            raise InputError(
                f"input '{tensor.name}' holds {codes.min()} to {codes.max()}",
                f"{low} to {high}",
                "apply the steps of the input contract",
            )
        frames = codes.reshape(len(codes), *tensor.shape)
        return np.ascontiguousarray(frames, dtype=np.dtype(storage(low, high)))
