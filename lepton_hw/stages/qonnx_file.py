"""Writes one network as one QONNX file with integer datatypes at its door.

Whether it computes the same is checked by the export stage.
"""

import contextlib
import io
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lepton_hw.contract import Port
from lepton_hw.models.network import Network, door


def export_qonnx(network: Network, port: Port, path: Path) -> None:
    """Writes `network` for one frame of `port` (shape as at the hardware's door) to `path`."""
    from qonnx.core.datatype import DataType
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model

    network.eval()
    frame = door(torch.zeros((1, *port.shape), dtype=torch.int64), network.flat)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.onnx"
        noise = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(noise):
            # Brevitas warns on import, the tracer at every constant.
            warnings.simplefilter("ignore")
            from brevitas.export import export_qonnx as brevitas_export

            # dynamo=False: Brevitas's handlers are made for the tracing exporter.
            brevitas_export(network, frame, export_path=str(raw), dynamo=False)
        model = cleanup_model(ModelWrapper(str(raw)))
    _rename(model, model.graph.input[0].name, "global_in")
    _rename(model, model.graph.output[0].name, "global_out")
    model.set_tensor_datatype("global_in", DataType[port.dtype])
    _widen_ternary(model)
    _unsigned_one_bit(model)
    model.save(str(path))


def _rename(model: Any, old: str, new: str) -> None:
    if old != new:
        model.rename_tensor(old, new)


def _widen_ternary(model: Any) -> None:
    """Declares ternary weights as INT2, whose smallest value then never occurs.

    A narrow 2-bit range would become TERNARY, which FINN's RTL does not count as narrow. The
    weights are clipped first, so that the wider range changes no value.
    """
    from qonnx.custom_op.registry import getCustomOp

    for node in model.graph.node:
        weights = model.get_initializer(node.input[0])
        if node.op_type != "Quant" or weights is None:
            continue
        scale, bits = model.get_initializer(node.input[1]), model.get_initializer(node.input[3])
        operation = getCustomOp(node)
        if float(bits) == 2 and operation.get_nodeattr("narrow") == 1:
            operation.set_nodeattr("narrow", 0)
            model.set_initializer(node.input[0], np.clip(weights, -scale, scale))


def _unsigned_one_bit(model: Any) -> None:
    """Brevitas writes every 1-bit quantiser as bipolar; behind a ReLU ours means (0, 1)."""
    from onnx import helper

    for index, node in enumerate(list(model.graph.node)):
        producer = model.find_producer(node.input[0])
        if node.op_type != "BipolarQuant" or producer is None or producer.op_type != "Relu":
            continue
        zero, bits = f"{node.name}_zero_point", f"{node.name}_bit_width"
        quant = helper.make_node(
            "Quant",
            [*node.input, zero, bits],
            list(node.output),
            name=node.name,
            domain="qonnx.custom_op.general",
            signed=0,
            narrow=0,
            rounding_mode="ROUND",
        )
        model.graph.node.remove(node)
        model.graph.node.insert(index, quant)
        model.set_initializer(zero, np.array(0.0, np.float32))
        model.set_initializer(bits, np.array(1.0, np.float32))
