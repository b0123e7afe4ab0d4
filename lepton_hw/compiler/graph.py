"""What the compiler hands on: the dataflow graph as plain values, with no FINN in them.

Saved as ``graph.json``; file paths in it are relative to the folder that holds it.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from lepton_hw.design import Edge

FILE = "graph.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pin(_Frozen):
    """An AXI-Stream interface of a module (``in0_V``) and the tensor that goes through it."""

    port: str
    tensor: str


class Kernel(_Frozen):
    """One generated module. `files` are its own, `library` those it shares with others.

    `parameters` counts weights and thresholds. `cycles` is FINN's estimate; `lut`, `bram18`, `uram`
    and `dsp` are FINN's and what it leaves out (`compiler.folding_costs`). `attributes` holds PE,
    SIMD and the like. `weights` is the module that streams weights into the pin ``in1_V`` of an
    MVAU, empty where there is none.
    """

    name: str
    op: str
    module: str
    files: tuple[str, ...]
    library: tuple[str, ...]
    inputs: tuple[Pin, ...]
    outputs: tuple[Pin, ...]
    weights: str = ""
    weights_width: int = 0
    depth: int = 0
    cycles: int = 0
    lut: int = 0
    bram18: int = 0
    uram: int = 0
    dsp: int = 0
    parameters: int = 0
    attributes: dict[str, int | str] = {}


class Graph(_Frozen):
    """Kernels in topological order, the streams between them, and the doors."""

    kernels: tuple[Kernel, ...]
    edges: tuple[Edge, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def read_graph(folder: Path) -> Graph:
    """Reads what the compile stage wrote."""
    return Graph.model_validate_json((folder / FILE).read_text())
