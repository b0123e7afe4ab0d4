"""The integer path: exact at the bounds of each arithmetic, and on a real design."""

from typing import Any

import numpy as np
import pytest

from lepton_hw import reference
from lepton_hw.compiler.execute import FinnGraph
from lepton_hw.errors import InputError, MissingTool
from lepton_hw.executors.reference_executor import ReferenceExecutor
from lepton_hw.reference import products
from lepton_hw.reference.graph import Graph, Node, Tensor
from lepton_hw.reference.ir import MatMul, Threshold
from lepton_hw.reference.order import quickest
from lepton_hw.reference.reference import Reference
from lepton_hw.reference.thresholds import Search, Table, threshold

from .conftest import Built


def one(op: Any, low: int, high: int, size: int) -> Graph:
    """A graph of one node on vectors."""
    source = Tensor("x", (size,), low, high)
    (shape, least, most), *_ = op.results([source])
    tensors = {"x": source, "y": Tensor("y", shape, least, most)}
    return Graph((Node("layer", op, ("x",), ("y",)),), tensors, ("x",), ("y",))


def exact(inputs: Any, op: MatMul) -> Any:
    """The product in Python's own integers."""
    wide = inputs.astype(object) @ op.weights.astype(object) + op.offset.astype(object)
    return (wide >> op.shift).astype(np.int64)


@pytest.mark.parametrize(
    ("kind", "weight", "low", "high", "count"),
    [
        ("int8", 127, -128, 127, 30),
        ("int8", -128, 0, 255, 31),
        ("int8", 127, 0, 255, ((1 << 31) - 1) // (127 * 255 * 2)),
        ("float32", 1 << 8, 0, 1 << 10, 1 << 6),  # a sum of exactly 2^24
        ("float64", 1 << 8, 0, (1 << 10) + 1, 1 << 6),
        ("float64", 1 << 27, -(1 << 20), 0, 1 << 6),  # 2^53
        ("int64", 1 << 27, -(1 << 20) - 1, 0, 1 << 6),
        ("int64", 1, -(1 << 62), 1 << 62, 1),
        ("int64", (1 << 31) - 1, 0, 1 << 31, 2),  # 2^63 - 2^32
    ],
)
def test_products_are_exact_at_their_bounds(
    kind: str, weight: int, low: int, high: int, count: int
) -> None:
    if kind == "int8" and not products.has_fast_int8("cpu"):
        pytest.skip("this CPU has no VNNI, so no layer is computed in int8")
    rng = np.random.default_rng(1)
    columns = [np.full(count, weight), rng.choice([weight, -weight - (weight == -128)], count)]
    columns.append(np.where(np.arange(count) % 2, weight, 0))
    op = MatMul(np.stack(columns, axis=1), np.zeros(3, np.int64))
    run = Reference(one(op, low, high, count))
    assert run.network.layers[0].arithmetic.kind == kind
    inputs = rng.integers(low, high, (7, count), endpoint=True)
    inputs[0], inputs[1] = low, high
    for row, column in enumerate(columns):
        inputs[2 + row] = np.where(column > 0, high, low)
    inputs[5] = np.where(columns[1] > 0, low, high)
    assert np.array_equal(run.infer(inputs), exact(inputs, op))


def test_matrices_with_strides_of_their_own() -> None:
    """Overlapping rows, and a single column whose stride is arbitrary."""
    import torch

    for count, strides in ((16, (8, 1)), (1, (1, 8))):
        op = MatMul(np.arange(2 * count).reshape(count, 2), np.zeros(2, np.int64))
        (run,) = Reference(one(op, 0, 15, count)).network.layers
        view = torch.arange(40, dtype=torch.int8).remainder(16).as_strided((4, count), strides)
        assert np.array_equal(run(view).numpy(), exact(view.numpy(), op))


@pytest.mark.parametrize("spread", [1 << 10, 1 << 40])
def test_tables_and_searches_agree_with_comparing(spread: int) -> None:
    rng = np.random.default_rng(2)
    op = Threshold(
        np.sort(rng.integers(-spread, spread, (5, 15)), axis=1), np.array([1, -1, 1, -1, 1]), 2, -15
    )
    source = Tensor("x", (5,), -2 * spread, 2 * spread)
    kind = type(threshold(op, source, "cpu"))
    assert kind is (Table if spread < 1 << 20 else Search)
    inputs = rng.integers(-2 * spread, 2 * spread, (50, 5), endpoint=True)
    inputs[:15] = op.thresholds.T * op.sign
    inputs[15:30] = op.thresholds.T * op.sign - 1
    reached = (inputs * op.sign)[:, :, None] >= op.thresholds
    found = Reference(one(op, source.low, source.high, 5)).infer(inputs)
    assert np.array_equal(found, 2 * reached.sum(2) - 15)


def test_a_real_design(built: Built) -> None:
    """From both files, all held-out images, in chunks; every tensor as FINN has it."""
    vectors = np.load(built.exported.path("vectors.npz"))
    inputs, expected = vectors["inputs"], vectors["torch_codes"]
    contract = built.compiled.contract
    for file in (built.exported.path("model.onnx"), built.compiled.path("finn.onnx")):
        executor = ReferenceExecutor(file, contract, batch=50)
        assert np.array_equal(executor.infer(inputs), expected)
    own = executor.taps(inputs[:3])
    golden = FinnGraph(built.compiled.path("finn.onnx")).taps(inputs[2].astype(np.int64))
    assert golden.keys() == own.keys()
    assert all(np.array_equal(own[name][2], golden[name]) for name in golden)
    (first,) = executor.taps(inputs[:3], ("global_in",)).values()
    assert np.array_equal(first, inputs[:3])
    with pytest.raises(
        InputError, match=r"there is no tensor 'nowhere'; expected one of global_in"
    ):
        executor.taps(inputs[:3], ("nowhere",))


def test_cuda(built: Built) -> None:
    import torch

    file, contract = built.compiled.path("finn.onnx"), built.compiled.contract
    if not torch.cuda.is_available():
        with pytest.raises(MissingTool, match="device 'cuda' is not there"):
            ReferenceExecutor(file, contract, device="cuda")
        pytest.skip("no CUDA card: the integer path has run on the CPU only")
    vectors = np.load(built.exported.path("vectors.npz"))
    for batch in (None, 1, 50):
        card = ReferenceExecutor(file, contract, device="cuda", batch=batch)
        assert np.array_equal(card.infer(vectors["inputs"]), vectors["torch_codes"])
    for captured, compiled in ((True, False), (False, True), (True, True)):
        run = reference.load(file, "cuda", 50, compiled, captured)
        assert np.array_equal(run.infer(vectors["inputs"]), vectors["torch_codes"])


def test_fifos_are_left_out_where_nobody_looks(built: Built) -> None:
    graph = reference.read(built.compiled.path("finn.onnx"))
    kept = quickest(graph)
    left_out = {node.name for node in graph.nodes} - {node.name for node in kept.nodes}
    assert any("FIFO" in name for name in left_out)
    assert all("FIFO" in name or "WidthConverter" in name for name in left_out)
    assert kept.outputs == graph.outputs and kept.inputs == graph.inputs


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int64])
def test_a_type_that_cannot_leave_the_range_needs_no_look(kind: type) -> None:
    run = Reference(one(MatMul(np.ones((1, 1), np.int64), np.zeros(1, np.int64)), 0, 255, 1))
    assert run.infer(np.array([[77]], kind)).tolist() == [[77]]
    if np.iinfo(kind).min < 0:
        with pytest.raises(InputError, match="input 'x' holds -1 to -1; expected 0 to 255"):
            run.infer(np.array([[-1]], kind))


def test_frames_that_are_no_frames() -> None:
    run = Reference(one(MatMul(np.ones((4, 1), np.int64), np.zeros(1, np.int64)), -8, 7, 4))
    with pytest.raises(InputError, match="input 'x' holds 0 to 8; expected -8 to 7"):
        run.infer(np.array([[0, 1, 2, 8]]))
    with pytest.raises(InputError, match="input 'x' of type float64; expected integers"):
        run.infer(np.zeros((1, 4)))
    assert run.infer(np.zeros((0, 4), np.int64)).shape == (0, 1)
