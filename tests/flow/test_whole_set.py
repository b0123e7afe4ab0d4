"""More vectors than the RTL runs: counted, resumed where it stopped, and able to fail."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.certificate import Certificate
from lepton_hw.design import read_design
from lepton_hw.errors import InputError
from lepton_hw.executors.base import Codes
from lepton_hw.executors.bisect import compare_reference
from lepton_hw.executors.finn_executor import FinnExecutor
from lepton_hw.executors.reference_executor import ReferenceExecutor
from lepton_hw.progress import SILENT
from lepton_hw.stages import certify, whole_set

from .conftest import IMAGES, Built

WHOLE = 360


def certified(built: Built, folder: Path, vectors: int | str, kept: Path | None) -> Certificate:
    folder.mkdir()
    parts = (built.exported, built.compiled, built.stitched, built.simulated)
    return certify.run(*parts, folder, SILENT, vectors, kept).certificate


def test_all_vectors(built: Built, tmp_path: Path) -> None:
    certificate = certified(built, tmp_path / "certify", "all", None)
    counts = {name: row.vectors for name, row in certificate.executors.items()}
    slow = {"finn": IMAGES, "rtl": IMAGES}
    assert counts == {"torch": WHOLE, "qonnx": WHOLE, "reference": WHOLE, **slow}
    assert certificate.exact
    few = built.certified.certificate.float_check
    every = certificate.float_check
    assert few is not None
    assert every is not None
    assert every.decisions * IMAGES == few.decisions * WHOLE


def test_more_than_there_are(built: Built, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="361 vectors are wanted and 360 are there"):
        certified(built, tmp_path / "certify", 361, None)


def test_a_stopped_comparison_goes_on(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_set, "CHUNK", 100)
    whole = certified(built, tmp_path / "whole", "all", None)
    infer, seen = ReferenceExecutor.infer, []

    def stopped(self: ReferenceExecutor, codes: Any) -> Codes:
        seen.append(len(codes))
        if seen.count(100) == 2:
            raise KeyboardInterrupt
        return infer(self, codes)

    with monkeypatch.context() as patch:
        patch.setattr(ReferenceExecutor, "infer", stopped)
        with pytest.raises(KeyboardInterrupt):
            certified(built, tmp_path / "stopped", "all", tmp_path / "kept")
    seen.clear()

    def counted(self: ReferenceExecutor, codes: Any) -> Codes:
        seen.append(len(codes))
        return infer(self, codes)

    monkeypatch.setattr(ReferenceExecutor, "infer", counted)
    again = certified(built, tmp_path / "again", "all", tmp_path / "kept")
    assert sum(seen) == WHOLE - 100
    assert again == whole


@pytest.mark.parametrize("content", ["", "{}", '{"key": "other", "start": 40}', "[1"])
def test_what_was_kept_may_be_anything(built: Built, tmp_path: Path, content: str) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / whole_set.FILE).write_text(content)
    certificate = certified(built, tmp_path / "certify", 60, tmp_path / "kept")
    assert certificate.exact
    assert certificate.executors["reference"].vectors == 60


def test_one_wrong_integer_beyond_the_rtl(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    infer = ReferenceExecutor.infer

    def wrong(self: ReferenceExecutor, codes: Any) -> Codes:
        found = infer(self, codes)
        if len(found) > IMAGES:
            found[7, 3] += 1
        return found

    monkeypatch.setattr(ReferenceExecutor, "infer", wrong)
    certificate = certified(built, tmp_path / "certify", "all", None)
    assert not certificate.exact
    assert certificate.executors["reference"].mismatches == 2  # one in each chunk
    place = certificate.first_divergence
    assert place is not None
    assert (place.executor, place.frame, place.index) == ("reference", IMAGES + 7, (3,))


def test_a_wrong_weight_in_the_integer_path_names_its_layer(built: Built, tmp_path: Path) -> None:
    model = ModelWrapper(str(built.compiled.path("finn.onnx")))
    node = next(node for node in model.graph.node if node.name == "MVAU_rtl_1")
    weights = np.array(model.get_initializer(node.input[1]))
    weights[0, :] += np.where(weights[0, :] < 0, 1, -1)
    model.set_initializer(node.input[1], weights)
    model.save(str(tmp_path / "wrong.onnx"))
    contract = built.compiled.contract
    integers = ReferenceExecutor(tmp_path / "wrong.onnx", contract)
    finn = FinnExecutor(built.compiled.path("finn.onnx"), contract)
    inputs = np.load(built.exported.path("vectors.npz"))["inputs"][:1].astype(np.int64)
    design = read_design(built.stitched.folder)
    place = compare_reference(integers, finn, design, inputs, 0)
    assert place is not None
    assert (place.executor, place.layer) == ("reference", "MVAU_rtl_1")
    right = ReferenceExecutor(built.compiled.path("finn.onnx"), contract)
    assert compare_reference(right, finn, design, inputs, 0) is None
