"""Decides, layer by layer, between FINN's kernel of multipliers and ours of LUTs.

Runs before FINN's SpecializeLayers, whose choice between RTL and HLS is fixed in its code. The
rule, for each MVAU and VVAU that has no thresholds of its own:

- ``resType`` ``lut`` or ``dsp``, set by the user, decides (``dsp`` where FINN has such RTL);
- where FINN has no RTL for it, ours;
- else ours if one multiplication costs at most 30 % of the LUTs that the board has for each
  multiplication that its DSPs do (four in a DSP, as FINN's estimate has it): up to 8 products of
  bits (2 x 4) on a Zynq-7020, 4 (2 x 2) on a ZU7EV. Below that, DSPs would run out first.
"""

import math
from collections.abc import Mapping
from typing import Any

from finn.transformation.fpgadataflow.specialize_layers import _mvu_rtl_possible, _vvu_rtl_possible
from onnx import helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.general import GiveUniqueNodeNames

from lepton_hw.board import Board
from lepton_hw.compiler.kernels import DOMAIN
from lepton_hw.compiler.kernels.dot_formats import LUTS_PER_BIT_PRODUCT, narrowest

PRODUCTS_PER_DSP = 4
SHARE = 0.3


def choose_matrix_kernels(
    model: ModelWrapper, board: Board, stated: Mapping[str, Any] | None = None
) -> ModelWrapper:
    """Makes MVAU_rtl and VVAU_rtl nodes with ``resType`` lut of those that ours serves.

    `stated`: types of weight tensors as the network has them, kept where weights will be rewritten.
    """
    for index, node in enumerate(list(model.graph.node)):
        if node.op_type not in ("MVAU", "VVAU"):
            continue
        kind = _weight_type(model, node, stated or {})
        if not _is_ours(model, node, board, kind):
            continue
        model.graph.node.insert(index, _specialized(node, kind))
        model.graph.node.remove(node)
    return model.transform(GiveUniqueNodeNames())


def _is_ours(model: ModelWrapper, node: Any, board: Board, kind: Any) -> bool:
    op = getCustomOp(node)
    if not op.get_nodeattr("noActivation") or op.get_nodeattr("preferred_impl_style") == "hls":
        return False
    if node.op_type == "MVAU":
        possible = _mvu_rtl_possible(node, board.finn_part, model)
    else:
        possible = _vvu_rtl_possible(node, board.finn_part)
    if not possible or op.get_nodeattr("resType") != "auto":
        return bool(op.get_nodeattr("resType") == "lut" or not possible)
    bits = op.get_input_datatype(0).bitwidth() * kind.bitwidth()
    return bool(bits <= most_bit_products(board))


def most_bit_products(board: Board) -> float:
    """Activation bits times weight bits up to which LUTs are preferred on this board."""
    if not board.has_dsp48:
        return math.inf
    multiplications = max(1, board.resources.dsp * PRODUCTS_PER_DSP)
    return SHARE * board.resources.lut / multiplications / LUTS_PER_BIT_PRODUCT


def _weight_type(model: ModelWrapper, node: Any, known: Mapping[str, Any]) -> Any:
    op, weights = getCustomOp(node), model.get_initializer(node.input[1])
    activation, stated = op.get_input_datatype(0).name, op.get_input_datatype(1)
    if op.get_nodeattr("runtime_writeable_weights"):
        return known.get(node.input[1], stated)
    if weights is None or (activation == "BIPOLAR" and stated.name == "BIPOLAR"):
        return stated
    return DataType[narrowest(weights, keep_sum=activation == "BIPOLAR")]


def _specialized(node: Any, kind: Any) -> Any:
    new = helper.make_node(
        f"{node.op_type}_rtl", node.input, node.output, name=node.name, domain=DOMAIN
    )
    new.attribute.extend(a for a in node.attribute if a.name != "preferred_impl_style")
    op = getCustomOp(new)
    op.set_nodeattr("resType", "lut")
    op.set_nodeattr("weightDataType", kind.name)
    fixed = not op.get_nodeattr("runtime_writeable_weights")
    if op.get_nodeattr("mem_mode") == "internal_decoupled" and fixed:
        op.set_nodeattr("mem_mode", "internal_embedded")
    return new
