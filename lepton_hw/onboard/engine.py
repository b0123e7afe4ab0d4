"""What a service needs of whatever computes the network, and the board as such an engine.

On a PC the exact integer path takes the board's place behind the same few methods.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import images
from .golden import Golden, read_golden
from .open_inference import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .accelerator import Accelerator

    Codes = NDArray[Any]


class _Content(io.BytesIO):
    name = "the request"


class Subject(NamedTuple):
    """What is served: `digest` is the design's, `where` a person's words for what runs it."""

    digest: str
    where: str
    input: Tensor
    output: Tensor
    scale: tuple[float, ...]
    bias: tuple[float, ...]
    host_before: tuple[dict[str, Any], ...]
    host_after: tuple[str, ...]
    labels: tuple[str, ...]
    golden: Golden


class Engine:
    """The base of all engines: host steps by the contract; codes by `infer`.

    `batch` is the number of frames that one call should hold at most.
    """

    def __init__(self, subject: Subject, batch: int) -> None:
        self.subject, self.batch = subject, batch

    def prepare(self, content: bytes) -> Codes:
        """The content of an image file → codes (1, *shape); raises `InputError`."""
        subject, file = self.subject, _Content(content)
        codes = images.prepare(file, subject.host_before, subject.input.shape)
        return self.checked(codes[None])

    def read_out(self, codes: Codes) -> images.Classified:
        """The output codes of one frame → label and scores."""
        one = self.subject
        return images.read_out(codes, one.scale, one.bias, one.host_after, one.labels)

    def checked(self, codes: Codes) -> Codes:
        """The codes (N, *shape) in the container's type; `InputError` where they do not fit."""
        raise NotImplementedError

    def infer(self, codes: Codes) -> Codes:
        """Checked codes (N, *shape) → output codes; one thread at a time."""
        raise NotImplementedError

    def watts(self) -> dict[str, float]:
        """What the sensors say now, by name."""
        return {}

    def close(self) -> None:
        """Gives back what is held."""


class BoardEngine(Engine):
    """An `Accelerator`; it is closed with the engine."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator, manifest = accelerator, accelerator.manifest
        doors = []
        for name, door in (("input", manifest.input), ("output", manifest.output)):
            packing = door.packing
            doors.append(Tensor(name, packing.dtype, packing.container, packing.shape, door.layout))
        subject = Subject(
            digest=manifest.digest,
            where=manifest.board,
            input=doors[0],
            output=doors[1],
            scale=manifest.output.scale,
            bias=manifest.output.bias,
            host_before=manifest.host_before,
            host_after=manifest.host_after,
            labels=manifest.labels,
            golden=read_golden(manifest),
        )
        super().__init__(subject, accelerator.batch)
        self._rails = accelerator.power_rails()

    def checked(self, codes: Codes) -> Codes:
        """As `Accelerator.infer` checks them."""
        return self._accelerator.checked(codes)

    def infer(self, codes: Codes) -> Codes:
        """One call of the board."""
        return np.asarray(self._accelerator.infer(codes))

    def watts(self) -> dict[str, float]:
        """The board's rails; one that cannot be read now is left out."""
        found = {}
        for name, rail in self._rails.items():
            try:
                found[name] = rail.read()
            except (OSError, ValueError):
                continue
        return found

    def close(self) -> None:
        """Closes the accelerator."""
        self._accelerator.close()
