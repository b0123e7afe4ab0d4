"""The serial link in Verilator against random hosts, noise, broken frames, full rings and resets.

``LEPTON_EXAMPLES`` sets the number of scenarios of each kind (20 if unset). A failure prints the
seed and the shape.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_hw.onboard.shell import IDMA, LEPTON, ODMA, Shell
from lepton_hw.rtl.serial import wrapper
from lepton_hw.sim.serial import serial_library
from lepton_hw.sim.serial_model import SerialModel
from tests.rtl.serial_cases import ModelPort, Noise, transport_over
from tests.rtl.shell_cases import expected as golden
from tests.rtl.shell_cases import make

EXAMPLES = int(os.environ.get("LEPTON_EXAMPLES", "20"))
DEPTH = 2048
DIGEST = bytes(range(32))
READ, WRITE, INPUT, GRANT, STATE, REWIND = range(1, 7)
OUTPUT, ERROR = 0x90, 0xFF


@dataclass(frozen=True)
class Shape:
    """Bytes a beat, each way; beats a frame."""

    ins: int
    outs: int
    beats: int
    divisor: int | None = None


SHAPES = [Shape(1, 1, 16), Shape(3, 5, 7), Shape(8, 2, 5)]


class Links:
    """Simulations by shape, opened when first asked for."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._open: dict[Shape, SerialModel] = {}

    def __getitem__(self, shape: Shape) -> SerialModel:
        if shape not in self._open:
            folder = self._folder / str(len(self._open))
            design = make(folder, shape.ins, shape.outs, shape.beats)
            library = serial_library(design, folder, DIGEST, divisor=shape.divisor)
            self._open[shape] = self._stack.enter_context(SerialModel(library, folder))
        model = self._open[shape]
        model.reset()
        model.take()
        return model


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Links]:
    with ExitStack() as stack:
        yield Links(tmp_path_factory.mktemp("serial"), stack)


def frame(kind: int, tag: int, payload: bytes = b"") -> bytes:
    """A frame as docs/serial.md has it, by code that is not the driver's."""
    body = bytes((kind, tag, len(payload))) + payload
    body += struct.pack("<I", zlib.crc32(body))
    return b"\x7e" + stuffed(body) + b"\x7e"


def stuffed(body: bytes) -> bytes:
    out = bytearray()
    for byte in body:
        out += bytes((0x7D, byte ^ 0x20)) if byte in (0x7D, 0x7E) else bytes((byte,))
    return bytes(out)


def frames(data: bytes) -> list[tuple[int, int, bytes]]:
    """All frames of what the board said; each must be whole."""
    found = []
    for part in data.split(b"\x7e"):
        body = bytearray()
        escaped = False
        for byte in part:
            if byte == 0x7D:
                escaped = True
            else:
                body.append(byte ^ 0x20 if escaped else byte)
                escaped = False
        if body:
            assert len(body) == body[2] + 7
            assert zlib.crc32(body[:-4]) == struct.unpack("<I", body[-4:])[0]
            found.append((body[0], body[1], bytes(body[3:-4])))
    return found


def say(model: SerialModel, *requests: bytes, quiet: int = 800) -> list[tuple[int, int, bytes]]:
    for request in requests:
        model.send(request)
    model.settle(quiet, 20_000)
    return frames(model.take())


def state(model: SerialModel, tag: int = 99) -> tuple[int, int]:
    """(taken, expected)."""
    answers = [each for each in say(model, frame(STATE, tag)) if each[0] == STATE | 0x80]
    assert [each[1] for each in answers] == [tag]
    taken, expected = struct.unpack("<HH", answers[0][2])
    return taken, expected


def input_frame(tag: int, position: int, data: bytes) -> bytes:
    return frame(INPUT, tag, struct.pack("<H", position & 0xFFFF) + data)


def grant(tag: int, position: int, limit: int, kind: int = GRANT) -> bytes:
    return frame(kind, tag, struct.pack("<HH", position & 0xFFFF, limit & 0xFFFF))


def read(model: SerialModel, offset: int) -> int:
    ((kind, tag, payload),) = say(model, frame(READ, 5, struct.pack("<I", offset)))
    assert (kind, tag) == (READ | 0x80, 5)
    return int(struct.unpack("<I", payload)[0])


def outputs(found: list[tuple[int, int, bytes]], begin: int = 0) -> bytes:
    """The output in these frames; every position must follow from the one before."""
    data = b""
    for kind, _, payload in found:
        if kind == OUTPUT:
            position = struct.unpack("<H", payload[:2])[0]
            assert position == (begin + len(data)) % 65536
            data += payload[2:]
    return data


def test_the_registers_say_what_the_design_is(links: Links) -> None:
    model = links[SHAPES[1]]
    assert read(model, LEPTON) == 0x4C505430
    words = [read(model, LEPTON + 0x20 + 4 * word) for word in range(8)]
    assert b"".join(word.to_bytes(4, "big") for word in words) == DIGEST
    sizes = [read(model, LEPTON + offset) for offset in (0x40, 0x44, 0x48, 0x4C, 0x50)]
    assert sizes == [21, 35, 3, 5, 1]


@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_every_request_has_one_answer_in_order(links: Links, seed: int) -> None:
    """Random requests, many at once, some with bytes that must be escaped, some refused."""
    random = np.random.default_rng(seed)
    model = links[SHAPES[seed % len(SHAPES)]]
    model.pace(int(random.integers(1, 40)), int(random.integers(0, 40)))
    for _ in range(5):
        requests, expected = [], []
        for _ in range(int(random.integers(1, 9))):
            tag = int(random.choice([0x7D, 0x7E, random.integers(256)]))
            kind = int(random.choice([READ, WRITE, STATE, 9, 0x7E]))
            offset = int(random.choice([0, 0x1C, 0x1001C, 0x20000, 0x20010, 0x30000, 0x20002]))
            payload = {READ: struct.pack("<I", offset), STATE: b""}.get(kind, bytes(3))
            if kind == WRITE:
                payload = struct.pack("<II", 0x1C, int(random.choice([0x7D7E7E7D, 3])))
            refused = kind in (9, 0x7E) or (kind == READ and (offset % 4 or offset >= 0x30000))
            requests.append(frame(kind, tag, payload))
            expected.append((ERROR if refused else kind | 0x80, tag))
        assert [each[:2] for each in say(model, *requests)] == expected
    model.pace(16, 16)


@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_a_broken_frame_does_nothing(links: Links, seed: int) -> None:
    """Any single damage to a frame: an error, no byte taken, no register written; then all goes."""
    random = np.random.default_rng(seed)
    model = links[SHAPES[0]]
    data = random.integers(0, 256, int(random.integers(1, 200)), np.uint8).tobytes()
    good = [input_frame(1, 0, data), frame(WRITE, 2, struct.pack("<II", 0x1C, 77))][seed % 2]
    inner = bytearray(good[1:-1])
    where, damage = int(random.integers(len(inner))), seed // 2 % 4
    if damage == 0:
        inner[where] ^= 1 << int(random.integers(8))
    elif damage == 1:
        del inner[where]
    elif damage == 2:
        inner.insert(where, int(random.integers(256)))
    else:
        del inner[where:]
    answers = say(model, b"\x7e" + bytes(inner) + b"\x7e")
    assert all(each[0] == ERROR and each[2][0] in (1, 2) for each in answers)
    assert len(answers) >= 1 or not inner
    assert state(model) == (0, 0)
    assert read(model, 0x1C) == 0
    assert [each[0] for each in say(model, good)] == [good[1] | 0x80]
    assert state(model)[1] == (0 if seed % 2 else len(data))
    assert read(model, 0x1C) == (77 if seed % 2 else 0)


@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_the_next_frame_is_found_behind_noise(links: Links, seed: int) -> None:
    random = np.random.default_rng(seed)
    model = links[SHAPES[0]]
    model.send(random.integers(0, 256, int(random.integers(1, 600)), np.uint8).tobytes() + b"\x7e")
    model.settle(800, 20_000)
    model.take()
    assert read(model, LEPTON) == 0x4C505430


def test_input_is_taken_at_its_position_only(links: Links) -> None:
    model = links[SHAPES[0]]
    ((kind, tag, payload),) = say(model, input_frame(7, 1, b"abc"))
    assert (kind, tag, payload) == (ERROR, 7, b"\x03\x00\x00\x00")
    assert [each[0] for each in say(model, input_frame(8, 0, b"abc"))] == [INPUT | 0x80]
    ((kind, _, payload),) = say(model, input_frame(9, 0, b"abc"))  # once more: a repetition
    assert (kind, payload) == (ERROR, b"\x03\x00\x03\x00")
    assert state(model)[1] == 3


def test_a_full_ring_takes_nothing_and_loses_nothing(links: Links) -> None:
    """Without a grant the output ring fills, the accelerator stops, the input ring fills."""
    model, position = links[SHAPES[0]], 0
    data = np.random.default_rng(1).integers(0, 256, 3 * DEPTH, np.uint8)
    refused = False
    while not refused:
        assert position < len(data)
        part = data[position : position + 200].tobytes()
        ((kind, _, payload),) = say(model, input_frame(1, position, part))
        refused = kind == ERROR
        if refused:
            assert payload[0] == 4
        else:
            position += len(part)
    taken, expected = state(model)
    assert expected == position
    assert DEPTH - 200 < expected - taken <= DEPTH
    assert taken >= DEPTH  # what the other ring holds
    found, received = b"", 0
    while len(found) < position // 16 * 16:
        new = outputs(say(model, grant(2, received, received + 300)), received)
        assert 0 < len(new) <= 300
        found, received = found + new, received + len(new)
    beats = position // 16 * 16
    expected_out = golden(data[:beats], 1, 1, 16)
    assert found[:beats] == expected_out.tobytes()


def test_a_rewind_sends_again_and_a_wrong_grant_is_refused(links: Links) -> None:
    model = links[SHAPES[0]]
    data = np.arange(160, dtype=np.uint8)
    say(model, input_frame(1, 0, data.tobytes()))
    first = outputs(say(model, grant(2, 0, 2048)))
    assert first == golden(data, 1, 1, 16).tobytes()
    assert outputs(say(model, grant(3, 100, 2100, REWIND)), 100) == first[100:]
    ((kind, _, payload),) = say(model, grant(4, 161, 2200))  # beyond what was sent
    assert (kind, payload[0]) == (ERROR, 3)
    ((kind, _, payload),) = say(model, grant(5, 99, 2200))  # given up already
    assert (kind, payload[0]) == (ERROR, 3)


@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_a_reset_at_any_moment(links: Links, seed: int) -> None:
    """Whatever was on its way: nothing of it shows behind the reset's answer."""
    random = np.random.default_rng(seed)
    shape = SHAPES[seed % len(SHAPES)]
    model = links[shape]
    model.pace(16, int(random.integers(0, 60)))
    data = random.integers(0, 256, 900, np.uint8)
    model.send(grant(1, 0, 2048))
    for at in range(0, 900, 100):
        model.send(input_frame(2, at, data[at : at + 100].tobytes()))
    model.step(int(random.integers(0, 4000)))
    model.send(frame(WRITE, 3, struct.pack("<II", LEPTON + 8, 1)))
    model.settle(4000, 40_000)
    said = split_good(model.take())
    assert said[-1][:2] == (WRITE | 0x80, 3) or said[-1][0] == OUTPUT
    behind = said[[each[:2] for each in said].index((WRITE | 0x80, 3)) + 1 :]
    assert behind == []
    before = b"".join(payload[2:] for kind, _, payload in said if kind == OUTPUT)
    frame_bytes = shape.ins * shape.beats
    known = data[: 900 // frame_bytes * frame_bytes]
    assert (
        golden(known, shape.ins, shape.outs, shape.beats)
        .tobytes()
        .startswith(before[: len(known) // shape.ins * shape.outs])
    )
    assert state(model) == (0, 0)
    fresh = random.integers(0, 256, frame_bytes, np.uint8)
    new = outputs(say(model, grant(4, 0, 2048), input_frame(5, 0, fresh.tobytes())))
    assert new == golden(fresh, shape.ins, shape.outs, shape.beats).tobytes()
    model.pace(16, 16)


def test_a_reset_spoils_the_frame_on_its_way(links: Links) -> None:
    """Its bytes are given up: it must not pass for whole, whatever stands in the ring by then."""
    model = links[SHAPES[0]]
    say(model, input_frame(1, 0, bytes(range(128))))
    model.pace(16, 200)
    model.send(grant(2, 0, 2048))
    model.step(10_000)  # the answer, and a part of the output's frame
    model.send(frame(WRITE, 3, struct.pack("<II", LEPTON + 8, 1)))
    model.settle(1000, 60_000)
    model.pace(16, 16)
    said = model.take()
    assert len(said) > 128
    assert [each[:2] for each in split_good(said)] == [(GRANT | 0x80, 2), (WRITE | 0x80, 3)]


def split_good(data: bytes) -> list[tuple[int, int, bytes]]:
    """Frames that are whole; one that a reset spoiled is none."""
    found = []
    for part in data.split(b"\x7e"):
        try:
            found += frames(part)
        except AssertionError:
            continue
    return found


def run_transfers(
    model: SerialModel, shape: Shape, monkeypatch: Any, seed: int, noise: float, frames_most: int
) -> tuple[int, list[int]]:
    """Batches by the driver's transport on a line; returns hits of noise and the counters."""
    random = np.random.default_rng(seed)
    noises = Noise(noise, seed + 1), Noise(noise, seed + 2)
    port = ModelPort(model, *noises, portion=int(random.integers(1, 3000)), quiet=300)
    transport = transport_over(port, monkeypatch)
    shell = Shell(transport)
    for _ in range(4):
        count = int(random.integers(1, frames_most))
        source = transport.allocate(count * shape.ins * shape.beats)
        target = transport.allocate(count * shape.outs * shape.beats)
        source[:] = random.integers(0, 256, len(source))
        expected = golden(np.asarray(source), shape.ins, shape.outs, shape.beats)
        shell.start(source.device_address, target.device_address, count)
        for _ in range(100_000):
            if shell.done():
                break
        assert np.array_equal(np.asarray(target), expected)
        assert shell.errors() == []
        if random.random() < 0.3:
            shell.reset()
    return noises[0].hits + noises[1].hits, list(shell.counters())


@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_the_driver_moves_batches(links: Links, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = SHAPES[seed % len(SHAPES)]
    model = links[shape]
    run_transfers(model, shape, monkeypatch, seed, 0.0, 60)
    model.pace(16, 16)


@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_the_driver_moves_batches_through_noise(
    links: Links, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = SHAPES[seed % len(SHAPES)]
    hits, _ = run_transfers(links[shape], shape, monkeypatch, seed, 0.002, 60)
    print(f"seed {seed}: {hits} bytes were damaged")


def test_positions_wrap(links: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than 2^16 bytes each way, in one batch and in all."""
    shape = SHAPES[1]
    model = links[shape]
    model.pace(4, 4)
    run_transfers(model, shape, monkeypatch, 3, 0.0, 5000)
    model.pace(16, 16)


def test_equal_bytes_give_equal_cycles(links: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = SHAPES[2]
    found = [
        (run_transfers(links[shape], shape, monkeypatch, 11, 0.0, 40), links._open[shape].cycle)
        for _ in range(2)
    ]
    assert found[0][0] == found[1][0]


@pytest.mark.parametrize("divisor", [8, 25])
def test_bit_by_bit(links: Links, divisor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the UART's pins; the harness checks start and stop bits of what comes out."""
    shape = Shape(3, 5, 7, divisor)
    run_transfers(links[shape], shape, monkeypatch, divisor, 0.0, 12)


#: What is broken in the link, and a test that must notice.
MUTATIONS = {
    "any check sum is good": ("serial_receive.sv", "crc == CRC_GOOD && ", "", "broken"),
    "any length is good": (
        "serial_receive.sv", "count == 9'(length) + 9'(HEAD + CHECK)", "1'b1", "length",
    ),
    "any position is good": (
        "serial_link.sv", "is_input && position != expected", "1'b0", "position",
    ),
    "a full ring is written": ("serial_link.sv", "else if (is_input && overflow)", "else if (0)",
                               "full"),
    "output is sent beyond the grant": ("serial_link.sv", "ahead < room ? ahead : room", "ahead",
                                        "grant"),
    "the ring ignores what was not received": (
        "serial_link.sv", "16'(made - acked) != 16'(DEPTH)", "1'b1", "full",
    ),
    "a reset keeps the positions": (
        "serial_link.sv", "if (part_rst) expected <= '0;", "if (rst) expected <= '0;", "reset",
    ),
    "a reset lets a frame of old output pass": (
        "serial_link.sv", ".spoil(part_rst)", ".spoil(1'b0)", "spoils",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_link_is_noticed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, old, new, kind = MUTATIONS[name]
    sources = []
    for source in wrapper.SOURCES:
        text = source.read_text()
        if source.name == file:
            assert text.count(old) == 1
            text = text.replace(old, new)
        (tmp_path / source.name).write_text(text)
        sources.append(tmp_path / source.name)
    monkeypatch.setattr(wrapper, "SOURCES", tuple(sources))
    with ExitStack() as stack:
        links = Links(tmp_path / "mutated", stack)
        with pytest.raises((AssertionError, ValueError)):
            NOTICES[kind](links)


def _broken(links: Links) -> None:
    for seed in range(0, 16):
        test_a_broken_frame_does_nothing(links, seed)


def _length(links: Links) -> None:
    body = bytes((WRITE, 1, 8)) + struct.pack("<III", 0x1C, 5, 0)  # four bytes too many
    body += struct.pack("<I", zlib.crc32(body))
    assert [each[0] for each in say(links[SHAPES[0]], b"\x7e" + body + b"\x7e")] == [ERROR]


def _grant(links: Links) -> None:
    model = links[SHAPES[0]]
    say(model, input_frame(1, 0, bytes(64)))
    assert len(outputs(say(model, grant(2, 0, 10)))) == 10


def _reset(links: Links) -> None:
    for seed in range(3):
        test_a_reset_at_any_moment(links, seed)


NOTICES = {
    "broken": _broken,
    "length": _length,
    "position": test_input_is_taken_at_its_position_only,
    "full": test_a_full_ring_takes_nothing_and_loses_nothing,
    "grant": _grant,
    "reset": _reset,
    "spoils": test_a_reset_spoils_the_frame_on_its_way,
}


def test_the_checks_hold_for_the_link_itself(links: Links) -> None:
    for check in NOTICES.values():
        check(links)


def test_an_engine_without_frames_is_an_error(links: Links) -> None:
    model = links[SHAPES[0]]
    for engine in (IDMA, ODMA):
        say(model, frame(WRITE, 1, struct.pack("<II", engine, 1)))
        assert read(model, engine) & 3 == 2  # done at once
        assert read(model, LEPTON + 0x10) == 4
        say(model, frame(WRITE, 1, struct.pack("<II", LEPTON + 0x10, 4)))
