"""Every operator of the integer path, chunk by chunk, and on a card where there is one."""

import pytest

from benchmarks import card_ops
from lepton_hw.reference import layers
from lepton_hw.reference.ir import Depthwise, MatMul, Threshold


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_operator_gives_the_cpus_integers(device: str) -> None:
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA card: the operators have run on the CPU only")
    assert card_ops.differences(device) == {}


def test_none_is_left_out() -> None:
    used = {type(node.op) for _, graph in card_ops.graphs() for node in graph.nodes}
    own = {MatMul, Depthwise, Threshold, layers.ir.Arithmetic, layers.ir.Lookup}
    assert used == {*layers._PLAIN, *own}


def test_products_are_tried_in_every_arithmetic() -> None:
    made = {
        layer.arithmetic.kind
        for name, graph in card_ops.graphs()
        if name.startswith("product")
        for layer in card_ops.Reference(graph).network.layers
    }
    assert made >= {"float32", "float64", "int64"}  # and int8, where this CPU is fast at it


def test_a_difference_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator that is wrong for all frames of a chunk but the first."""
    crop = layers._PLAIN[layers.ir.Crop]

    def wrong(op, kind, x):  # type: ignore[no-untyped-def]
        found = crop(op, kind, x).clone()
        found[1:17] += 1
        return found

    class Later(card_ops.Reference):
        """The second reference of a graph, and those after it, are spoilt."""

        def __init__(self, *given, **options) -> None:  # type: ignore[no-untyped-def]
            if given[1:]:
                monkeypatch.setitem(layers._PLAIN, layers.ir.Crop, wrong)
            super().__init__(*given, **options)
            monkeypatch.setitem(layers._PLAIN, layers.ir.Crop, crop)

    monkeypatch.setattr(card_ops, "Reference", Later)
    found = card_ops.differences("cpu")
    assert {name.partition(",")[0] for name in found} == {"crop"}
    assert "crop, batch 17" in found
    assert "crop, batch 1" not in found
