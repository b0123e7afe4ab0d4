"""What the compiler hands on: the dataflow graph as plain values, with no FINN in them.

Saved as ``graph.json``; file paths in it are relative to the folder that holds it.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from lepton_hw.design import Edge, WeightMemory

FILE = "graph.json"
#: Beginnings of the names of ops that multiply by a matrix of weights.
MATRIX = ("MVAU", "VVAU")


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
    MVAU, empty where there is none; `memory` says how that module's weights are rewritten, None
    where they are fixed.
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
    memory: WeightMemory | None = None
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


def fixed_weights(graph: Graph) -> tuple[str, ...]:
    """Matrix layers that keep their weights in a design where others can be rewritten."""
    if not any(kernel.memory for kernel in graph.kernels):
        return ()
    matrices = (kernel for kernel in graph.kernels if kernel.op.startswith(MATRIX))
    return tuple(kernel.name for kernel in matrices if kernel.memory is None)
