"""Streamlines what FINN's default step leaves: forks, joins, global pooling and enlarging layers.

Only calls FINN's transformations, in an order and as often as such a graph needs; a plain chain is
not touched.
"""

from typing import Any

from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.forks import turn_forked_layers
from lepton_hw.compiler.signs import widen_shared_signs
from lepton_hw.errors import StageError
from lepton_hw.qonnx_names import ENLARGING, enlarging_mode

#: Rounds after which a graph that still changes is left as it is; residual blocks need one each.
MAX_ROUNDS = 20
POOLED = "GlobalAveragePool"


def move_scales(model: ModelWrapper) -> ModelWrapper:
    """Moves scales past forks and joins, until nothing moves; then writes the layers there so that
    FINN's own transformations keep all readers.

    Belongs before FINN's step_streamline, which makes max-pooling channels-last: no scale gets
    past it afterwards.
    """
    if not _has_branches(model):
        return model
    model = _repeat(_scales(), model)
    print(f"bipolar weights beside other readers: {widen_shared_signs(model)}", flush=True)
    print(f"layers with several readers turned: {turn_forked_layers(model)}", flush=True)
    return _tidy(model)


def move_layouts(model: ModelWrapper) -> ModelWrapper:
    """Moves layouts past the same layers; enlarging ones become FINN's UpsampleNearestNeighbour.

    Raises `StageError` for an enlarging layer that is none.
    """
    if _has_branches(model) or _has(model, POOLED, *ENLARGING):
        model = _repeat(_layouts(), model)
    if _has(model, *ENLARGING):
        from finn.transformation.fpgadataflow.convert_to_hw.upsample import InferUpsample

        model = _tidy(model.transform(InferUpsample()))  # FINN's own step leaves Resize out
        _require_nearest(model)
    return model


def _require_nearest(model: ModelWrapper) -> None:
    for node in model.graph.node:
        if node.op_type in ENLARGING:
            mode, kind = enlarging_mode(node), model.get_tensor_datatype(node.input[0])
            raise StageError(
                f"layer {node.name} ({node.op_type}, mode '{mode}', of {kind.name})",
                "nearest-neighbour upsampling of integers",
                "put it behind a quantiser, with mode 'nearest', and train again",
            )


def _scales() -> list[Any]:
    from finn.transformation.streamline import Streamline
    from finn.transformation.streamline.absorb import AbsorbScalarBiasIntoMultiThreshold
    from finn.transformation.streamline.reorder import (
        MoveLinearPastEltwiseAdd,
        MoveLinearPastFork,
        MoveMulPastJoinConcat,
    )

    return [
        AbsorbScalarBiasIntoMultiThreshold(),  # a bias past the fork cannot be absorbed any more
        MoveLinearPastFork(),
        MoveLinearPastEltwiseAdd(),
        MoveMulPastJoinConcat(),
        Streamline(),
    ]


def _layouts() -> list[Any]:
    from finn.transformation.fpgadataflow.convert_to_hw.global_acc_pool import (
        InferGlobalAccPoolLayer,
    )
    from finn.transformation.streamline.absorb import (
        AbsorbConsecutiveTransposes,
        AbsorbTransposeIntoFlatten,
        AbsorbTransposeIntoMultiThreshold,
    )
    from finn.transformation.streamline.reorder import (
        MakeMaxPoolNHWC,
        MakeScaleResizeNHWC,
        MoveTransposePastFork,
        MoveTransposePastJoinAdd,
        MoveTransposePastJoinConcat,
        MoveTransposePastScalarMul,
    )

    return [
        MoveTransposePastScalarMul(),
        MoveTransposePastFork(),
        MakeMaxPoolNHWC(),
        MakeScaleResizeNHWC(),
        MoveTransposePastJoinAdd(),
        MoveTransposePastJoinConcat(),
        AbsorbTransposeIntoMultiThreshold(),
        AbsorbConsecutiveTransposes(),
        InferGlobalAccPoolLayer(),
        AbsorbTransposeIntoFlatten(),
        *_scales(),
    ]


def _repeat(transformations: list[Any], model: ModelWrapper) -> ModelWrapper:
    for _ in range(MAX_ROUNDS):
        before = _shape_of(model)
        for transformation in transformations:
            model = _tidy(model.transform(transformation))
        if _shape_of(model) == before:
            break
    return model


def _tidy(model: ModelWrapper) -> ModelWrapper:
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


def _has(model: ModelWrapper, *operators: str) -> bool:
    return any(model.get_nodes_by_op_type(operator) for operator in operators)


def _has_branches(model: ModelWrapper) -> bool:
    return any(len(model.find_consumers(t) or []) > 1 for n in model.graph.node for t in n.output)


def _shape_of(model: ModelWrapper) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """The graph's structure, in which a transformation that did something shows."""
    return [(n.op_type, tuple(n.input), tuple(n.output)) for n in model.graph.node]
