"""Makes integer elementwise layers ours, before FINN's SpecializeLayers would make them HLS.

Floats are left to FINN. It only changes op types, data types and where constants stand.
"""

from typing import Any

from onnx import helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.general import GiveUniqueNodeNames

from lepton_hw.compiler.kernels import DOMAIN
from lepton_hw.compiler.kernels.stream_formats import is_integer

OPS = ("ElementwiseAdd", "ElementwiseSub", "ElementwiseMul")


def choose_elementwise_kernels(model: ModelWrapper) -> ModelWrapper:
    """Elementwise layers of two integer operands become ``Elementwise…_rtl``."""
    for index, node in enumerate(list(model.graph.node)):
        if node.op_type not in OPS or not _is_ours(model, node):
            continue
        new = helper.make_node(
            f"{node.op_type}_rtl", node.input, node.output, name=node.name, domain=DOMAIN
        )
        new.attribute.extend(a for a in node.attribute if a.name != "preferred_impl_style")
        model.graph.node.insert(index, new)
        model.graph.node.remove(node)
        op = getCustomOp(new)
        op.set_nodeattr("mem_mode", "internal_embedded")
        op.minimize_weight_bit_width(model)
        op.minimize_accumulator_width(model)
    return model.transform(GiveUniqueNodeNames())


def _is_ours(model: ModelWrapper, node: Any) -> bool:
    op = getCustomOp(node)
    return op.get_nodeattr("preferred_impl_style") != "hls" and all(
        is_integer(op.get_input_datatype(i)) for i in (0, 1)
    )
