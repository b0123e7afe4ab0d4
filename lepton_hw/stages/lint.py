"""Walks a QONNX graph and says, within a second, which layers will not map to hardware and why.

Only reads the graph; compiling may still find what cannot be seen here.
"""

import copy
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lepton_hw.errors import InputError
from lepton_hw.flow import Flow
from lepton_hw.progress import SILENT, Progress
from lepton_hw.qonnx_names import ENLARGING, QUANT, QUANTISERS, enlarging_mode
from lepton_hw.stages.onnx_checks import (
    FOLDABLE,
    KNOWN,
    LAYERS,
    MAX_BITS,
    MAX_INPUT_BITS,
    read_onnx,
)
from lepton_hw.stages.onnx_clean import clean, sentences
from lepton_hw.stages.quantised import JOINS, codes_of, is_static, one_value, origin
from lepton_hw.stages.remedies import apply_remedies

SMOOTH = ("Sigmoid", "Tanh", "Gelu", "Erf", "Elu", "Selu", "LeakyRelu", "HardSigmoid", "Softplus")
#: Images that set the ranges of an untrained network's quantisers before it is looked at.
CALIBRATION = 8


@dataclass(frozen=True)
class Finding:
    """One layer that will not map: its name and operator, why, and what to do.

    `automatic` where compiling mends it by itself (`lepton_hw.stages.remedies`).
    """

    layer: str
    operator: str
    problem: str
    remedy: str
    automatic: bool = False


def lint_file(file: Path) -> tuple[Finding, ...]:
    """All findings of a QONNX file; raises `InputError` where it is none."""
    if not file.is_file():
        raise InputError(f"there is no file {file}", "a QONNX file", "check the path")
    proto = read_onnx(file)
    unknown = tuple(_unknown(proto, {*KNOWN, *FOLDABLE}))
    if unknown:  # such a graph can seldom be simplified
        return unknown
    model = clean(proto, file)
    with sentences(file):
        return lint(model)


def lint_flow(flow: Flow, progress: Progress = SILENT) -> tuple[Finding, ...]:
    """All findings of a flow's network before it is trained, or of its model file."""
    if flow.data is None:
        return lint_file(Path(flow.model_file or ""))
    from lepton_hw.data import load
    from lepton_hw.data.preprocess import prepare
    from lepton_hw.models.network import door
    from lepton_hw.stages.export import contract_of
    from lepton_hw.stages.qonnx_file import export_qonnx
    from lepton_hw.stages.train import build_network

    dataset = load(flow.data, progress)
    network = build_network(flow, dataset)
    images = prepare(dataset.test_images[:CALIBRATION], flow.data.preprocess)
    network.train()(door(images, network.flat))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "untrained.onnx"
        export_qonnx(network, contract_of(flow, dataset, network).input, file)
        return lint_file(file)


def lint(model: Any) -> tuple[Finding, ...]:
    """All findings of a cleaned-up graph, in its order."""
    found = tuple(_findings(model))
    if not found:
        return ()
    mended = copy.deepcopy(model)
    apply_remedies(mended)
    left = {(finding.layer, finding.operator) for finding in _findings(mended)}
    return tuple(replace(f, automatic=(f.layer, f.operator) not in left) for f in found)


def _findings(model: Any) -> Iterator[Finding]:
    yield from _unknown(model, KNOWN)
    for node in model.graph.node:
        for check in CHECKS:
            yield from check(model, node)


def _unknown(model: Any, known: Collection[str]) -> Iterator[Finding]:
    for node in model.graph.node:
        if node.op_type in SMOOTH and node.op_type not in known:
            yield _finding(
                node,
                "a smooth activation cannot become thresholds",
                "use ReLU or a plain quantiser and train again",
            )
        elif node.op_type not in known:
            yield _finding(node, "this operator is not supported", "replace that layer")


def _float_weights(model: Any, node: Any) -> Iterator[Finding]:
    if node.op_type not in LAYERS:
        return
    for name in node.input[:2]:
        if model.get_initializer(name) is not None and not _is_integer(model, name):
            yield _finding(node, "its weights are float", "put a quantiser behind the weights")


def _float_input(model: Any, node: Any) -> Iterator[Finding]:
    if node.op_type not in LAYERS or model.get_initializer(node.input[0]) is not None:
        return
    if codes_of(model, node.input[0]) is not None:
        return
    source = origin(model, node.input[0])
    if source is None:
        yield _finding(
            node,
            "it reads the model's input, which has no integer type",
            "quantise the input, or pass --input-type when building",
        )
    elif source.op_type not in (*QUANTISERS, "Trunc", *_AVERAGES):
        yield _finding(
            node,
            f"its input is float, straight from {source.name or source.op_type}",
            "put a quantiser in front of it",
        )


def _unequal_scales(model: Any, node: Any) -> Iterator[Finding]:
    if node.op_type not in JOINS or any(is_static(model, n) for n in node.input):
        return
    if codes_of(model, node.output[0]) is not None:
        return
    branches = [codes_of(model, name) for name in node.input]
    for name, branch in zip(node.input, branches, strict=True):
        if branch is None:
            yield _finding(
                node,
                f"its input {name} is not the output of a quantiser",
                "put one quantiser with a shared scale on all its inputs",
            )
            return
    shown = ", ".join(f"{branch.scale:.6g}" for branch in branches if branch is not None)
    yield _finding(
        node,
        f"its inputs have different scales ({shown})",
        "let all its inputs pass the same quantiser, with one scale",
    )


def _scale_before_pool(model: Any, node: Any) -> Iterator[Finding]:
    if node.op_type != "MaxPool" or codes_of(model, node.input[0]) is not None:
        return
    source = origin(model, node.input[0])
    name = "the model's float input" if source is None else source.name or source.op_type
    if source is None or source.op_type not in QUANTISERS:
        yield _finding(
            node,
            f"{name} stands between it and the quantiser before it",
            "quantise directly in front of the max-pool",
        )


def _float_thresholds(model: Any, node: Any) -> Iterator[Finding]:
    if node.op_type != "MultiThreshold" or _is_integer(model, node.input[0]):
        return
    thresholds = model.get_initializer(node.input[1])
    if thresholds is None or (thresholds != np.rint(thresholds)).any():
        yield _finding(
            node,
            f"it compares {node.input[0]}, which is float, with thresholds that are no integers",
            "let it follow a layer of integers, or round its thresholds up",
        )


def _smooth_resize(model: Any, node: Any) -> Iterator[Finding]:
    if node.op_type in ENLARGING and (mode := enlarging_mode(node)) != "nearest":
        yield _finding(
            node, f"it interpolates (mode '{mode}')", "use mode 'nearest' and train again"
        )


def _padding(model: Any, node: Any) -> Iterator[Finding]:
    if node.op_type == "Pad":
        yield _finding(
            node,
            "padding is hardware only as zeros in front of a convolution",
            "let the convolution behind it pad, with zeros",
        )


def _bit_widths(model: Any, node: Any) -> Iterator[Finding]:
    if node.op_type not in QUANT or len(node.input) < 4:
        return
    bits = model.get_initializer(node.input[3])
    weights = model.get_initializer(node.input[0]) is not None
    most = MAX_INPUT_BITS if node.input[0] == model.graph.input[0].name else MAX_BITS
    width = None if bits is None or np.size(bits) != 1 else float(np.reshape(bits, -1)[0])
    if width is None or not width.is_integer():
        yield _finding(node, "its bit width is not one whole number", "use whole bits")
    elif width > most:
        limit = (
            f"more than {most} do not fit the multipliers"
            if weights
            else f"more than {most} need too many thresholds"
        )
        yield _finding(node, f"it has {width:g} bits, and {limit}", f"use at most {most} bits")


def _scales(model: Any, node: Any) -> Iterator[Finding]:
    """A scale per channel can only be taken out of a layer's output, not of its input."""
    if node.op_type not in QUANT or model.get_initializer(node.input[0]) is not None:
        return
    scale = model.get_initializer(node.input[1])
    zero = model.get_initializer(node.input[2])
    if scale is None or one_value(scale) is None:
        yield _finding(
            node,
            "an activation has a scale for each channel",
            "use one scale for the tensor",
        )
    if zero is not None and np.any(zero != 0):
        yield _finding(node, "it has a zero point", "quantise symmetrically, with zero point 0")


_AVERAGES = ("AveragePool", "GlobalAveragePool", "ReduceMean")
CHECKS: tuple[Callable[[Any, Any], Iterator[Finding]], ...] = (
    _float_weights,
    _float_input,
    _unequal_scales,
    _scale_before_pool,
    _float_thresholds,
    _smooth_resize,
    _padding,
    _bit_widths,
    _scales,
)


def _is_integer(model: Any, tensor: str) -> bool:
    return bool(model.get_tensor_datatype(tensor).is_integer())


def _finding(node: Any, problem: str, remedy: str) -> Finding:
    return Finding(node.name or next(iter(node.output), ""), node.op_type, problem, remedy)
