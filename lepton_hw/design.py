"""A stitched design as a plain value: its sources, its doors, its streams, its nodes.

Saved as ``design.json`` beside ``design.sv``; all paths in it are relative to that folder,
so that the folder can be moved to another machine and still builds.
"""

import math
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from lepton_hw.errors import InputError

FILE = "design.json"
#: The design's own weights, beside it where they can be rewritten: layer → integer tensor, each as
#: its `WeightMemory` says.
WEIGHTS = "weights.npz"


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


class WeightMemory(_Frozen):
    """The weights of one matrix layer, which software may rewrite through an AXI-Lite port.

    An integer tensor of `shape` becomes `depth` words of `lanes` codes each by
    ``tensor.reshape(split).transpose(order).reshape(depth, lanes)``. Code i of a word stands in
    bits [i * bits, (i + 1) * bits), two's complement where negative (BIPOLAR: -1 is 0), and a word
    takes `word_bytes` bytes, a power of two from 4 up. A code is from `low` to `high`; BIPOLAR has
    no 0. Its window in the shell's address map is `size` bytes from `offset` on.
    """

    layer: str
    dtype: str
    bits: int
    low: int
    high: int
    shape: tuple[int, ...]
    split: tuple[int, ...]
    order: tuple[int, ...]
    depth: int
    lanes: int
    word_bytes: int
    offset: int = 0
    size: int = 0

    @property
    def span(self) -> int:
        """Bytes of all words."""
        return self.depth * self.word_bytes

    @property
    def port(self) -> str:
        """The AXI-Lite port of the design's top module: the beginning of its signals' names."""
        return f"s_axilite_{self.layer}"

    def signals(self) -> tuple[tuple[bool, int, str], ...]:
        """Of that port: (whether an input of the design, width in bits, end of the name)."""
        address = max(2, (self.span - 1).bit_length())
        return (
            (True, address, "awaddr"), (True, 3, "awprot"), (True, 1, "awvalid"),
            (False, 1, "awready"), (True, 32, "wdata"), (True, 4, "wstrb"), (True, 1, "wvalid"),
            (False, 1, "wready"), (False, 2, "bresp"), (False, 1, "bvalid"), (True, 1, "bready"),
            (True, address, "araddr"), (True, 3, "arprot"), (True, 1, "arvalid"),
            (False, 1, "arready"), (False, 32, "rdata"), (False, 2, "rresp"), (False, 1, "rvalid"),
            (True, 1, "rready"),
        )  # fmt: skip


#: Where windows of weights begin in the shell's address map, and the smallest: a page of memory.
WINDOWS_FROM, WINDOW_LEAST = 0x4_0000, 0x1000


def placed(memories: Iterable[WeightMemory]) -> tuple[WeightMemory, ...]:
    """The memories, each with its window: a power of two, aligned to itself, in this order."""
    found, free = [], WINDOWS_FROM
    for memory in memories:
        size = max(WINDOW_LEAST, 1 << (memory.span - 1).bit_length())
        offset = -(-free // size) * size
        free = offset + size
        found.append(memory.model_copy(update={"offset": offset, "size": size}))
    return tuple(found)


class Design(_Frozen):
    """The whole; `sources` in the order in which a compiler must read them, packages first.

    `weights` are the memories that can be rewritten, `fixed_weights` the matrix layers beside them
    whose weights cannot; both are empty unless the flow asks for runtime weights.
    """

    top: str
    sources: tuple[str, ...]
    data_files: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    streams: tuple[Stream, ...]
    nodes: tuple[Node, ...]
    weights: tuple[WeightMemory, ...] = ()
    fixed_weights: tuple[str, ...] = ()

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
