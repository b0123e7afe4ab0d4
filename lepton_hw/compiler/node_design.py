"""Small FINN models, usually of one node, straight to a simulated design: for tests and benchmarks.

No folding, no FIFOs and no width converters are inserted: the nodes stand as they are given.
"""

from pathlib import Path
from typing import Any

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.general import GiveReadableTensorNames, GiveUniqueNodeNames

from lepton_hw.board import Board
from lepton_hw.compiler.collect import collect
from lepton_hw.compiler.stitch import stitch
from lepton_hw.design import Design

Values = dict[str, tuple[tuple[int, ...], str]]
Constants = dict[str, tuple[Any, str]]


def node_model(
    nodes: list[Any], inputs: Values, outputs: Values, constants: Constants
) -> ModelWrapper:
    """A model of these nodes; values are (shape, FINN datatype), constants (array, datatype)."""
    import onnx
    from onnx import TensorProto, helper
    from qonnx.core.datatype import DataType

    def info(values: Values) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
            for name, (shape, _) in values.items()
        ]

    graph = helper.make_graph(nodes, "nodes", info(inputs), info(outputs))
    model = ModelWrapper(onnx.helper.make_model(graph))
    for name, (array, kind) in constants.items():
        model.set_initializer(name, array)
        model.set_tensor_datatype(name, DataType[kind])
    for name, (_, kind) in (*inputs.items(), *outputs.items()):
        model.set_tensor_datatype(name, DataType[kind])
    return model


def node_design(
    model: ModelWrapper, folder: Path, board: Board, *, runtime_weights: bool = False
) -> tuple[Design, Path]:
    """Generates every node's RTL for `board` below `folder` and stitches; returns the design and
    its folder.

    To be called inside `finn_world`. The model is given unique names and `exec_mode` cppsim, so
    that FINN's execution of it afterwards is the golden model.
    """
    model = model.transform(GiveUniqueNodeNames()).transform(GiveReadableTensorNames())
    for node in model.graph.node:
        op = getCustomOp(node)
        generated = folder / "generated" / node.name
        generated.mkdir(parents=True)
        op.set_nodeattr("code_gen_dir_ipgen", str(generated))
        op.code_generation_ipgen(model, board.finn_part, board.clock_ns)
        op.set_nodeattr("exec_mode", "cppsim")
    graph = collect(model, board.finn_part, folder / "compiled", runtime_weights=runtime_weights)
    model.save(str(folder / "finn.onnx"))
    (folder / "design").mkdir()
    return stitch(graph, folder / "compiled", folder / "design"), folder / "design"
