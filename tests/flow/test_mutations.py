"""The certificate must be able to fail: each fault is planted, caught, and its layer named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lepton_hw import artifacts
from lepton_hw.artifacts import digest, file_digest
from lepton_hw.certificate import Certificate
from lepton_hw.design import read_design
from lepton_hw.errors import Mismatch
from lepton_hw.executors.bisect import compare_layers
from lepton_hw.executors.finn_executor import FinnExecutor
from lepton_hw.executors.rtl_executor import RtlExecutor
from lepton_hw.progress import SILENT
from lepton_hw.sim.deadlock import Deadlock
from lepton_hw.stages import certify, simulate
from lepton_hw.stages.stitch import Stitched

from .conftest import Built


def copied(built: Built, folder: Path) -> Stitched:
    """The stitched design in a folder of its own, to be damaged."""
    shutil.copytree(built.stitched.folder, folder)
    loaded = artifacts.load(Stitched, folder)
    assert loaded is not None
    return loaded


def certificate_of(built: Built, design: Stitched, tmp_path: Path) -> Certificate:
    """Simulates and certifies a design against the untouched model."""
    run_dir, certify_dir = tmp_path / "simulate", tmp_path / "certify"
    run_dir.mkdir()
    certify_dir.mkdir()
    simulated = simulate.run(built.flow, built.exported, design, run_dir, SILENT)
    simulated = artifacts.save(simulated, run_dir, "key", 0.0)
    done = certify.run(built.exported, built.compiled, design, simulated, certify_dir, SILENT)
    written = json.loads((certify_dir / "certificate.json").read_text())
    assert written["exact"] == done.certificate.exact
    return done.certificate


def flip_bit(path: Path, line: int, bit: int) -> None:
    """Inverts one bit of one word of a ``.dat`` file."""
    words = path.read_text().splitlines()
    width = len(words[line])
    words[line] = f"{int(words[line], 16) ^ (1 << bit):0{width}x}"
    path.write_text("\n".join(words) + "\n")


def weights_of(design: Stitched, layer: str) -> Path:
    """The weights of a matrix unit: in our module's memory, or in FINN's streamer's."""
    folder = design.folder / "rtl" / layer
    return next(p for p in (folder / "weights.dat", folder / "memblock.dat") if p.is_file())


def test_the_untouched_design_is_exact(built: Built) -> None:
    certificate = built.certified.certificate
    assert certificate.exact
    assert certificate.first_divergence is None
    assert set(certificate.executors) == {"torch", "qonnx", "finn", "reference", "rtl"}
    for row in certificate.executors.values():
        assert (row.vectors, row.mismatches) == (built.simulated.images, 0)
    assert certificate.layers.exact
    assert certificate.layers.streams > 10


@pytest.mark.parametrize("layer", ["MVAU_rtl_0", "MVAU_rtl_2", "MVAU_rtl_3"])
def test_a_flipped_weight_bit_names_its_layer(built: Built, tmp_path: Path, layer: str) -> None:
    design = copied(built, tmp_path / "design")
    flip_bit(weights_of(design, layer), line=1, bit=3)
    certificate = certificate_of(built, design, tmp_path)
    assert not certificate.exact
    assert certificate.first_divergence is not None
    assert certificate.first_divergence.layer == layer
    with pytest.raises(Mismatch, match=f"output of layer {layer} .*do not use this design"):
        certify.require_exact(certificate, tmp_path)


def test_a_shifted_threshold_names_its_layer(built: Built, tmp_path: Path) -> None:
    design = copied(built, tmp_path / "design")
    folder = design.folder / "rtl" / "Thresholding_rtl_1"
    # The middle threshold of every channel stands in the first stage's file.
    file = next(iter(sorted(folder.glob("*_threshs_0_0.dat"))))
    words = file.read_text().splitlines()
    width, bits = len(words[0]), 4 * len(words[0])
    shifted = [f"{(int(word, 16) + 64) % (1 << bits):0{width}x}" for word in words]
    file.write_text("\n".join(shifted) + "\n")
    certificate = certificate_of(built, design, tmp_path)
    assert not certificate.exact
    assert certificate.first_divergence is not None
    assert certificate.first_divergence.layer == "Thresholding_rtl_1"


def test_a_dropped_beat_names_its_layer(built: Built, tmp_path: Path) -> None:
    design = copied(built, tmp_path / "design")
    file = design.folder / "rtl" / "Thresholding_rtl_1" / "Thresholding_rtl_1.v"
    drop_one_beat(file, "out0_V")
    with pytest.raises(Deadlock, match=r"layer Thresholding_rtl_1 .*lost beats"):
        simulate.run(built.flow, built.exported, design, tmp_path, SILENT)


def drop_one_beat(file: Path, port: str) -> None:
    """Hides the hundredth beat of a stream from its consumer, in the generated wrapper."""
    text = file.read_text()
    valid, ready = f"{port}_TVALID", f"{port}_TREADY"
    assert text.count(f"({valid})") == 1
    text = text.replace(f"({valid})", "(real_valid)")
    fault = f"""
    wire real_valid;
    reg [31:0] passed = 0;
    wire hide = passed == 99;
    assign {valid} = real_valid && !hide;
    always @(posedge ap_clk)
        if (real_valid && ({ready} || hide)) passed <= passed + 1;
    """
    start = text.index(");", text.index("module ")) + 2
    text = text[:start] + fault + text[start:]
    text = text.replace(f"({ready})", f"({ready} || hide)")
    file.write_text(text)


class OffByOne(RtlExecutor):
    """Sends every pixel one too high."""

    def at_door(self, codes: np.ndarray) -> np.ndarray:
        return np.minimum(codes + 1, 255)


class MisScaled(RtlExecutor):
    """Forgets the scaling of the pixels that the contract asks for."""

    def at_door(self, codes: np.ndarray) -> np.ndarray:
        return codes // 15


@pytest.mark.parametrize("fault", [OffByOne, MisScaled])
def test_a_wrong_input_is_found_at_the_door(built: Built, fault: type[RtlExecutor]) -> None:
    contract = built.compiled.contract
    finn = FinnExecutor(built.compiled.path("finn.onnx"), contract)
    rtl = fault(built.stitched.folder, contract)
    inputs = np.load(built.exported.path("vectors.npz"))["inputs"][:4].astype(np.int64)
    results = {"finn": finn.infer(inputs), "rtl": rtl.infer(inputs)}
    found = certify.find_divergence(results, inputs, finn, rtl)
    assert found is not None
    assert (found.executor, found.reference, found.layer) == ("rtl", "finn", "input")


def test_layers_without_fault_agree(built: Built) -> None:
    contract = built.compiled.contract
    finn = FinnExecutor(built.compiled.path("finn.onnx"), contract)
    rtl = RtlExecutor(built.stitched.folder, contract)
    inputs = np.load(built.exported.path("vectors.npz"))["inputs"][:3].astype(np.int64)
    assert compare_layers(rtl, finn, inputs, range(1, 3)) is None


def test_the_digest_of_the_rtl_covers_the_weights(built: Built, tmp_path: Path) -> None:
    design = copied(built, tmp_path / "design")
    plan = read_design(design.folder)
    names = (*plan.sources, *plan.data_files)
    before = digest({name: file_digest(design.folder / name) for name in names})
    assert before == built.stitched.rtl_digest
    flip_bit(weights_of(design, "MVAU_rtl_0"), line=0, bit=0)
    assert before != digest({name: file_digest(design.folder / name) for name in names})
