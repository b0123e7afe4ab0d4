"""The virtual board's parts that need neither pynq nor a simulation."""

import hashlib
import json
import random
import struct
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_hw.board import known_boards, load_board
from lepton_hw.errors import InputError
from lepton_hw.rtl.shell.address_map import SEGMENTS, divisors, processor_of
from lepton_hw.rtl.shell.handoff import handoff_text
from lepton_hw.sources import ROOT
from lepton_hw.virtual import bitstream, boards
from lepton_hw.virtual.board import VirtualBoard
from lepton_hw.virtual.clocks import processor_registers
from lepton_hw.virtual.errors import BoardError, BusError
from lepton_hw.virtual.heap import PAGE, Block, Heap
from lepton_hw.virtual.peer import Peer

PART = "xc7z020clg400-1"


@given(st.lists(st.integers(1, 20 * PAGE), max_size=40), st.randoms(use_true_random=False))
def test_no_two_blocks_share_a_page(sizes: list[int], chance: random.Random) -> None:
    base, size = 1 << 20, 64 * PAGE
    heap, held = Heap(base, size), []
    for need in sizes:
        if held and chance.random() < 0.5:
            heap.free(held.pop(chance.randrange(len(held))))
        try:
            block = heap.allocate(need)
        except BoardError:
            continue
        assert block.address % PAGE == 0
        assert base <= block.address <= block.address + block.pages <= base + size
        for other in held:
            assert block.address + block.pages <= other.address or (
                other.address + other.pages <= block.address
            )
        held.append(block)
    for block in held:
        heap.free(block)
    assert heap.allocate(size) == Block(base, size)  # nothing is lost to fragments


def test_a_block_is_freed_once() -> None:
    heap = Heap(0, 4 * PAGE)
    first = heap.allocate(10)
    heap.free(first)
    second = heap.allocate(10)
    heap.free(first)  # equal in value, but of an earlier life
    assert heap.blocks == {0: second}
    with pytest.raises(BoardError, match=r"16,385 bytes .* expected at most 12,288"):
        heap.allocate(4 * PAGE + 1)
    with pytest.raises(BoardError, match="a buffer of 0 bytes"):
        heap.allocate(0)


def configuration(bit: bytes) -> bytes:
    """What follows the header's field 'e'."""
    at = bit.index(b"e", 60)
    while struct.unpack(">I", bit[at + 1 : at + 5])[0] != len(bit) - at - 5:
        at = bit.index(b"e", at + 1)
    return bit[at + 5 :]


def test_a_bitstream_names_its_model_in_either_byte_order() -> None:
    digest = hashlib.sha256(b"model").hexdigest()
    data = configuration(bitstream.bit_bytes(PART, digest))
    words = struct.unpack(f"<{len(data) // 4}I", data)
    swapped = struct.pack(f">{len(words)}I", *words)
    assert bitstream.model_digest_of(data) == bitstream.model_digest_of(swapped) == digest
    assert b"\xaa\x99\x55\x66" not in data  # the word that a real fabric waits for
    for other in (b"", data[:-8], data + b"x", bytes(400), data.replace(b"a", b"A")):
        with pytest.raises(BoardError, match="that is not for the virtual board"):
            bitstream.model_digest_of(other)


@pytest.fixture
def model(tmp_path: Path) -> tuple[Path, str]:
    (tmp_path / "rtl").mkdir()
    (tmp_path / "rtl" / "w.dat").write_text("ab\n")
    (tmp_path / bitstream.LIBRARY).write_bytes(b"library")
    values = {"digest": "d", "part": PART, "board": "b", "max_burst": 16, "segments": SEGMENTS}
    return tmp_path, bitstream.write_model(tmp_path, values)


def test_a_model_returns(model: tuple[Path, str]) -> None:
    read = bitstream.read_model(*model)
    assert read.segments == SEGMENTS
    assert (read.part, read.max_burst) == (PART, 16)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "rtl" / "w.dat").write_text("ac\n"), r"rtl/w\.dat was changed"),
        (lambda f: (f / "rtl" / "w.dat").unlink(), "is not whole"),
        (lambda f: (f / "model.json").write_text("{}"), "is not the one that the bitstream names"),
        (lambda f: (f / "model.json").unlink(), "is not whole"),
    ],
)
def test_a_spoilt_model(model: tuple[Path, str], spoil: object, message: str) -> None:
    spoil(model[0])  # type: ignore[operator]
    with pytest.raises(BoardError, match=message):
        bitstream.read_model(*model)


def rewritten(folder: Path, **changes: object) -> str:
    path = folder / bitstream.MODEL
    text = json.dumps({**json.loads(path.read_text()), **changes})
    path.write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_hostile_model(model: tuple[Path, str]) -> None:
    folder, _ = model
    outside = {"../x": hashlib.sha256(b"").hexdigest()}
    (folder.parent / "x").write_text("")
    for changes, message in (
        ({"files": outside}, "is outside the folder"),
        ({"machine": "pdp11"}, "was built for pdp11"),
        ({"segments": [["a", "b"]]}, "is not whole"),
        ({"max_burst": None}, "is not whole"),
    ):
        with pytest.raises(BoardError, match=message):
            bitstream.read_model(folder, rewritten(folder, **{"files": {}, **changes}))


def test_the_handoff_holds_every_segment() -> None:
    for name in known_boards():
        part = load_board(name).part
        try:
            processor = processor_of(part)
        except InputError:
            continue  # no processor, no pynq
        root = ElementTree.fromstring(handoff_text(part, processor, 100.0))
        ranges = {
            item.get("INSTANCE"): int(item.get("BASEVALUE", "0"), 16)
            for item in root.iter("MEMRANGE")
        }
        assert ranges == {each.name: processor.base + each.offset for each in SEGMENTS}


def test_divisors_are_never_too_fast() -> None:
    processor = processor_of(PART)
    for clock in (1.0, 33.3, 100.0, 125.0, 199.9, 250.0):
        a, b = divisors(processor, clock)
        assert 1 <= b <= a <= 63
        made = processor.pll_mhz / (a * b)
        assert made <= clock * 1.0001
        assert made > clock * 0.7
    with pytest.raises(InputError, match=r"the clock 0\.1 MHz"):
        divisors(processor, 0.1)
    with pytest.raises(InputError, match="the part xc7a100t has no processor"):
        processor_of("xc7a100t")


def test_the_board_is_named_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(boards.VARIABLE, "zcu104")
    assert boards.identity(boards.wanted()).part == load_board("zcu104").part
    with pytest.raises(BoardError, match="is to be 'mars'; expected one of"):
        boards.identity("mars")


def test_what_runs_beside_pynq_needs_only_numpy() -> None:
    """The board's environment has no pydantic of ours, no torch, no typer."""
    names = [
        f"lepton_hw.virtual.{path.stem}"
        for path in sorted((ROOT / "virtual").glob("*.py"))
        if path.stem not in ("make", "device", "server", "__init__", "__main__")
    ]
    code = f"import sys, {', '.join(names)}\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "lepton_hw" in loaded
    assert not loaded & {"pydantic", "torch", "typer", "onnx", "rich", "finn", "qonnx"}


@pytest.mark.parametrize("length", [-1, 0, 3, 16, 1 << 29])
def test_a_register_has_few_lengths(length: int) -> None:
    peer = Peer(VirtualBoard(boards.Identity("board", "A board", PART, "")), {})
    first = min(processor_registers(peer.board.processor))
    identifier = peer.window("client", first, 4)
    whole = peer.read("client", identifier, 0, 4, "little")
    assert peer.read("client", identifier, 0, 1, "little") == whole & 0xFF
    with pytest.raises(BusError, match=f"a register of {length} bytes; expected 1, 2, 4 or 8"):
        peer.read("client", identifier, 0, length, "little")
