"""Sound ONNX files with one fault each, and what is said of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lepton_hw.errors import InputError
from lepton_hw.stages.lint import lint_file

from .test_adopt import adopted
from .tiny_onnx import FEATURES, dense, info, weights

Model = onnx.ModelProto
Fault = Callable[[Model], None]


def faulty(file: Path, fault: Fault) -> Path:
    """The sound file with one fault."""
    model = onnx.load(str(dense(file)))
    fault(model)
    file.write_bytes(model.SerializeToString())
    return file


def refused_by_both(file: Path, folder: Path, sentence: str) -> None:
    """Adoption and lint give the sentence; nothing is written."""
    for verb in (lambda: adopted(file, folder), lambda: lint_file(file)):
        with pytest.raises(InputError, match=sentence):
            verb()
    assert list(folder.iterdir()) == []


def node_of(model: Model, operator: str, tensor: str = "") -> onnx.NodeProto:
    """The first node of an operator, or the one that reads a tensor."""
    return next(
        node
        for node in model.graph.node
        if node.op_type == operator and tensor in ("", *node.input[:1])
    )


def before(model: Model, node: onnx.NodeProto, *nodes: onnx.NodeProto) -> None:
    place = list(model.graph.node).index(node)
    for new in reversed(nodes):
        model.graph.node.insert(place, new)


def constant(model: Model, name: str, value: object) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return name


def added(*nodes: onnx.NodeProto, **constants: object) -> Fault:
    """Adds what the last of the nodes computes to the input of the Relu."""

    def fault(model: Model) -> None:
        for name, value in constants.items():
            constant(model, name, value)
        relu = node_of(model, "Relu")
        total = helper.make_node("Add", [relu.input[0], nodes[-1].output[0]], ["with"])
        before(model, relu, *nodes, total)
        relu.input[0] = "with"

    return fault


def parameter(index: int, value: float, tensor: str = "relu") -> Fault:
    """One parameter of a quantiser, by a Constant node that holds a float and no tensor."""

    def fault(model: Model) -> None:
        quantiser = node_of(model, "Quant", tensor)
        before(model, quantiser, helper.make_node("Constant", [], ["p"], value_float=value))
        quantiser.input[index] = "p"

    return fault


def inner_graph() -> onnx.GraphProto:
    body = [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Add", ["v", "v"], ["w"])]
    names = ("i", TensorProto.INT64, []), ("c", TensorProto.BOOL, []), ("v", TensorProto.FLOAT, [1])
    outs = ("c2", TensorProto.BOOL, []), ("w", TensorProto.FLOAT, [1])
    made = [[helper.make_tensor_value_info(*v) for v in values] for values in (names, outs)]
    return helper.make_graph(body, "body", *made)


def with_function(model: Model) -> None:
    opsets = [helper.make_opsetid("", 13)]
    relu = helper.make_node("Relu", ["x"], ["y"])
    model.functions.append(helper.make_function("f", "F", ["x"], ["y"], [relu], opsets))


def with_sparse(model: Model) -> None:
    sparse = model.graph.sparse_initializer.add()
    sparse.dims.extend([1 << 20, 1 << 20])


def with_cycle(model: Model) -> None:
    relu = node_of(model, "Relu")
    before(model, relu, helper.make_node("Add", [relu.input[0], "round"], ["round"], name="a"))
    relu.input[0] = "round"


def with_twice(model: Model) -> None:
    model.graph.initializer.append(numpy_helper.from_array(weights(6, 4), "weight0"))


def with_output(name: str) -> Fault:
    def fault(model: Model) -> None:
        model.graph.output[0].name = name

    return fault


def with_few_inputs(model: Model) -> None:
    del node_of(model, "Quant").input[1:]


def with_few_inputs_of_a_layer(model: Model) -> None:
    del node_of(model, "MatMul").input[1:]


def with_no_attributes(model: Model) -> None:
    del node_of(model, "Quant").attribute[:]


def with_no_opset(model: Model) -> None:
    del model.opset_import[:]


def with_input(size: int) -> Fault:
    def fault(model: Model) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = size

    return fault


def with_text(model: Model) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING


def with_external(model: Model) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == "weight0")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL


def with_bfloat16(model: Model) -> None:
    tensor = TensorProto(name="b", data_type=TensorProto.BFLOAT16, dims=[1], raw_data=b"\xc0\x7f")
    model.graph.initializer.append(tensor)


def with_nan_folded(model: Model) -> None:
    constant(model, "zeros", np.zeros((FEATURES, 4), np.float32))
    quantiser = node_of(model, "Quant", "weight0")
    before(model, quantiser, helper.make_node("Div", ["zeros", "zeros"], ["nans"]))
    quantiser.input[0] = "nans"


def with_false_shape(model: Model) -> None:
    model.graph.value_info.append(info("relu", [1, 4, 3, 3]))


def with_wide_scale(model: Model) -> None:
    node_of(model, "Quant", "relu").input[1] = constant(
        model, "wide", np.full((4096, 1, 1), 0.5, np.float32)
    )


LARGE = "elements, and with those before it .*; expected at most 134,217,728 in all"
ORDER = "; expected a graph in order of execution, every name once"
CONSTANT = helper.make_node("ConstantOfShape", ["shape"], ["big"])
LOOP = helper.make_node("Loop", ["trip", "cond", "start"], ["end"], body=inner_graph(), name="l")
LOOPS = {"trip": np.int64(2**62), "cond": np.array(True), "start": np.ones(1, np.float32)}
FAULTS: dict[str, tuple[Fault, str]] = {
    "loop": (added(LOOP, **LOOPS), r"layer 'l' \(Loop\) holds a graph; expected one plain graph"),
    "function": (with_function, "function 'F' is defined in the file"),
    "sparse": (with_sparse, "a constant is sparse; expected one plain graph"),
    "constant of 2 GiB": (added(CONSTANT, shape=np.array([1 << 15, 1 << 14])), LARGE),
    "shape computed": (
        added(
            helper.make_node("Mul", ["a", "a"], ["shape"]),
            CONSTANT,
            a=np.array([1 << 10, 1 << 10]),
        ),
        LARGE,
    ),
    "doubling": (
        added(
            helper.make_node("Identity", ["a"], ["d0"]),
            *(helper.make_node("Concat", [f"d{i}"] * 2, [f"d{i + 1}"], axis=0) for i in range(40)),
            a=np.ones((1, 4), np.float32),
        ),
        LARGE,
    ),
    "outer product": (
        added(
            helper.make_node("Mul", ["a", "b"], ["ab"]),
            a=np.ones((1 << 14, 1), np.float32),
            b=np.ones((1, 1 << 14), np.float32),
        ),
        LARGE,
    ),
    "input of 1 TiB": (with_input(1 << 40), LARGE),
    "wide scale": (with_wide_scale, r"has parameters of shape \[4096, 1, 1\]; expected"),
    "false shape": (with_false_shape, r"'relu' has shape \[1, 4\], and the file says \[1, 4, 3,"),
    "cycle": (with_cycle, f"'round' is read by 'a' before any layer makes it{ORDER}"),
    "twice": (with_twice, f"'weight0' is there twice{ORDER}"),
    "output is input": (with_output("image"), "'image' is the output, and no layer makes it"),
    "output is nothing": (with_output("none"), "'none' is the output, and no layer makes it"),
    "few inputs": (with_few_inputs, r"\(Quant\) has inputs \['image'\]; expected at least 4"),
    "one factor": (with_few_inputs_of_a_layer, r"\(MatMul\) has inputs .*; expected at least 2"),
    "no attributes": (with_no_attributes, r"attribute 'signed' of layer .* is missing"),
    "no opset": (with_no_opset, "does not say which version of ONNX's operators it uses"),
    "text": (with_text, "input 'image' takes no numbers; expected floats or integers"),
    "external": (with_external, "keeps tensor 'weight0' in another file"),
    "bfloat16": (with_bfloat16, r"tensor 'b' holds no plain numbers \(bfloat16\)"),
    "folded NaN": (with_nan_folded, "holds NaN or infinity once computed; expected finite"),
    "NaN scale": (parameter(1, np.nan), "'value_float' of layer 'p' .* holds NaN or infinity"),
    "endless bits": (parameter(3, np.inf), "'value_float' of layer 'p' .* holds NaN or infinity"),
    "scale 0": (parameter(1, 0.0), "scale of quantiser .* is 0; expected a number from 1e-30"),
    "door of scale 0": (parameter(1, 0.0, "image"), "scale of quantiser .* is 0; expected"),
    "scale below 0": (parameter(1, -0.5), "scale of quantiser .* is -0.5; expected a number from"),
    "scale 1e-45": (parameter(1, 1e-45), "is 1.4013e-45; expected a number from 1e-30 to 1e"),
}  # fmt: skip
