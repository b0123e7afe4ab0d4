"""Takes a finished QONNX file from elsewhere to the same place as the export stage.

Checks it (it may be anything), moves what the host does before the first quantiser out of the
graph and into the contract, mends what can be mended, and makes random vectors. Never trains and
never compiles.
"""

import copy
import math
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.contract import InputContract, Port
from lepton_hw.errors import InputError
from lepton_hw.executors.qonnx_executor import QonnxExecutor
from lepton_hw.flow import Flow
from lepton_hw.progress import Progress
from lepton_hw.qonnx_names import QUANTISERS
from lepton_hw.stages.export import Exported
from lepton_hw.stages.onnx_checks import (
    DECISIONS,
    HOST_HEAD,
    MAX_INPUT_BITS,
    read_onnx,
    require_bit_widths,
    require_known,
    require_quantised,
)
from lepton_hw.stages.onnx_clean import clean, require_scale, sentences
from lepton_hw.stages.onnx_defaults import write_defaults
from lepton_hw.stages.remedies import apply_remedies

#: Types of `MAX_INPUT_BITS` at most; a single signed bit would be -1 and 0.
DOORS = "U?INT([2-9]|1[0-6])|UINT1|BINARY|BIPOLAR|TERNARY"
#: Numbers in all random vectors: 1 GiB of int64.
MAX_CODES = 1 << 27


def model_path(flow: Flow) -> Path:
    """The flow's model file; raises `InputError` where there is none."""
    path = Path(flow.model_file or "")
    if not path.is_file():
        raise InputError(f"there is no file {path}", "a QONNX file", "check the path of --model")
    return path


def run(flow: Flow, file: Path, workdir: Path, progress: Progress) -> Exported:
    """Writes ``model.onnx`` (integers at its input) and ``vectors.npz``; raises `InputError`."""
    with progress.task("adopt", 1) as task:
        model = clean(read_onnx(file), file)
        with sentences(file):
            require_known(model, file)
            require_bit_widths(model, file)
            require_quantised(model, file)
            write_defaults(model)
            after = _cut_decisions(model, file)
            before, scale = _integer_door(model, file, flow)
            _require_room(model, file, flow.check.random_vectors)
            inputs = random_vectors(model, flow.check.random_vectors, flow.check.seed)
            contract = _contract(model, before, after, scale)
            given = copy.deepcopy(model)
            remedies = apply_remedies(model)
            model.save(str(workdir / "model.onnx"))
            np.savez_compressed(workdir / "vectors.npz", inputs=inputs)
            changed = 0
            if any(not remedy.exact for remedy in remedies):
                changed = _changed(given, workdir / "model.onnx", contract, inputs)
        task.advance()
    for remedy in remedies:
        progress.say(f"mended {remedy}")
    return Exported(
        contract=contract,
        images=len(inputs),
        remedies=tuple(str(remedy) for remedy in remedies),
        changed_vectors=changed,
    )


def _require_room(model: Any, file: Path, count: int) -> None:
    elements = math.prod(model.get_tensor_shape(model.graph.input[0].name))
    if elements * count > MAX_CODES:
        raise InputError(
            f"{file}: {count} random vectors of {elements:,} numbers are {elements * count:,}",
            f"at most {MAX_CODES:,}",
            "make the input smaller",
        )


def _changed(given: Any, mended: Path, contract: InputContract, inputs: NDArray[np.int64]) -> int:
    """In how many vectors the outputs of the mended model are not those of the given one."""
    with tempfile.TemporaryDirectory() as folder:
        original = Path(folder) / "given.onnx"
        given.save(str(original))
        outputs = [QonnxExecutor(path, contract).real(inputs) for path in (original, mended)]
    different = (outputs[0] != outputs[1]).reshape(len(inputs), -1).any(axis=1)
    return int(different.sum())


def _cut_decisions(model: Any, file: Path) -> tuple[str, ...]:
    """Takes softmax, top-k and argmax off the end; they are the host's.

    A change to channels-last order goes, too: that is the order of the hardware anyway.
    """
    steps: list[str] = []
    while (node := model.find_producer(model.graph.output[0].name)) is not None:
        if node.op_type in DECISIONS:
            steps.insert(0, DECISIONS[node.op_type])
        elif not _to_channels_last(node):
            break
        info = model.get_tensor_valueinfo(node.input[0])
        if info is None or model.find_producer(info.name) is None:
            raise InputError(
                f"{file} holds nothing but '{node.name}' ({node.op_type}), which is the host's",
                "layers of a network in front of it",
                "check the path of --model",
            )
        model.graph.node.remove(node)
        del model.graph.output[:]
        model.graph.output.append(info)
        kept = [value for value in model.graph.value_info if value.name != info.name]
        del model.graph.value_info[:]
        model.graph.value_info.extend(kept)
    return tuple(steps)


def _to_channels_last(node: Any) -> bool:
    order = [list(a.ints) for a in node.attribute if a.name == "perm"]
    return node.op_type == "Transpose" and order == [[0, 2, 3, 1]]


def _integer_door(model: Any, file: Path, flow: Flow) -> tuple[list[dict[str, Any]], float]:
    """Makes the graph's input integer; returns the host's steps before it and the code's scale."""
    from qonnx.core.datatype import DataType

    name = model.graph.input[0].name
    if flow.input_type:
        _require_door(flow.input_type, "the input type", "correct --input-type")
        with np.errstate(over="ignore"):
            scale = float(np.float32(flow.input_scale))
        require_scale(scale, "--input-scale in float32")
        model.set_tensor_datatype(name, DataType[flow.input_type])
        _scale_input(model, name, flow.input_scale)
        return [], flow.input_scale
    kind = model.get_tensor_datatype(name)
    if kind.is_integer():
        _require_door(kind.name, f"{file}: the type of input '{name}'", "export the model again")
        return [], 1.0
    return _move_quantiser_out(model, file)


def _require_door(name: str, what: str, remedy: str) -> None:
    """QONNX's own parser takes ``INT8\\n`` and ``INT0``, and fails on ``INT``."""
    if not re.fullmatch(DOORS, name):
        raise InputError(
            f"{what} is '{name}'",
            f"an integer type of at most {MAX_INPUT_BITS} bits, such as UINT8 or INT4",
            remedy,
        )


def _move_quantiser_out(model: Any, file: Path) -> tuple[list[dict[str, Any]], float]:
    from qonnx.custom_op.registry import getCustomOp

    steps: list[dict[str, Any]] = []
    tensor = model.graph.input[0].name
    passed = []
    while True:
        consumers = model.find_consumers(tensor) or []
        node = consumers[0] if len(consumers) == 1 else None
        if node is None or node.op_type not in (*HOST_HEAD, *QUANTISERS):
            raise InputError(
                f"{file}: nothing says which integers input '{model.graph.input[0].name}' takes",
                "an integer datatype on the input, or a quantiser behind it",
                "pass --input-type, for instance --input-type INT8 --input-scale 0.0625",
            )
        passed.append(node)
        if node.op_type not in HOST_HEAD:
            break
        steps.append(_host_step(model, node, file))
        tensor = node.output[0]
    quantiser = getCustomOp(node)
    kind = quantiser.get_integer_datatype(model)
    scale = model.get_initializer(node.input[1])
    zero = model.get_initializer(node.input[2]) if len(node.input) > 2 else np.zeros(1)
    if scale is None or scale.size != 1 or np.any(zero != 0):
        raise InputError(
            f"{file}: the input quantiser '{node.name}' has several scales or a zero point",
            "one scale and zero point 0",
            "quantise the input per tensor and symmetrically",
        )
    factor = float(scale.reshape(-1)[0])
    steps.append({"op": "quantise", "scale": factor, "dtype": kind.name})
    output, shape = node.output[0], model.get_tensor_shape(node.output[0])
    for done in passed:
        model.graph.node.remove(done)
    _new_input(model, output, shape)
    model.set_tensor_datatype(output, kind)
    _scale_input(model, output, factor)
    return steps, factor


def _host_step(model: Any, node: Any, file: Path) -> dict[str, Any]:
    if node.op_type in ("Reshape", "Flatten", "Identity"):
        return {"op": "reshape", "shape": list(model.get_tensor_shape(node.output[0]))}
    constants = [model.get_initializer(n) for n in node.input]
    known = [value for value in constants if value is not None]
    if len(known) != 1 or (node.op_type in ("Sub", "Div") and constants[1] is None):
        raise InputError(
            f"{file}: layer '{node.name}' before the input quantiser is not a constant scale",
            "multiplication or addition of constants",
            "do that step outside the model",
        )
    return {"op": node.op_type.lower(), "value": np.asarray(known[0]).reshape(-1).tolist()}


def _new_input(model: Any, tensor: str, shape: list[int]) -> None:
    import onnx

    info = onnx.helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, shape)
    del model.graph.input[:]
    model.graph.input.append(info)
    kept = [value for value in model.graph.value_info if value.name != tensor]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)


def _scale_input(model: Any, tensor: str, factor: float) -> None:
    """Multiplies the input codes by their scale, as the network's first step."""
    import onnx

    if factor == 1.0:
        return
    consumers = model.find_consumers(tensor)
    scaled, constant = f"{tensor}_scaled", f"{tensor}_scale"
    model.graph.node.insert(
        0, onnx.helper.make_node("Mul", [tensor, constant], [scaled], name="input_scale")
    )
    model.set_initializer(constant, np.array([factor], dtype=np.float32))
    for node in consumers:
        for index, name in enumerate(node.input):
            if name == tensor:
                node.input[index] = scaled
    model.set_tensor_shape(scaled, model.get_tensor_shape(tensor))


def random_vectors(model: Any, count: int, seed: int) -> NDArray[np.int64]:
    """(count, *input shape, channels last) integers over the door's whole range, extremes first."""
    name = model.graph.input[0].name
    kind, shape = model.get_tensor_datatype(name), _hardware_shape(model, name)
    low, high = int(kind.min()), int(kind.max())
    values = np.random.default_rng(seed).integers(low, high, (count, *shape), endpoint=True)
    if kind.name == "BIPOLAR":
        values = np.where(values > 0, 1, -1)
    for index, extreme in enumerate((low, high)[:count]):
        values[index] = extreme
    return values


def _hardware_shape(model: Any, tensor: str) -> tuple[int, ...]:
    shape = tuple(model.get_tensor_shape(tensor)[1:])
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape


def _layout(shape: tuple[int, ...]) -> str:
    return "NHWC" if len(shape) == 3 else "NC"


def _contract(
    model: Any, before: list[dict[str, Any]], after: tuple[str, ...], scale: float
) -> InputContract:
    name, out = model.graph.input[0].name, model.graph.output[0].name
    shape = _hardware_shape(model, name)
    return InputContract(
        input=Port(
            name=name,
            dtype=model.get_tensor_datatype(name).name,
            shape=shape,
            layout=_layout(shape),
            scale=(scale,),
        ),
        output=Port(
            name=out,
            dtype="FLOAT32",
            shape=_hardware_shape(model, out),
            layout=_layout(_hardware_shape(model, out)),
            scale=(),
            bias=(),
        ),
        host_before=tuple(before),
        host_after=after,
    )
