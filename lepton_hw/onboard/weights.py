"""Weights of a running design: integer tensors ↔ the words of its weight memories.

Only designs that were compiled with ``runtime_weights`` have such memories. It knows tensors,
ranges and words, not what a layer computes with them.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, Iterator, Mapping, NamedTuple

import numpy as np

from .errors import DesignError, DriverError, HardwareError, InputError, lost
from .packing import Packing
from .transfers import Transfers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .shell import Shell

    Codes = NDArray[Any]


class WeightLayer(NamedTuple):
    """One layer's memory: `offset` in the shell's address map, `size` bytes of addresses.

    The words of a tensor are ``tensor.reshape(split).transpose(order)``, `depth` words of `lanes`
    codes each; a word takes `word_bytes` bytes.
    """

    name: str
    dtype: str
    low: int
    high: int
    shape: tuple[int, ...]
    split: tuple[int, ...]
    order: tuple[int, ...]
    depth: int
    lanes: int
    word_bytes: int
    offset: int
    size: int

    def words(self, weights: Any) -> NDArray[np.uint32]:
        """A tensor of integers → 32-bit words; raises `InputError` where it does not fit."""
        codes, packing = self._checked(np.asarray(weights)), self._packing()
        ordered = codes.reshape(self.split).transpose(self.order)
        ordered = np.ascontiguousarray(ordered, dtype=packing.container)
        raw = np.empty(packing.frame_bytes, np.uint8)
        packing.pack_into(ordered.reshape(1, self.depth, self.lanes), raw)
        return raw.view("<u4")

    def tensor(self, words: NDArray[np.uint32]) -> Codes:
        """The opposite, in the smallest type that holds the layer's datatype."""
        codes = self._packing().unpack(words.astype("<u4").view(np.uint8), 1)
        split = codes.reshape([self.split[axis] for axis in self.order])
        back = [self.order.index(axis) for axis in range(len(self.order))]
        return np.ascontiguousarray(split.transpose(back)).reshape(self.shape)

    def require_consistent(self) -> None:
        """Raises `DesignError` where the numbers contradict each other."""
        codes, held = math.prod(self.shape), self.depth * self.lanes
        split = math.prod(self.split), sorted(self.order)
        if split != (codes, [*range(len(self.split))]) or held != codes:
            raise DesignError(
                f"the weights of {self.name} are split as {self.split} for {codes} codes "
                f"in {self.depth} words of {self.lanes}",
                "as many codes in each",
                "deploy the design again",
            )
        if self._packing().frame_bytes > self.size or self.word_bytes % 4:
            raise DesignError(
                f"the weights of {self.name} have {self.size} bytes of addresses",
                f"{self.depth} words of {self.word_bytes} bytes",
                "deploy the design again",
            )

    def _packing(self) -> Packing:
        return Packing(
            self.dtype, (self.depth, self.lanes), self.depth, self.lanes, self.word_bytes
        )

    def _checked(self, codes: Codes) -> Codes:
        if codes.shape != self.shape:
            raise InputError(
                f"weights of shape {codes.shape} for {self.name}", str(self.shape), "reshape them"
            )
        if codes.dtype.kind not in "iub":
            raise InputError(
                f"weights of type {codes.dtype} for {self.name}",
                f"integers of {self.dtype}",
                "divide them by their scale and round",
            )
        zeros = self.dtype == "BIPOLAR"
        wrong = (codes < self.low) | (codes > self.high) | (zeros & (codes == 0))
        if wrong.any():
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise InputError(
                f"weight {index} of {self.name} is {codes[index]}",
                "{} to {} ({}{})".format(
                    self.low, self.high, self.dtype, ", without 0" if zeros else ""
                ),
                "clip them, or compile the network with wider weights",
            )
        return codes


class Weights:
    """The weight memories of one design, written and read between transfers."""

    def __init__(
        self,
        transport: Any,
        shell: Shell,
        transfers: Transfers,
        layers: Mapping[str, WeightLayer],
        fixed: tuple[str, ...],
    ) -> None:
        self._transport, self._shell, self._transfers = transport, shell, transfers
        self._layers, self._fixed = layers, fixed
        # What was loaded, since a bitstream that is loaded again begins with its own weights.
        self._loaded: dict[str, NDArray[np.uint32]] = {}
        transfers.after_reload = self._load_again

    def load(self, weights: Mapping[str, Any]) -> None:
        """Writes the named layers, reads them back, and drops what was fetched of the old ones.

        All tensors are checked before the first word is written.
        """
        ready = [
            (layer, layer.words(array))
            for layer, array in ((self._layer(name), weights[name]) for name in weights)
        ]
        with self._alone():
            try:
                for layer, words in ready:
                    self._loaded[layer.name] = words
                    self._write(layer, words)
                for layer, words in ready:
                    self._require_written(layer, words)
            finally:
                # The streamers hold words that they have fetched ahead; a reset drops them.
                self._shell.reset()

    def read(self, name: str) -> Codes:
        """The layer's weights as they stand in the hardware."""
        layer = self._layer(name)
        with self._alone():
            return layer.tensor(self._read(layer))

    def _layer(self, name: str) -> WeightLayer:
        if name in self._layers:
            return self._layers[name]
        if not self._layers:
            raise InputError(
                "the design's weights are fixed",
                "weights that can be rewritten",
                "compile the network with compile.runtime_weights",
            )
        kind = "fixed weights" if name in self._fixed else "no weights to rewrite"
        raise InputError(
            f"layer '{name}' has {kind}",
            "one of {}".format(", ".join(self._layers)),
            "leave it out",
        )

    def _load_again(self) -> None:
        for name, words in self._loaded.items():
            self._write(self._layers[name], words)
        if self._loaded:
            self._shell.reset()

    def _write(self, layer: WeightLayer, words: NDArray[np.uint32]) -> None:
        write = self._transport.write
        for at, word in enumerate(words.tolist()):
            write(layer.offset + 4 * at, word)

    def _read(self, layer: WeightLayer) -> NDArray[np.uint32]:
        read, count = self._transport.read, layer.depth * layer.word_bytes // 4
        values = [read(layer.offset + 4 * at) for at in range(count)]
        return np.array(values, np.uint32)

    def _require_written(self, layer: WeightLayer, words: NDArray[np.uint32]) -> None:
        found = layer.tensor(self._read(layer))
        expected = layer.tensor(words)
        if not np.array_equal(found, expected):
            index = tuple(int(i) for i in np.argwhere(found != expected)[0])
            raise HardwareError(
                f"weight {index} of {layer.name} reads {found[index]}",
                f"{expected[index]}, as written",
                "load all weights again, and the bitstream if that does not help",
            )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nothing is under way and nothing begins; what the transport raises becomes a sentence."""
        with self._transfers.lock:
            self._transfers.require_open()
            self._transfers.settle()
            try:
                yield
            except DriverError:
                raise
            except Exception as error:
                raise lost(error) from error
