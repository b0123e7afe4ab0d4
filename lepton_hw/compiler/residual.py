"""Streamlines what FINN's default step leaves between the branches of a graph.

Only calls FINN's transformations, in an order and as often as a graph with forks, joins and
global pooling needs; a plain chain is not touched.
"""

from typing import Any

from qonnx.core.modelwrapper import ModelWrapper

#: Rounds after which a graph that still changes is left as it is; residual blocks need one each.
MAX_ROUNDS = 20
POOLED = "GlobalAveragePool"


def streamline_branches(model: ModelWrapper) -> ModelWrapper:
    """Moves scales and layouts past forks, joins and global pooling until nothing moves."""
    if not (_has_branches(model) or model.get_nodes_by_op_type(POOLED)):
        return model
    for _ in range(MAX_ROUNDS):
        before = _shape_of(model)
        for transformation in _round():
            model = model.transform(transformation)
            model = _named(model)
        if _shape_of(model) == before:
            break
    return model


def _round() -> list[Any]:
    from finn.transformation.fpgadataflow.convert_to_hw.global_acc_pool import (
        InferGlobalAccPoolLayer,
    )
    from finn.transformation.streamline import Streamline
    from finn.transformation.streamline.absorb import (
        AbsorbConsecutiveTransposes,
        AbsorbTransposeIntoFlatten,
        AbsorbTransposeIntoMultiThreshold,
    )
    from finn.transformation.streamline.reorder import (
        MoveLinearPastEltwiseAdd,
        MoveLinearPastFork,
        MoveTransposePastFork,
        MoveTransposePastJoinAdd,
        MoveTransposePastScalarMul,
    )

    return [
        MoveTransposePastScalarMul(),
        MoveLinearPastFork(),
        MoveTransposePastFork(),
        MoveLinearPastEltwiseAdd(),
        MoveTransposePastJoinAdd(),
        AbsorbTransposeIntoMultiThreshold(),
        AbsorbConsecutiveTransposes(),
        InferGlobalAccPoolLayer(),
        AbsorbTransposeIntoFlatten(),
        Streamline(),
    ]


def _named(model: ModelWrapper) -> ModelWrapper:
    from qonnx.transformation.general import GiveReadableTensorNames, GiveUniqueNodeNames
    from qonnx.transformation.infer_data_layouts import InferDataLayouts
    from qonnx.transformation.infer_datatypes import InferDataTypes
    from qonnx.transformation.infer_shapes import InferShapes

    for transformation in (
        GiveUniqueNodeNames(),
        GiveReadableTensorNames(),
        InferShapes(),
        InferDataTypes(),
        InferDataLayouts(),
    ):
        model = model.transform(transformation)
    return model


def _has_branches(model: ModelWrapper) -> bool:
    return any(len(model.find_consumers(t) or []) > 1 for n in model.graph.node for t in n.output)


def _shape_of(model: ModelWrapper) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """The graph's structure, in which a transformation that did something shows."""
    return [(n.op_type, tuple(n.input), tuple(n.output)) for n in model.graph.node]
