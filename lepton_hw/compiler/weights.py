"""Weights that software may rewrite: which layers have them, and how a tensor becomes words.

FINN's weight streamer (``memstream_axi``) holds them, for FINN's matrix units and for ours alike.
It reads FINN's graph and sets attributes; it writes no RTL.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.compiler.graph import MATRIX
from lepton_hw.design import WEIGHTS, WeightMemory
from lepton_hw.errors import StageError


def make_writable(model: ModelWrapper) -> None:
    """Marks all matrix layers, before FINN narrows types to the weights that are there now."""
    for node in model.graph.node:
        if node.op_type.startswith(MATRIX):
            op = getCustomOp(node)
            op.set_nodeattr("mem_mode", "internal_decoupled")
            op.set_nodeattr("runtime_writeable_weights", 1)


def is_writable(op: Any) -> bool:
    """Whether the layer's weights can be rewritten; a folding file may have fixed them again."""
    return bool(
        op.onnx_node.op_type.startswith(MATRIX)
        and op.get_nodeattr("runtime_writeable_weights")
        and op.get_nodeattr("mem_mode") == "internal_decoupled"
    )


def require_writable(model: ModelWrapper) -> None:
    """Raises `StageError` where no layer can be rewritten, or one would start without weights."""
    layers = [node for node in model.graph.node if node.op_type.startswith(MATRIX)]
    writable = [node for node in layers if is_writable(getCustomOp(node))]
    if not writable:
        raise StageError(
            f"none of the network's {len(layers)} matrix layers can have weights that are written "
            "at run time",
            "at least one with mem_mode internal_decoupled and runtime_writeable_weights 1",
            "remove these attributes from the folding file, or compile.runtime_weights from the "
            "flow",
        )
    for node in writable:
        if getCustomOp(node).get_nodeattr("ram_style") == "ultra":
            raise StageError(
                f"attribute ram_style of layer {node.name} is ultra",
                "auto, block or distributed, since UltraRAM is empty until software fills it",
                "change it in the folding file",
            )


def memory_of(model: ModelWrapper, op: Any) -> WeightMemory:
    """How a writable layer's weights lie in FINN's streamer, without a window yet.

    The tensor is FINN's: (MW, MH) of an MVAU, (channels, 1, kernel height, width) of a VVAU. The
    order of codes is that of FINN's ``make_weight_file``.
    """
    pe, simd = op.get_nodeattr("PE"), op.get_nodeattr("SIMD")
    if op.onnx_node.op_type.startswith("MVAU"):
        mw, mh = op.get_nodeattr("MW"), op.get_nodeattr("MH")
        shape: tuple[int, ...] = (mw, mh)
        split, order = (mw // simd, simd, mh // pe, pe), (2, 0, 3, 1)
    else:
        channels, (height, width) = op.get_nodeattr("Channels"), op.get_nodeattr("Kernel")
        shape = (channels, 1, height, width)
        split, order = (channels // pe, pe, height * width // simd, simd), (0, 2, 1, 3)
    kind = op.get_input_datatype(1)
    low, high = _limits(model, op)
    words = -(-op.get_instream_width_padded(1) // 32)
    return WeightMemory(
        layer=op.onnx_node.name,
        dtype="BIPOLAR" if _counts_equal_bits(op) else kind.name,
        bits=kind.bitwidth(),
        low=low,
        high=high,
        shape=tuple(int(n) for n in shape),
        split=tuple(int(n) for n in split),
        order=order,
        depth=math.prod(shape) // (pe * simd),
        lanes=int(pe * simd),
        word_bytes=4 * (1 << (words - 1).bit_length()),
    )


def own_weights(model: ModelWrapper) -> dict[str, NDArray[np.int32]]:
    """The writable layers' weights in the graph: what the design starts with."""
    found = {}
    for node in model.graph.node:
        op = getCustomOp(node)
        if is_writable(op):
            codes = np.rint(model.get_initializer(node.input[1])).astype(np.int32)
            found[node.name] = 2 * codes - 1 if _counts_equal_bits(op) else codes
    return found


def save_weights(model: ModelWrapper, folder: Path) -> None:
    """Writes ``weights.npz``; equal weights give equal bytes."""
    np.savez_compressed(folder / WEIGHTS, **own_weights(model))  # type: ignore[arg-type]


def _limits(model: ModelWrapper, op: Any) -> tuple[int, int]:
    """Lowest and highest weight that the unit computes with correctly."""
    if _counts_equal_bits(op):
        return -1, 1
    kind, weights = op.get_input_datatype(1), model.get_initializer(op.onnx_node.input[1])
    low, high = int(kind.min()), int(kind.max())
    # FINN's packed multiplier is built for weights above their type's minimum if those that are
    # there now are (NARROW_WEIGHTS).
    narrow = op.get_nodeattr("resType") != "lut" and int(np.min(weights)) > low
    return low + int(narrow), high


def _counts_equal_bits(op: Any) -> bool:
    """FINN's binaryXnorMode: its graph has bits that stand for -1 and 1."""
    return bool(op.get_nodeattr("binaryXnorMode"))
