"""Float decisions at a threshold's edge are counted and listed, whatever quantiser makes them."""

import csv
from pathlib import Path

import numpy as np
import pytest
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.cleanup import cleanup_model

from lepton_hw.executors.borderline import Borderline

from .tiny_onnx import FEATURES, Graph, weights


def graph(path: Path, kind: str) -> tuple[Borderline, str]:
    made = Graph()
    if kind == "steps":
        last = made.quantised("image", 4, 0.25)
    elif kind == "sign":
        last = made.node("BipolarQuant", ["image", made.constant("scale", 1.0)], "sign")
    else:
        levels = np.tile(np.array([-1.0, 0.5, 2.0], np.float32), (FEATURES, 1))
        last = made.node(
            "MultiThreshold", ["image", made.constant("levels", levels)], "code", out_dtype="UINT2"
        )
    weight = made.quantised(made.constant("w", weights(FEATURES, 3)), 4)
    file = made.save(path, made.node("MatMul", [last, weight], "out"))
    found = Borderline(cleanup_model(ModelWrapper(str(file))))
    return found, found.tensors[0]


def above(value: float, ulps: int = 1) -> float:
    """The float32 that many steps above."""
    found = np.float32(value)
    for _ in range(abs(ulps)):
        found = np.nextafter(found, np.float32(np.sign(ulps) * np.inf))
    return float(found)


@pytest.mark.parametrize(
    ("kind", "values", "near"),
    [
        # Thresholds at odd eighths from -15/8 to 13/8; nothing is decided at 15/8, where it clips.
        ("steps", [0.125, above(0.125), above(0.375, -1), above(0.375, 2), 0.25, 1.875], 3),
        ("sign", [0.0, -0.5, 1.0, 2.0, 3.0, -1e-3], 1),
        ("levels", [0.5, above(2.0), above(-1.0, -1), 0.75, 9.0, -9.0], 3),
    ],
)
def test_a_value_at_the_edge(kind: str, values: list[float], near: int, tmp_path: Path) -> None:
    found, tensor = graph(tmp_path / "m.onnx", kind)
    found.add({tensor: np.array([values], np.float32)}, 7)
    check = found.check()
    assert (check.decisions, check.within_one_ulp) == (len(values), near)
    assert check.layers[0].smallest_margin_ulp == 0.0
    found.save(tmp_path / "list.csv")
    rows = list(csv.DictReader((tmp_path / "list.csv").open()))
    assert [row["frame"] for row in rows] == ["7"] * near
    assert [int(row["index"]) for row in rows] == list(range(near))


def test_it_goes_on_from_its_state(tmp_path: Path) -> None:
    one, tensor = graph(tmp_path / "m.onnx", "steps")
    batches = [np.random.default_rng(n).normal(size=(5, FEATURES)) for n in range(2)]
    for index, batch in enumerate(batches):
        one.add({tensor: batch.astype(np.float32)}, 5 * index)
    half, _ = graph(tmp_path / "m.onnx", "steps")
    half.add({tensor: batches[0].astype(np.float32)}, 0)
    rest, _ = graph(tmp_path / "m.onnx", "steps")
    rest.restore(half.state())
    rest.add({tensor: batches[1].astype(np.float32)}, 5)
    assert rest.check() == one.check()
    assert rest.listed == one.listed
