"""Folding files of others, such as those that FINN publishes: their layers go by FINN's names of
that time and of its HLS kernels, and are found here by kind and order. It builds nothing.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.board import Board
from lepton_hw.compiler.folding import Goal, search, write_folding
from lepton_hw.compiler.folding_file import read_table, require_divisor
from lepton_hw.errors import InputError

#: Names that FINN has given to a kind of layer over time → its present name.
KINDS = {
    "MatrixVectorActivation": "MVAU",
    "StreamingFCLayer": "MVAU",
    "VectorVectorActivation": "VVAU",
    "Vector_Vector_Activate": "VVAU",
    "ConvolutionInputGenerator1D": "ConvolutionInputGenerator",
    "StreamingMaxPool": "Pool",
    "AddStreams": "ElementwiseAdd",
    "ChannelwiseOp": "ElementwiseAdd",
}
#: Kinds that must be there as often as the file has them: they are what it folds.
COMPUTE = ("MVAU", "VVAU", "ConvolutionInputGenerator")
#: What is taken from a file. Memory styles and the like belong to kernels that are not ours.
TAKEN = ("PE", "SIMD", "parallel_window")
NAME = re.compile(r"(?P<kind>\w+?)(?P<batch>_Batch)?(?P<style>_hls|_rtl)?_(?P<index>\d+)")


def own_folding(
    model: ModelWrapper, board: Board, path: Path, target: Path, say: Callable[[str], None]
) -> Path:
    """The file itself if its layers go by the graph's names, else `target`, a translation.

    Layers are found by kind and order. The file's PE, SIMD and parallel_window are kept; layers
    that it does not know (FINN's HLS units hold their thresholds, ours stand beside) are folded to
    be as fast as its slowest. `say` gets a line for each kind that was left out.

    Raises `InputError` where the file has another number of matrix units or windows than the graph,
    or a folding that the layer cannot have.
    """
    table = {k: v for k, v in read_table(path).items() if k != "Defaults"}
    graph = {node.name for node in model.graph.node}
    if not any(_is_foreign(name) for name in table if name not in graph):
        return path
    by_kind: dict[str, dict[int, str]] = defaultdict(dict)
    for name in table:
        match = NAME.fullmatch(name)
        if match is not None:
            kind = KINDS.get(match["kind"], match["kind"])
            by_kind[kind][int(match["index"])] = name
    fixed: dict[str, dict[str, Any]] = {}
    for kind, names in by_kind.items():
        nodes = _counterparts(model, kind, max(names) + 1, path)
        if nodes is None:
            say(f"{path.name}: its {kind} layers are not those of this graph; left to the search")
            continue
        for index, name in names.items():
            taken = {key: table[name][key] for key in TAKEN if key in table[name]}
            known = getCustomOp(nodes[index])
            for key, value in taken.items():
                require_divisor(path, name, known, key, value)
            fixed[nodes[index].name] = taken
        say(f"{path.name}: {len(names)} {kind} layers found by their order")
    return write_folding(search(model, board, Goal(), fixed=fixed), target)


def _is_foreign(name: str) -> bool:
    """Whether FINN gives, or gave, a layer such a name, though never one of RTL."""
    match = NAME.fullmatch(name)
    return match is not None and match["style"] != "_rtl"


def _counterparts(model: ModelWrapper, kind: str, count: int, path: Path) -> list[Any] | None:
    """The graph's layers of this kind, in order; None if they are others than the file's."""
    nodes = [n for n in model.graph.node if re.fullmatch(rf"{kind}(_rtl|_hls)?", n.op_type)]
    if kind == "ConvolutionInputGenerator" and len(nodes) != count:
        # FINN's HLS max-pool needs no window before it.
        nodes = [n for n in nodes if not _feeds_pool(model, n)]
    if len(nodes) == count:
        return nodes
    if kind in COMPUTE:
        raise InputError(
            f"the folding file {path} has {count} {kind} layers",
            f"{len(nodes)}, as the network has",
            "take the file of this very network",
        )
    return None


def _feeds_pool(model: ModelWrapper, node: Any) -> bool:
    readers = model.find_consumers(node.output[0]) or []
    return any(reader.op_type.startswith("Pool") for reader in readers)
