"""A stitched design as a plain value: its sources, its doors, its streams, its nodes.

Saved as ``design.json`` beside ``design.sv``; all paths in it are relative to that folder,
so that the folder can be moved to another machine and still builds.
"""

import math
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from lepton_hw.errors import InputError

FILE = "design.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Edge(_Frozen):
    """One stream between kernels.

    `width` is the width of tdata in bits, padded to bytes; a beat holds the last axis of
    `folded_shape`, element 0 in the lowest bits, each in ``bits`` bits. `shape` is the tensor's
    shape as FINN sees it, one frame, leading 1 included. `producer` and `consumer` name nodes;
    empty at the door. `tensor` is the tensor's name in FINN's graph.
    """

    tensor: str
    producer: str
    consumer: str
    dtype: str
    bits: int
    width: int
    shape: tuple[int, ...]
    folded_shape: tuple[int, ...]

    @property
    def beats(self) -> int:
        """Beats per frame."""
        return math.prod(self.folded_shape[:-1])


class Stream(Edge):
    """An edge as AXI-Stream: nets ``<name>_tdata``, ``<name>_tvalid``, ``<name>_tready``."""

    name: str


class Node(_Frozen):
    """One module instance of the top, named as its node in FINN's graph.

    `inputs` and `outputs` are names of streams. `depth` is the capacity of a FIFO in beats,
    0 for everything else. `layer` is the compute layer that a FIFO or width converter serves.
    """

    name: str
    op: str
    module: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    depth: int = 0
    layer: str = ""
    cycles_estimate: int = 0


class Design(_Frozen):
    """The whole; `sources` in the order in which a compiler must read them, packages first."""

    top: str
    sources: tuple[str, ...]
    data_files: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    streams: tuple[Stream, ...]
    nodes: tuple[Node, ...]

    def stream(self, name: str) -> Stream:
        """The stream of that name; raises KeyError."""
        found = next((stream for stream in self.streams if stream.name == name), None)
        if found is None:
            raise KeyError(name)
        return found


def read_design(folder: Path) -> Design:
    """Reads ``design.json``; raises `InputError` where it is missing or is not a design."""
    path = folder / FILE
    try:
        return Design.model_validate_json(path.read_text())
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path} is not a design ({reason})",
            "the folder of a stitched design",
            "run 'lepton stitch' again",
        ) from None
