"""Weights that are rewritten: random matrix units behind the shell, through the board's driver.

``LEPTON_EXAMPLES`` is 20 times the number of designs of each kind (20 if unset).
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.board import load_board
from lepton_hw.compiler.node_design import node_design
from lepton_hw.compiler.weights import own_weights, require_writable
from lepton_hw.compiler.world import finn_world
from lepton_hw.design import WeightMemory
from lepton_hw.errors import InputError, StageError
from lepton_hw.onboard import InputError as DriverInputError
from lepton_hw.onboard.manifest import read_weight_layer
from lepton_hw.sim.shell import LEPTON, ShellSim, Stalls
from tests.rtl.test_driver_rtl import SimTransport
from tests.rtl.weight_cases import (
    KINDS,
    PLAIN,
    Running,
    Unit,
    build,
    model_of,
    random_unit,
    random_weights,
    running,
)

EXAMPLES = int(os.environ.get("LEPTON_EXAMPLES", "20"))


@pytest.mark.parametrize("kind", KINDS)
def test_any_unit_takes_new_weights(tmp_path: Path, kind: str) -> None:
    for seed in range(max(1, EXAMPLES // 20)):
        _takes_new_weights(random_unit(kind, seed), tmp_path / str(seed))


def _takes_new_weights(unit: Unit, folder: Path) -> None:
    print(unit)
    rng = np.random.default_rng(unit.seed)
    with running(unit, folder) as run:
        assert len(run.design.weights) == 2
        for memory in run.design.weights:
            assert np.array_equal(run.acc.read_weights(memory.layer), run.own[memory.layer])
        assert np.array_equal(run.acc.infer(run.inputs), run.expected(run.own))
        for stalls in (Stalls(), Stalls(registers=0.4, ar=0.3, r=0.3, w=0.3, latency=9, seed=3)):
            run.sim.stall(stalls)
            weights = random_weights(run.design, rng)
            run.acc.load_weights(weights)
            assert np.array_equal(run.acc.infer(run.inputs), run.expected(weights))
            single = run.acc.infer(run.inputs[0])
            assert np.array_equal(single, run.expected(weights)[0])
        run.acc.load_weights(run.own)
        assert np.array_equal(run.acc.infer(run.inputs), run.expected(run.own))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(PLAIN, tmp_path_factory.mktemp("plain")) as run:
        yield run


def test_without_the_reset_old_words_are_still_used(plain: Running) -> None:
    """Why the driver resets: the streamers have fetched eight words ahead, which here are two
    frames of the second unit.
    """
    weights = random_weights(plain.design, np.random.default_rng(2))
    transport = SimTransport(plain.sim)
    for layer in plain.acc.manifest.weights:
        for at, word in enumerate(layer.words(weights[layer.name]).tolist()):
            transport.write(layer.offset + 4 * at, word)
    first = plain.acc.infer(plain.inputs)
    right = [np.array_equal(*pair) for pair in zip(first, plain.expected(weights), strict=True)]
    assert right == [False, False, True, True]
    plain.acc.load_weights(plain.own)


def lines(memory: WeightMemory) -> range:
    """Offsets of the first word of every line."""
    return range(memory.offset, memory.offset + memory.span, memory.word_bytes)


def test_lines_in_any_order(plain: Running) -> None:
    """Every line is its own, and so are the shell's registers beside them."""
    sim, rng = plain.sim, np.random.default_rng(4)
    sim.stall(Stalls(registers=0.3, seed=5))
    every = [(memory, at) for memory in plain.design.weights for at in lines(memory)]
    known = {at: read_line(sim, memory, at) for memory, at in every}
    for _ in range(10 * EXAMPLES):
        memory, at = every[rng.integers(len(every))]
        words = rng.integers(1 << 32, size=memory.word_bytes // 4)
        for index, word in enumerate(words.tolist()):
            sim.write(at + 4 * index, word)
        stored = (1 << -(-memory.lanes * memory.bits // 8) * 8) - 1
        known[at] = int.from_bytes(words.astype("<u4").tobytes(), "little") & stored
        memory, at = every[rng.integers(len(every))]
        assert read_line(sim, memory, at) == known[at]
        assert sim.read(LEPTON) == 0x4C50_5430
    assert known == {at: read_line(sim, memory, at) for memory, at in every}
    sim.stall(Stalls())
    plain.acc.load_weights(plain.own)


def read_line(sim: ShellSim, memory: WeightMemory, at: int) -> int:
    """All words of a line as one number."""
    words = [sim.read(at + offset) for offset in range(0, memory.word_bytes, 4)]
    return sum(word << 32 * index for index, word in enumerate(words))


def test_reading_disturbs_no_transfer(plain: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    sim, shell, rng = plain.sim, plain.acc._shell, np.random.default_rng(6)
    every = [(memory, at) for memory in plain.design.weights for at in lines(memory)]
    known = {at: read_line(sim, memory, at) for memory, at in every}
    reads = []

    def read(offset: int) -> int:
        memory, at = every[rng.integers(len(every))]
        reads.append(read_line(sim, memory, at) == known[at])
        return sim.read(offset)

    monkeypatch.setattr(shell, "read", read)
    expected = plain.expected(plain.own)
    for seed in range(EXAMPLES):
        sim.stall(Stalls(r=0.9, ar=0.9, seed=seed))
        assert np.array_equal(plain.acc.infer(plain.inputs), expected)
    sim.stall(Stalls())
    assert len(reads) > 3 * EXAMPLES
    assert all(reads)


def test_addresses_around_the_memories_are_refused(plain: Running) -> None:
    first, second = plain.design.weights
    sim = plain.sim
    assert (first.offset, first.size, second.offset) == (0x4_0000, 0x1000, 0x4_1000)
    for offset in (0x3_0000, 0x3_FFFC, first.offset + first.span, second.offset - 4,
                   second.offset + second.span, second.offset + second.size - 4):  # fmt: skip
        with pytest.raises(InputError, match=r"is answered by SLVERR; expected .* of weights"):
            sim.read(offset)
        with pytest.raises(InputError, match="is answered by SLVERR"):
            sim.write(offset, 1)
    before = sim.read(first.offset)
    with pytest.raises(InputError, match="is answered by SLVERR"):
        sim.write(first.offset, ~before, 0b0111)
    assert sim.read(first.offset) == before


def test_a_soft_reset_keeps_weights_and_answers(plain: Running) -> None:
    """Accesses straight behind the reset, which lasts 16 cycles, wait for its end."""
    weights = random_weights(plain.design, np.random.default_rng(8))
    plain.acc.load_weights(weights)
    memory = plain.acc.manifest.weights[0]
    words = memory.words(weights[memory.name]).tolist()
    for pause in range(24):
        plain.sim.write(LEPTON + 8, 1)
        plain.sim.step(pause)
        found = []
        for at in range(len(words)):
            try:
                found.append(plain.sim.read(memory.offset + 4 * at))
            except InputError:  # the reset came in the middle of the access
                assert at < 2
                found.append(words[at])
        assert found == words, f"pause {pause}"
    assert np.array_equal(plain.acc.infer(plain.inputs), plain.expected(weights))
    plain.acc.load_weights(plain.own)


def test_the_driver_says_what_is_wrong(plain: Running) -> None:
    name = plain.acc.weight_layers[0]
    good = plain.own[name]
    with pytest.raises(DriverInputError, match="layer 'conv' has no weights to rewrite; exp"):
        plain.acc.load_weights({"conv": good})
    with pytest.raises(DriverInputError, match=r"shape \(6, 24\) for .*; expected \(24, 6\)"):
        plain.acc.load_weights({name: good.T})


@pytest.mark.parametrize("kind", KINDS)
def test_words_are_those_of_finn(tmp_path: Path, kind: str) -> None:
    """Our packing against the files that FINN writes for its memories, and for its own driver."""
    for seed in range(EXAMPLES // 4):
        unit, folder = random_unit(kind, seed), tmp_path / str(seed)
        design, place = build(unit, folder)
        model = ModelWrapper(str(folder / "finn.onnx"))
        own = own_weights(model)
        for node, memory in zip(model.graph.node, design.weights, strict=True):
            layer = read_weight_layer(memory.model_dump())
            words = layer.words(own[node.name])
            assert np.array_equal(layer.tensor(words), own[node.name]), unit
            raw = words.tobytes()
            stored = (place / "rtl" / node.name / "memblock.dat").read_text().split()
            size = memory.word_bytes
            found = [
                int.from_bytes(raw[at : at + size], "little") for at in range(0, len(raw), size)
            ]
            assert found == [int(word, 16) for word in stored], unit
            if node.op_type == "VVAU_rtl":
                continue  # FINN's file for its driver has a VVAU's SIMD in the order of its HLS
            file = folder / "runtime.dat"
            with finn_world(folder / "again", folder / "finn.log"):
                weights = model.get_initializer(node.input[1])
                getCustomOp(node).make_weight_file(weights, "decoupled_runtime", str(file))
            assert [int(word, 16) for word in file.read_text().split()] == words.tolist(), unit


def test_fixed_layers_are_listed(tmp_path: Path) -> None:
    """As a folding file may make them."""
    with finn_world(tmp_path / "finn", tmp_path / "finn.log"):
        model = model_of(PLAIN)
        fixed = getCustomOp(model.graph.node[1])
        fixed.set_nodeattr("mem_mode", "internal_embedded")
        require_writable(model)
        design, _ = node_design(model, tmp_path, load_board("pynq_z2"), runtime_weights=True)
        assert [memory.layer for memory in design.weights] == ["MVAU_rtl_0"]
        assert design.fixed_weights == ("MVAU_rtl_1",)
        assert [*own_weights(ModelWrapper(str(tmp_path / "finn.onnx")))] == ["MVAU_rtl_0"]


def test_designs_that_cannot_be_rewritten_are_refused(tmp_path: Path) -> None:
    with finn_world(tmp_path / "finn", tmp_path / "finn.log"):
        model = model_of(PLAIN)
        first, second = (getCustomOp(node) for node in model.graph.node)
        first.set_nodeattr("ram_style", "ultra")
        with pytest.raises(StageError, match=r"ram_style of layer .* is ultra; expected auto, bl"):
            require_writable(model)
        first.set_nodeattr("runtime_writeable_weights", 0)
        second.set_nodeattr("mem_mode", "internal_embedded")
        with pytest.raises(StageError, match="none of the network's 2 matrix layers can have wei"):
            require_writable(model)
