"""Writes one network as one QONNX file with integer datatypes at its door.

Whether it computes the same is checked by the export stage.
"""

import contextlib
import io
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch

from lepton_hw.contract import Port
from lepton_hw.models.network import Network, door


def export_qonnx(network: Network, port: Port, path: Path) -> None:
    """Writes `network` for one frame of `port` (shape as at the hardware's door) to `path`."""
    from brevitas.export import export_qonnx as brevitas_export
    from qonnx.core.datatype import DataType
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model

    network.eval()
    frame = door(torch.zeros((1, *port.shape), dtype=torch.int64), network.flat)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.onnx"
        noise = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(noise):
            warnings.simplefilter("ignore")  # the tracer warns of every constant
            # dynamo=False: Brevitas's handlers are made for the tracing exporter.
            brevitas_export(network, frame, export_path=str(raw), dynamo=False)
        model = cleanup_model(ModelWrapper(str(raw)))
    _rename(model, model.graph.input[0].name, "global_in")
    _rename(model, model.graph.output[0].name, "global_out")
    model.set_tensor_datatype("global_in", DataType[port.dtype])
    _widen_ternary(model)
    model.save(str(path))


def _rename(model: Any, old: str, new: str) -> None:
    if old != new:
        model.rename_tensor(old, new)


def _widen_ternary(model: Any) -> None:
    """Declares ternary weights as INT2, whose smallest value then never occurs.

    A narrow 2-bit range would become TERNARY, which FINN's RTL does not count as narrow, while
    the values stay the same: the scale maps the largest weight to at most 1.
    """
    from qonnx.custom_op.registry import getCustomOp

    for node in model.graph.node:
        if node.op_type != "Quant" or model.get_initializer(node.input[0]) is None:
            continue
        bits = model.get_initializer(node.input[3])
        operation = getCustomOp(node)
        if float(bits) == 2 and operation.get_nodeattr("narrow") == 1:
            operation.set_nodeattr("narrow", 0)
