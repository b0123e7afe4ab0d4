"""The integer path on libraries and cards that round, saturate or refuse: found, and left alone."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lepton_hw.errors import StageError
from lepton_hw.reference import network as reference_network
from lepton_hw.reference import products
from lepton_hw.reference.ir import MatMul
from lepton_hw.reference.reference import Reference

from .test_reference import exact, one


def test_an_adder_that_saturates_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As x86 without VNNI adds two products of 8 bits: in 16 bits, at most 32,767."""
    import torch

    def saturating(left: Any, right: Any) -> Any:
        pairs = (left.to(torch.int32)[:, :, None] + 128) * right.to(torch.int32)
        pairs = pairs.reshape(len(left), -1, 2, right.shape[1]).sum(2).clamp(-32768, 32767)
        return pairs.sum(1) - 128 * right.to(torch.int32).sum(0)

    monkeypatch.setattr(reference_network, "has_fast_int8", lambda device: True)
    monkeypatch.setattr(torch, "_int_mm", saturating)
    for weight, kind in ((64, "int8"), (65, "float32")):
        op = MatMul(np.full((4, 2), weight), np.zeros(2, np.int64))
        run = Reference(one(op, -128, 127, 4))
        assert run.network.layers[0].arithmetic.kind == kind
        frames = np.array([[127] * 4, [-128] * 4])
        assert np.array_equal(run.infer(frames), exact(frames, op))


def test_floats_that_round_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(reference_network, "has_fast_int8", lambda device: False)
    rounding = products.Product._wide
    monkeypatch.setattr(
        products.Product, "_wide", lambda self, x: rounding(self, x).to(torch.bfloat16).to(int)
    )
    with pytest.raises(StageError, match="layer 'layer' is not exact in float32 on cpu"):
        Reference(one(MatMul(np.full((9, 1), 77), np.zeros(1, np.int64)), 0, 255, 9))


class FakeGraph:
    """What was launched, as a CUDA graph keeps it: the same memory in, the same memory out."""

    def __init__(self) -> None:
        self.again: Any = lambda: None

    def replay(self) -> None:
        self.again()


def test_launches_that_are_captured_see_new_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a fake of CUDA's streams and graphs: no card."""
    import torch

    for name in ("device", "stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, lambda what: nullcontext())
    monkeypatch.setattr(torch.cuda, "Stream", lambda: SimpleNamespace(wait_stream=lambda s: None))
    monkeypatch.setattr(torch.cuda, "current_stream", torch.cuda.Stream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    run = Reference(one(MatMul(np.ones((4, 1), np.int64), np.zeros(1, np.int64)), 0, 9, 4), batch=2)
    network = run.network
    run._captures = True
    first = np.arange(4).repeat(4).reshape(4, 4)
    assert run.infer(first[:2]).tolist() == [[0], [4]]
    captured = run._captured
    assert captured is not None
    kept = captured._outputs

    def again() -> None:
        with torch.inference_mode():
            for name, value in network.infer(captured._inputs, run.graph.outputs).items():
                kept[name].copy_(value)

    captured._graph.again = again
    assert run.infer(first).tolist() == [[0], [4], [8], [12]]  # two replays, neither overwritten
    monkeypatch.setattr(captured, "infer", None)
    assert run.infer(first[:3:2][:1]).tolist() == [[0]]  # a chunk of another size is not replayed
    assert run.taps(first[:2], ("x",))["x"].tolist() == first[:2].tolist()


def test_units_that_refuse_a_shape_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def refuse(left: Any, right: Any) -> Any:
        raise RuntimeError("CUBLAS_STATUS_NOT_SUPPORTED")

    monkeypatch.setattr(reference_network, "has_fast_int8", lambda device: True)
    monkeypatch.setattr(torch, "_int_mm", refuse)
    op = MatMul(np.full((4, 2), 3), np.zeros(2, np.int64))
    run = Reference(one(op, 0, 15, 4))
    assert run.network.layers[0].arithmetic.kind == "float32"


def test_a_library_that_refuses_many_rows_is_found_before_the_first_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    def refuse(left: Any, right: Any) -> Any:
        if len(left) > 100:
            raise RuntimeError("CUBLAS_STATUS_NOT_SUPPORTED")
        return (left.to(torch.int32)[:, :, None] * right.to(torch.int32)).sum(1)

    monkeypatch.setattr(reference_network, "has_fast_int8", lambda device: True)
    monkeypatch.setattr(torch, "_int_mm", refuse)
    graph = one(MatMul(np.full((4, 2), 3), np.zeros(2, np.int64)), 0, 15, 4)
    for batch, kind in ((100, "int8"), (101, "float32")):
        run = Reference(graph, batch=batch)
        run.device = "cpu:0"  # rehearsed as a card is
        assert run._rehearsed(graph).layers[0].arithmetic.kind == kind


def test_a_chunk_that_does_not_fit_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB. GPU 0 has ...")

    run = Reference(one(MatMul(np.ones((4, 2), np.int64), np.zeros(2, np.int64)), 0, 15, 4))
    run.device = "cpu:0"
    monkeypatch.setattr(reference_network.IntegerNetwork, "infer", full)
    with pytest.raises(
        StageError, match=r"frames at once do not fit cpu:0 \(CUDA out of memory\); "
    ):
        run._rehearsed(run.graph)


def test_floats_are_exact_whatever_the_caller_has_set() -> None:
    """torch has two ways to say it, and refuses the old one after the new one."""
    import torch

    op = MatMul(np.full((9, 1), 77), np.zeros(1, np.int64))
    libraries = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul
    before = [library.fp32_precision for library in libraries]
    try:
        for library in libraries:
            library.fp32_precision = "tf32"
        with products.exact_floats():
            assert [library.fp32_precision for library in libraries] == ["ieee", "ieee"]
            assert torch.get_float32_matmul_precision() == "highest"
        assert [library.fp32_precision for library in libraries] == ["tf32", "tf32"]
        frames = np.array([[255] * 9])
        assert np.array_equal(Reference(one(op, 0, 255, 9)).infer(frames), exact(frames, op))
    finally:
        for library, precision in zip(libraries, before, strict=True):
            library.fp32_precision = precision
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize("high", [4095, 4096])
def test_mantissas_that_are_too_short_are_found(monkeypatch: pytest.MonkeyPatch, high: int) -> None:
    """As TF32 has: the largest input may be a power of two, the one below it is not."""
    import torch

    wide = products.Product._wide

    def short(self: Any, flat: Any) -> Any:
        bits = flat.to(torch.float32).view(torch.int32)
        return wide(self, ((bits + (1 << 12)) >> 13 << 13).view(torch.float32))

    monkeypatch.setattr(products.Product, "_wide", short)
    op = MatMul(np.ones((3, 2), np.int64), np.zeros(2, np.int64))
    with pytest.raises(StageError, match="not exact in float32"):
        Reference(one(op, 0, high, 3))


def test_one_network_is_compiled_for_one_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    shapes: list[Any] = []

    def backend(module: Any, inputs: list[Any]) -> Any:
        shapes.append([tuple(each.shape) for each in inputs if each.dim() == 2])
        return module.forward

    torch._dynamo.reset()
    monkeypatch.setattr(torch._dynamo.config, "fail_on_recompile_limit_hit", True)
    op = MatMul(np.ones((4, 2), np.int64), np.zeros(2, np.int64))
    for batch in (2, 5):
        run = Reference(one(op, 0, 15, 4), batch=batch)
        run.network.compile(dynamic=False, backend=backend)
        frames = np.random.default_rng(batch).integers(0, 16, (3 * batch + 1, 4))
        assert np.array_equal(run.infer(frames), exact(frames, op))
    assert len(shapes) == 2  # and none for the odd chunk
    torch._dynamo.reset()
