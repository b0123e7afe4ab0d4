"""What the graph of an ONNX file from elsewhere must look like before any library walks it.

QONNX imports the module that a node's domain names, ONNX's shape inference trusts attributes, and
constant folding runs whatever has constant inputs; so all of this is looked at first. Every check
raises one `InputError`; none changes the model.
"""

from pathlib import Path
from typing import Any

import numpy as np

from lepton_hw.errors import InputError
from lepton_hw.qonnx_names import QUANT, QUANTISERS

#: QONNX imports a domain as a Python module, whichever it is: only these, which mean QONNX itself.
DOMAINS = ("", "ai.onnx", "qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
#: How many inputs the operators of QONNX read without looking.
INPUTS = {**dict.fromkeys(QUANT, 4), "BipolarQuant": 2, "Trunc": 5, "MultiThreshold": 2}
#: Attributes without which QONNX gives up.
NEEDED = {**dict.fromkeys(QUANT, ("signed", "narrow")), "MultiThreshold": ("out_dtype",)}
ROUNDING = ("ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")
#: Lists and numbers of a window, and the least that each may hold.
WINDOW = {"kernel_shape": 1, "strides": 1, "dilations": 1, "group": 1, "pads": 0}
#: A window's numbers beyond this are no network's.
LARGEST = 1 << 16


def require_plain(proto: Any, file: Path) -> None:
    """One graph of nodes: no functions, no inner graphs, no sparse tensors, known domains."""
    if proto.functions:
        raise _refused(file, f"function '{proto.functions[0].name}' is defined in the file")
    if proto.graph.sparse_initializer:
        raise _refused(file, "a constant is sparse")
    if not any(s.domain in ("", "ai.onnx") and s.version > 0 for s in proto.opset_import):
        raise InputError(
            f"{file} does not say which version of ONNX's operators it uses",
            "an opset of at least 1",
            "export the model again",
        )
    for node in proto.graph.node:
        if node.domain not in DOMAINS:
            raise InputError(
                f"{file}: layer '{_name(node)}' ({node.op_type}) is of domain '{node.domain}'",
                "operators of ONNX and QONNX",
                "replace that layer and train again",
            )
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise _refused(file, f"layer '{_name(node)}' ({node.op_type}) holds a graph")
            if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
                raise _refused(file, f"layer '{_name(node)}' ({node.op_type}) is sparse")


def require_order(graph: Any, file: Path) -> None:
    """Every tensor is made once, before it is read; the output is a layer's."""
    made: set[str] = set()
    constants = [tensor.name for tensor in graph.initializer]
    for name in constants:
        if not name or name in made:
            raise _tangled(file, name, "is there twice")
        made.add(name)
    made |= {value.name for value in graph.input}
    computed = set()
    for node in graph.node:
        for name in node.input:
            if name and name not in made:
                raise _tangled(file, name, f"is read by '{_name(node)}' before any layer makes it")
        if not node.output or not node.output[0]:
            raise _tangled(file, _name(node), "is a layer without an output")
        for name in filter(None, node.output):
            if name in made:
                raise _tangled(file, name, "is there twice")
            made.add(name)
            computed.add(name)
    if graph.output[0].name not in computed:
        raise _tangled(file, graph.output[0].name, "is the output, and no layer makes it")


def require_attributes(proto: Any, file: Path) -> None:
    """Attributes of the types that their operators define, numbers finite, windows positive."""
    version = max(s.version for s in proto.opset_import if s.domain in ("", "ai.onnx"))
    for node in proto.graph.node:
        expected = _attribute_types(node, version)
        seen: set[str] = set()
        for attribute in node.attribute:
            problem = _attribute_problem(attribute, expected)
            if problem is None and attribute.name in seen:
                problem = "is there twice"
            if problem is not None:
                raise _attribute(file, node, attribute.name, problem)
            seen.add(attribute.name)
        for name in NEEDED.get(node.op_type, ()):
            if name not in seen:
                raise _attribute(file, node, name, "is missing")
        least = INPUTS.get(node.op_type) or _least_inputs(node, version)
        if len(node.input) < least or not all(node.input[:least]):
            what = "quantiser" if node.op_type in QUANTISERS else "layer"
            raise InputError(
                f"{file}: {what} '{_name(node)}' ({node.op_type}) has inputs {list(node.input)}",
                f"at least {least}",
                "export the model again",
            )


def _attribute_types(node: Any, version: int) -> dict[str, int]:
    """Types of a node's attributes by name, as far as they are known."""
    import onnx
    from qonnx.custom_op.registry import getCustomOp

    types = onnx.AttributeProto
    if node.op_type in INPUTS:
        plain = onnx.helper.make_node(node.op_type, ["x"], ["y"], domain="qonnx.custom_op.general")
        codes = {"i": types.INT, "s": types.STRING, "f": types.FLOAT}
        found = getCustomOp(plain).get_nodeattr_types()
        return {name: codes[value[0]] for name, value in found.items() if value[0] in codes}
    schema = _schema(node, version)
    found = {} if schema is None else schema.attributes
    return {name: int(value.type.value) for name, value in found.items()}


def _least_inputs(node: Any, version: int) -> int:
    schema = _schema(node, version)
    return 0 if schema is None else int(schema.min_input)


def _schema(node: Any, version: int) -> Any:
    import onnx

    try:
        return onnx.defs.get_schema(node.op_type, version, "")
    except onnx.defs.SchemaError:
        return None


def _attribute_problem(attribute: Any, expected: dict[str, int]) -> str | None:
    from onnx import helper

    if attribute.type != expected.get(attribute.name, attribute.type):
        return "has the wrong type"
    try:
        value = helper.get_attribute_value(attribute)
        text = value.decode() if isinstance(value, bytes) else ""
    except (ValueError, TypeError):
        return "cannot be read"
    if not np.isfinite([attribute.f, *attribute.floats]).all():
        return "holds NaN or infinity"
    if attribute.name in WINDOW:
        numbers = [attribute.i] if attribute.name == "group" else attribute.ints
        if not all(WINDOW[attribute.name] <= number <= LARGEST for number in numbers):
            return f"is not from {WINDOW[attribute.name]} to {LARGEST}"
    unknown_sign = attribute.name in ("signed", "narrow") and attribute.i not in (0, 1)
    if unknown_sign or (attribute.name == "rounding_mode" and text.upper() not in ROUNDING):
        return f"is '{text or attribute.i}'"
    return None


def _name(node: Any) -> str:
    return str(node.name or next(iter(node.output), ""))


def _refused(file: Path, what: str) -> InputError:
    return InputError(
        f"{file}: {what}",
        "one plain graph of operators",
        "export the model without control flow, functions or sparse tensors",
    )


def _tangled(file: Path, name: str, what: str) -> InputError:
    return InputError(
        f"{file}: '{name}' {what}",
        "a graph in order of execution, every name once",
        "export the model again",
    )


def _attribute(file: Path, node: Any, name: str, problem: str) -> InputError:
    return InputError(
        f"{file}: attribute '{name}' of layer '{_name(node)}' ({node.op_type}) {problem}",
        "what the operator defines",
        "export the model again",
    )
