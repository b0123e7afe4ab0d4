"""Weights through the driver, on a fake whose network computes with the words that were written."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_shell import FakeShell
from onboard_cases import DIGEST, SHAPE, WEIGHTS, deploy, network, random_batch
from test_onboard_design import BLOCKS, FakePynq

from lepton_hw.design import Design, WeightMemory, placed
from lepton_hw.onboard import Accelerator, DesignError, HardwareError
from lepton_hw.onboard.errors import InputError
from lepton_hw.onboard.manifest import checksum
from lepton_hw.rtl.shell.wrapper import address_bits, segments

#: 48 inputs, 12 a word; 5 outputs, one a word; INT3. Then one of bits, in lines of two words.
DENSE = WeightMemory(
    layer="MVAU_rtl_0", dtype="INT3", bits=3, low=-4, high=3, shape=(48, 5), split=(4, 12, 5, 1),
    order=(2, 0, 3, 1), depth=20, lanes=12, word_bytes=8,
)  # fmt: skip
SIGNS = WeightMemory(
    layer="VVAU_rtl_1", dtype="BIPOLAR", bits=1, low=-1, high=1, shape=(2, 1, 3, 3),
    split=(1, 2, 9, 1), order=(0, 2, 1, 3), depth=9, lanes=2, word_bytes=4,
)  # fmt: skip
MEMORIES = placed((DENSE, SIGNS))


class FakeWeights(FakeShell):
    """With memories behind addresses; what was written counts from the next reset on."""

    def __init__(self) -> None:
        super().__init__(SHAPE, ("UINT4", 16, 3, 4, 2), ("INT13", 5, 1, 13, 2), self.compute,
                         DIGEST)  # fmt: skip
        self.own = {MEMORIES[0].offset + 4 * i: word for i, word in enumerate(self.packed())}
        self.words, self.used = dict(self.own), dict(self.own)
        self.broken: set[int] = set()

    @staticmethod
    def packed() -> list[int]:
        """The words of `WEIGHTS`, bit by bit."""
        found = []
        for output in range(5):
            for fold in range(4):
                line = sum((int(WEIGHTS[12 * fold + i, output]) & 7) << 3 * i for i in range(12))
                found += [line & 0xFFFFFFFF, line >> 32]
        return found

    def compute(self, codes: Any) -> Any:
        """By the words that are in use."""
        weights = np.zeros((48, 5), int)
        for index in range(20):
            at = MEMORIES[0].offset + 8 * index
            line = self.used[at] | self.used[at + 4] << 32
            for lane in range(12):
                code = line >> 3 * lane & 7
                weights[12 * (index % 4) + lane, index // 4] = code - 8 * (code > 3)
        return codes.reshape(len(codes), 48) @ weights

    def read(self, offset: int) -> int:
        return self.words.get(offset, 0) if offset >= 0x40000 else super().read(offset)

    def write(self, offset: int, value: int) -> None:
        if offset >= 0x40000:
            assert 0 <= value < 1 << 32
            self.words[offset] = value ^ (offset in self.broken)
        else:
            super().write(offset, value)
            if offset == 0x20008 and value & 1:
                self.used = dict(self.words)

    def reload(self) -> None:
        super().reload()
        self.words, self.used = dict(self.own), dict(self.own)


@pytest.fixture
def shell() -> FakeWeights:
    return FakeWeights()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return deploy(tmp_path, weights=MEMORIES, fixed_weights=("MVAU_rtl_7",))


@pytest.fixture
def accelerator(folder: Path, shell: FakeWeights) -> Accelerator:
    return Accelerator(folder / "design.bit", batch=8, timeout=0.05, transport=shell)


def other(seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(-4, 4, (48, 5))


def test_new_weights_are_used_and_read_back(accelerator: Accelerator, shell: FakeWeights) -> None:
    codes = random_batch(20)
    assert np.array_equal(accelerator.infer(codes), network(codes))
    assert np.array_equal(accelerator.read_weights("MVAU_rtl_0"), WEIGHTS)
    weights = other()
    accelerator.load_weights({"MVAU_rtl_0": weights})
    assert np.array_equal(accelerator.infer(codes), codes.reshape(20, 48) @ weights)
    assert np.array_equal(accelerator.read_weights("MVAU_rtl_0"), weights)
    assert accelerator.read_weights("MVAU_rtl_0").dtype == np.int8
    accelerator.load_weights({"MVAU_rtl_0": WEIGHTS.astype(np.int64)})
    assert shell.words == shell.own
    assert accelerator.weight_layers == ("MVAU_rtl_0", "VVAU_rtl_1")


def test_signs_and_any_kind_of_array(accelerator: Accelerator, shell: FakeWeights) -> None:
    signs = np.where(np.arange(18).reshape(2, 1, 3, 3) % 3 == 0, 1, -1)
    accelerator.load_weights({"VVAU_rtl_1": signs.astype(">i4")[::1]})
    bits = signs.reshape(2, 9) == 1
    words = [shell.words[MEMORIES[1].offset + 4 * i] for i in range(9)]
    assert words == [int(bits[0, i]) | int(bits[1, i]) << 1 for i in range(9)]
    accelerator.load_weights({"MVAU_rtl_0": np.asfortranarray(other())})
    assert np.array_equal(accelerator.read_weights("MVAU_rtl_0"), other())


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("MVAU_rtl_0", np.zeros((5, 48), int), r"weights of shape \(5, 48\) for MVAU_rtl_0; expe"),
        ("MVAU_rtl_0", np.zeros((48, 5)), "weights of type float64 for MVAU_rtl_0; expected int"),
        ("MVAU_rtl_0", np.full((48, 5), 4), r"weight \(0, 0\) of MVAU_rtl_0 is 4; expected -4 to"),
        ("VVAU_rtl_1", np.zeros((2, 1, 3, 3), int), r"is 0; expected -1 to 1 \(BIPOLAR, without 0"),
        ("MVAU_rtl_7", np.zeros(1, int), "layer 'MVAU_rtl_7' has fixed weights; expected one of M"),
        ("conv1", np.zeros(1, int), "layer 'conv1' has no weights to rewrite; expected one of MVA"),
    ],
)
def test_wrong_weights_are_a_sentence_and_nothing_is_written(
    accelerator: Accelerator, shell: FakeWeights, name: str, weights: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        accelerator.load_weights({"MVAU_rtl_0": other(), name: weights})
    assert shell.words == shell.own
    with pytest.raises(InputError, match="layer 'conv1'"):
        accelerator.read_weights("conv1")


def test_a_word_that_was_not_stored_is_noticed(
    accelerator: Accelerator, shell: FakeWeights
) -> None:
    shell.broken = {MEMORIES[0].offset + 8 * 7}  # output 1, inputs 36 to 47
    weights = np.zeros((48, 5), int)
    with pytest.raises(HardwareError, match=r"weight \(36, 1\) of MVAU_rtl_0 reads 1; expected 0,"):
        accelerator.load_weights({"MVAU_rtl_0": weights})


def test_a_board_that_goes_away(accelerator: Accelerator, shell: FakeWeights) -> None:
    shell.write = lambda *_: (_ for _ in ()).throw(ConnectionError("no route"))  # type: ignore
    accelerator._weights._transport = shell
    with pytest.raises(HardwareError, match=r"does not answer \(ConnectionError: no route"):
        accelerator.load_weights({"MVAU_rtl_0": other()})


def test_a_bitstream_that_is_loaded_again_gets_the_weights_again(
    accelerator: Accelerator, shell: FakeWeights
) -> None:
    weights, codes = other(), random_batch(3)
    accelerator.load_weights({"MVAU_rtl_0": weights})
    shell.fault = "dead"
    with pytest.raises(HardwareError):
        accelerator.infer(codes)
    assert shell.reloads == 1
    assert np.array_equal(accelerator.infer(codes), codes.reshape(3, 48) @ weights)


def test_a_transfer_under_way_ends_first(accelerator: Accelerator, shell: FakeWeights) -> None:
    codes, weights = random_batch(40), other()
    outputs = accelerator.stream(codes)
    first = [next(outputs) for _ in range(8)]
    accelerator.load_weights({"MVAU_rtl_0": weights})
    rest = np.stack([*first, *outputs])
    old, new = network(codes), codes.reshape(40, 48) @ weights
    which = [np.array_equal(row, one) for row, one in zip(rest, old, strict=True)]
    assert which == [True] * 16 + [False] * 24, "two batches had begun"
    assert np.array_equal(rest[16:], new[16:])


def test_fixed_weights_and_a_closed_accelerator(tmp_path: Path, shell: FakeWeights) -> None:
    accelerator = Accelerator(deploy(tmp_path) / "design.bit", transport=shell)
    assert accelerator.weight_layers == ()
    with pytest.raises(InputError, match="weights are fixed; expected weights that can be rewr"):
        accelerator.load_weights({"MVAU_rtl_0": WEIGHTS})
    (tmp_path / "again").mkdir()
    folder = deploy(tmp_path / "again", weights=MEMORIES)
    accelerator = Accelerator(folder / "design.bit", transport=shell)
    accelerator.close()
    with pytest.raises(InputError, match="the accelerator is closed"):
        accelerator.read_weights("MVAU_rtl_0")


def test_segments_are_found_by_name(
    folder: Path, shell: FakeWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [memory.layer for memory in MEMORIES]
    with pytest.raises(DesignError, match="expected also MVAU_rtl_0, VVAU_rtl_1"):
        monkeypatch.setitem(sys.modules, "pynq", FakePynq(shell, BLOCKS, None))
        Accelerator(folder / "design.bit")
    pynq = FakePynq(shell, (*BLOCKS, *names), None, (0, 0x10000, 0x20000, 0x40000, 0x41000))
    monkeypatch.setitem(sys.modules, "pynq", pynq)
    with Accelerator(folder / "design.bit") as accelerator:
        accelerator.load_weights({"MVAU_rtl_0": other(), "VVAU_rtl_1": -np.ones((2, 1, 3, 3), int)})
        assert np.array_equal(accelerator.read_weights("MVAU_rtl_0"), other())
        assert shell.words[MEMORIES[1].offset] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": [4, 12, 5, 2]}, r"split as \(4, 12, 5, 2\) for 240 codes"),
        ({"order": [2, 0, 3, 3]}, "split as"),
        ({"size": 100}, "have 100 bytes of addresses; expected 20 words of 8 bytes"),
        ({"word_bytes": 4}, "4 bytes a beat for 12 codes of 3 bits"),
        ({"depth": 7}, "for 240 codes in 7 words of 12"),
    ],
)
def test_a_manifest_that_contradicts_itself(
    folder: Path, shell: FakeWeights, change: dict[str, Any], message: str
) -> None:
    values = json.loads((folder / "design.json").read_text())
    values["weights"][0].update(change)
    values["checksum"] = checksum(values)
    (folder / "design.json").write_text(json.dumps(values))
    with pytest.raises(DesignError, match=message):
        Accelerator(folder / "design.bit", transport=shell)


def test_windows_are_powers_of_two_aligned_to_themselves() -> None:
    sizes = [(20, 8), (3000, 8), (1, 4), (70_000, 16)]
    memories = placed(
        DENSE.model_copy(update={"layer": f"m{i}", "depth": depth, "word_bytes": word})
        for i, (depth, word) in enumerate(sizes)
    )
    design = Design(top="t", sources=(), data_files=(), inputs=(), outputs=(), streams=(),
                    nodes=(), weights=memories)  # fmt: skip
    found = segments(design)
    assert [(part.name, part.offset, part.size) for part in found] == [
        ("idma0", 0x0, 0x10000), ("odma0", 0x10000, 0x10000), ("lepton0", 0x20000, 0x10000),
        ("m0", 0x40000, 0x1000), ("m1", 0x48000, 0x8000), ("m2", 0x50000, 0x1000),
        ("m3", 0x200000, 0x200000),
    ]  # fmt: skip
    assert address_bits(design) == 22
    fixed = design.model_copy(update={"weights": ()})
    assert len(segments(fixed)) == 3
    assert address_bits(fixed) == 18
