"""A QONNX file made to do harm: it imports, hangs, kills and certifies nothing; it is refused."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lepton_hw.cli import run
from lepton_hw.errors import InputError
from lepton_hw.stages.lint import lint_file

from .test_adopt import adopted
from .tiny_onnx import CLASSES, FEATURES, Graph, convolution, dense, head, info, weights

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


@pytest.mark.parametrize("domain", ["evilmod", "ai.onnx.ml", "finn.custom_op.fpgadataflow", "finn"])
def test_no_module_is_imported(
    domain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evilmod.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    def fault(model: Model) -> None:
        node_of(model, "Relu").domain = domain

    file = faulty(tmp_path / "m.onnx", fault)
    sentence = rf"layer 'Relu_relu' \(Relu\) is of domain '{domain}'; expected operators of ONNX"
    refused_by_both(file, tmp_path / "out", sentence)
    assert "evilmod" not in sys.modules


def test_the_other_name_of_onnx_is_no_module(tmp_path: Path) -> None:
    """QONNX would import ``ai.onnx`` from the working directory."""

    def fault(model: Model) -> None:
        node_of(model, "Relu").domain = "ai.onnx"

    assert lint_file(faulty(tmp_path / "m.onnx", fault)) == ()


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


@pytest.mark.parametrize("name", FAULTS)
def test_both_verbs_refuse(name: str, tmp_path: Path) -> None:
    fault, sentence = FAULTS[name]
    refused_by_both(faulty(tmp_path / "m.onnx", fault), tmp_path / "out", sentence)


@pytest.mark.parametrize("bits", [-3.0, 0.0, 1e9, 2.5])
def test_bits_that_are_none(bits: float, tmp_path: Path) -> None:
    """As a constant that passes every check of numbers."""
    file = faulty(tmp_path / "m.onnx", parameter(3, bits))
    with pytest.raises(InputError, match=r"has .* bits; expected a whole number from 1 to 8"):
        adopted(file, tmp_path / "out")


def test_a_window_over_a_vector(tmp_path: Path) -> None:
    """ONNX's shape inference aborts the process at this one, so it must not be reached."""
    graph = Graph()
    weight = graph.constant("w", np.zeros((4, 2, 3, 3), np.float32))
    file = graph.save(tmp_path / "m.onnx", graph.node("Conv", ["image", weight], "y"), shape=(2,))
    refused_by_both(file, tmp_path / "out", r"\(Conv\) slides over a tensor of shape \[1, 2\]; exp")


def windowed(file: Path, **attributes: object) -> Path:
    graph = Graph()
    tensor = graph.quantised(convolution(graph, graph.quantised("image", 4), "c", (2, 2, 1, 1)), 4)
    graph.nodes[-2].attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
    return graph.save(file, head(graph, tensor, 2 * 4 * 4), shape=(2, 4, 4))


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("group", [1, 1], "has the wrong type"),
        ("strides", 1, "has the wrong type"),
        ("strides", [0, 0], "is not from 1 to 65536"),
        ("pads", [0, 0, 1 << 40, 0], "is not from 0 to 65536"),
        ("group", 0, "is not from 1 to 65536"),
        ("auto_pad", 3, "has the wrong type"),
    ],
)
def test_attributes_of_windows(name: str, value: object, problem: str, tmp_path: Path) -> None:
    file = windowed(tmp_path / "m.onnx", **{name: value})
    refused_by_both(file, tmp_path / "out", rf"attribute '{name}' of layer 'Conv_c' .* {problem}")


def test_the_same_window_unharmed(tmp_path: Path) -> None:
    assert lint_file(windowed(tmp_path / "m.onnx", strides=[1, 1], auto_pad="VALID")) == ()


@pytest.mark.parametrize("mode", ["SAME_LOWER", "SIDEWAYS"])
def test_padding_by_name(mode: str, tmp_path: Path) -> None:
    file = windowed(tmp_path / "m.onnx", auto_pad=mode)
    if mode == "SAME_LOWER":
        assert adopted(file, tmp_path / "out").contract.output.shape == (CLASSES,)
        return
    with pytest.raises(InputError, match=r"\(Conv\)"):
        adopted(file, tmp_path / "out")


def test_many_ways_back(tmp_path: Path) -> None:
    """A chain of sums of a tensor with itself has 2^n paths to its quantiser; each is one step."""
    graph = Graph()
    tensor = graph.quantised("image", 4)
    for index in range(40):
        two = [graph.node(op, [tensor], f"{op}{index}") for op in ("Relu", "Identity")]
        tensor = graph.node("Add", two, f"sum{index}")
    weight = graph.quantised(graph.constant("w", weights(FEATURES, CLASSES)), 4)
    file = graph.save(tmp_path / "m.onnx", graph.node("MatMul", [tensor, weight], "y"))
    assert "Add" in {finding.operator for finding in lint_file(file)}


def test_a_layer_that_reads_one_tensor_twice(tmp_path: Path) -> None:
    """QONNX renames only one of them, and computes with zeros for the other."""
    graph = Graph()
    tensor = graph.quantised("image", 4)
    total = graph.quantised(graph.node("Add", [tensor, tensor], "sum"), 4)
    weight = graph.quantised(graph.constant("w", weights(FEATURES, CLASSES)), 4)
    file = graph.save(tmp_path / "m.onnx", graph.node("MatMul", [total, weight], "y"))
    refused_by_both(file, tmp_path / "out", "'image_quantised' is read by 'Add_0' before any")


def test_an_input_too_large_for_its_vectors(tmp_path: Path) -> None:
    graph = Graph()
    tensor = graph.quantised("image", 4)
    tensor = graph.quantised(graph.node("GlobalAveragePool", [tensor], "mean"), 4)
    file = graph.save(tmp_path / "m.onnx", head(graph, tensor, 1), shape=(1, 1 << 12, 1 << 11))
    with pytest.raises(InputError, match=r"20 random vectors of 8,388,608 numbers are 167,772,160"):
        adopted(file, tmp_path / "out")


def test_nothing_but_softmax(tmp_path: Path) -> None:
    graph = Graph()
    file = graph.save(tmp_path / "m.onnx", graph.node("Softmax", ["image"], "p"), shape=(CLASSES,))
    with pytest.raises(InputError, match=r"holds nothing but 'Softmax_0' \(Softmax\), which is"):
        adopted(file, tmp_path / "out")


def test_the_command_says_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = faulty(tmp_path / "m.onnx", with_cycle)
    for words in (["lint", str(file)], ["build", "--model", str(file), "--board", "pynq_z2"]):
        assert run([*words, *(["--build-dir", str(tmp_path / "b")] if len(words) > 2 else [])]) == 1
        said = capsys.readouterr().err
        assert "'round' is read by 'a' before any layer makes it" in said
        assert "internal error" not in said
    assert [p for p in (tmp_path / "b").rglob("*") if p.is_file() and p.name != ".lock"] == []
