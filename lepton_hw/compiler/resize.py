"""Brings enlarging layers (ONNX Resize, Upsample) to hardware; FINN's own steps skip Resize.

Only calls FINN's transformations; a graph without such a layer is not touched.
"""

from qonnx.core.modelwrapper import ModelWrapper

KINDS = ("Resize", "Upsample")


def convert_resize(model: ModelWrapper) -> ModelWrapper:
    """Turns them to channels-last order and into FINN's UpsampleNearestNeighbour."""
    if not any(model.get_nodes_by_op_type(kind) for kind in KINDS):
        return model
    from finn.transformation.fpgadataflow.convert_to_hw.upsample import InferUpsample
    from finn.transformation.streamline.absorb import (
        AbsorbConsecutiveTransposes,
        AbsorbTransposeIntoMultiThreshold,
    )
    from finn.transformation.streamline.reorder import MakeScaleResizeNHWC
    from qonnx.transformation.general import GiveReadableTensorNames, GiveUniqueNodeNames
    from qonnx.transformation.infer_data_layouts import InferDataLayouts
    from qonnx.transformation.infer_datatypes import InferDataTypes
    from qonnx.transformation.infer_shapes import InferShapes

    for transformation in (
        MakeScaleResizeNHWC(),
        AbsorbTransposeIntoMultiThreshold(),
        AbsorbConsecutiveTransposes(),
        InferShapes(),
        InferDataLayouts(),
        InferDataTypes(),
        InferUpsample(),
        InferShapes(),
        InferDataTypes(),
        GiveUniqueNodeNames(),
        GiveReadableTensorNames(),
        InferDataLayouts(),
    ):
        model = model.transform(transformation)
    return model
