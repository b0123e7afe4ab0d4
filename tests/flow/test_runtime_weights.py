"""A network whose weights are rewritten: the shell's RTL and the board's driver against FINN's
execution of the same graph with those weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_hw import artifacts
from lepton_hw.compiler.execute import FinnGraph
from lepton_hw.deployment import write_deployment
from lepton_hw.design import Design, read_design
from lepton_hw.onboard import Accelerator, DriverError
from lepton_hw.progress import SILENT
from lepton_hw.sim.shell import ShellSim
from lepton_hw.stages import compile as compile_
from lepton_hw.stages import stitch
from tests.rtl.test_driver_rtl import SimTransport

from .conftest import Built

IMAGES = 6


@dataclass(frozen=True)
class Rewritable:
    """The shared network, its weights rewritable, behind shell and driver."""

    compiled: compile_.Compiled
    stitched: stitch.Stitched
    design: Design
    sim: ShellSim
    acc: Accelerator
    images: Any


@pytest.fixture(scope="module")
def made(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rewritable]:
    folder = tmp_path_factory.mktemp("runtime_weights")
    asked = built.flow.compile.model_copy(update={"runtime_weights": True})
    flow = built.flow.model_copy(update={"compile": asked})
    places = [folder / name for name in ("compile", "stitch")]
    for place in places:
        place.mkdir()
    compiled = compile_.run(flow, built.board, built.exported, places[0], SILENT)
    compiled = artifacts.save(compiled, places[0], "key", 0.0)
    stitched = artifacts.save(stitch.run(compiled, places[1], SILENT), places[1], "key", 0.0)
    design = read_design(places[1])
    images = np.load(built.exported.path("vectors.npz"))["inputs"][:IMAGES]
    outputs = np.load(built.simulated.path("outputs.npz"))["codes"][:IMAGES]
    (folder / "none.bit").write_bytes(b"none")
    with ShellSim(design, places[1], np.zeros(1 << 16, np.uint8)) as sim:
        deployed = write_deployment(
            folder / "deployed", folder / "none.bit", design, compiled.contract, built.board,
            sim.digest.hex(), (images, outputs), weights=places[1] / "weights.npz",
        )  # fmt: skip
        with Accelerator(deployed / "design.bit", batch=8, transport=SimTransport(sim)) as acc:
            yield Rewritable(compiled, stitched, design, sim, acc, images)


def other_weights(design: Design, seed: int) -> dict[str, Any]:
    """Random weights for all layers, the lowest and the highest among them."""
    rng = np.random.default_rng(seed)
    found = {}
    for memory in design.weights:
        found[memory.layer] = rng.integers(memory.low, memory.high, memory.shape, endpoint=True)
        found[memory.layer].flat[:2] = memory.low, memory.high
    return found


def by_finn(made: Rewritable, weights: dict[str, Any], folder: Path) -> Any:
    """What FINN's Python computes with these weights in the compiled graph."""
    from qonnx.core.modelwrapper import ModelWrapper

    model = ModelWrapper(str(made.compiled.path("finn.onnx")))
    for node in model.graph.node:
        if node.name in weights:
            model.set_initializer(node.input[1], weights[node.name].astype(np.float32))
    model.save(str(folder / "changed.onnx"))
    return FinnGraph(folder / "changed.onnx").infer(made.images)


def baked(built: Built) -> Any:
    return np.load(built.simulated.path("outputs.npz"))["codes"][:IMAGES]


def own(made: Rewritable) -> dict[str, Any]:
    with np.load(made.stitched.path("weights.npz")) as file:
        return dict(file)


def test_own_weights_give_the_integers_of_the_fixed_design(built: Built, made: Rewritable) -> None:
    assert made.compiled.writable_weights == made.acc.weight_layers
    assert len(made.acc.weight_layers) == 4
    assert made.compiled.fixed_weights == ()
    assert made.compiled.lut > built.compiled.lut, "streamers and their ports are not free"
    assert made.compiled.interval_reached == built.compiled.interval_reached
    assert np.array_equal(made.acc.infer(made.images), baked(built))
    for name, weights in own(made).items():
        assert np.array_equal(made.acc.read_weights(name), weights)


def test_other_weights_and_back(built: Built, made: Rewritable, tmp_path: Path) -> None:
    for seed in range(3):
        weights = other_weights(made.design, seed)
        expected = by_finn(made, weights, tmp_path)
        assert not np.array_equal(expected, baked(built))
        made.acc.load_weights(weights)
        assert np.array_equal(made.acc.infer(made.images), expected), f"seed {seed}"
        assert np.array_equal(made.acc.infer(made.images[:1]), expected[:1])
    made.acc.load_weights(own(made))
    assert np.array_equal(made.acc.infer(made.images), baked(built))


def test_one_layer_alone(built: Built, made: Rewritable, tmp_path: Path) -> None:
    name = made.acc.weight_layers[1]
    changed = {name: other_weights(made.design, 9)[name]}
    made.acc.load_weights(changed)
    expected = by_finn(made, {**own(made), **changed}, tmp_path)
    assert np.array_equal(made.acc.infer(made.images), expected)
    made.acc.load_weights({name: own(made)[name]})
    assert np.array_equal(made.acc.infer(made.images), baked(built))


@pytest.mark.parametrize("layer", range(4))
def test_one_wrong_word_shows(built: Built, made: Rewritable, tmp_path: Path, layer: int) -> None:
    """The comparisons above can fail: one inverted word changes what is read and given."""
    memory = made.design.weights[layer]
    begin = memory.offset + memory.word_bytes * (memory.depth // 2)
    places = range(begin, begin + memory.word_bytes, 4)
    words = [made.sim.read(place) for place in places]
    for place, word in zip(places, words, strict=True):
        made.sim.write(place, ~word)
    made.acc.reset()
    found = made.acc.read_weights(memory.layer)
    assert (found != own(made)[memory.layer]).sum() == memory.lanes
    outputs = made.acc.infer(made.images)
    assert not np.array_equal(outputs, baked(built))
    assert np.array_equal(outputs, by_finn(made, {memory.layer: found}, tmp_path))
    made.acc.load_weights(own(made))
    assert np.array_equal(made.acc.infer(made.images), baked(built))


def test_weights_out_of_range_change_nothing(built: Built, made: Rewritable) -> None:
    memory = made.design.weights[0]
    wrong = own(made)[memory.layer]
    wrong.flat[5] = memory.high + 1
    with pytest.raises(DriverError, match=rf"weight \(0, 5\) of MVAU_rtl_0 is {wrong.flat[5]}"):
        made.acc.load_weights({**own(made), memory.layer: wrong})
    assert np.array_equal(made.acc.infer(made.images), baked(built))


def test_without_the_key_nothing_is_there(built: Built) -> None:
    design = read_design(built.stitched.folder)
    assert (design.weights, design.fixed_weights) == ((), ())
    assert "s_axilite_" not in (built.stitched.folder / "design.sv").read_text().split(");", 1)[0]
    assert not (built.stitched.folder / "weights.npz").exists()
