"""``.bit`` files: what they say, and the many ways in which they can lie."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import xc7_cases as cases
from hypothesis import given
from hypothesis import strategies as st

from lepton_hw.errors import InputError
from lepton_hw.xc7 import bitfile, device
from lepton_hw.xc7.device import WORDS, Device

DEVICE = Device("xc7z999clg400-1", cases.IDCODE, tuple(range(6)), {})
FRAMES = np.arange(6 * WORDS, dtype=np.uint32).reshape(6, WORDS)
PAYLOAD = cases.payload(FRAMES, DEVICE)
GOOD = bitfile.build(PAYLOAD, "top;Generator=test", "xc7z999clg400-1", "2024/02/29", "12:00:00")
HEADER = len(GOOD) - len(PAYLOAD)


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a file.bit"
    path.write_bytes(GOOD)
    found = bitfile.inspect(path, "xc7z999clg400-1")
    assert (found.design, found.part) == ("top;Generator=test", "xc7z999clg400-1")
    assert (found.date, found.time) == ("2024/02/29", "12:00:00")
    assert (found.idcode, found.device) == (cases.IDCODE, "")
    assert found.frame_words == (6 + 2) * WORDS
    assert found.payload == PAYLOAD
    assert not found.crc
    assert not found.compressed
    assert len(found.digest) == 64
    assert bitfile.parse(bitfile.build(PAYLOAD, "x", "y")).digest == found.digest


def test_frames_come_back(tmp_path: Path) -> None:
    expected = DEVICE.memory(FRAMES)
    assert np.array_equal(bitfile.frames(PAYLOAD, DEVICE), expected)
    rows = dataclasses.replace(DEVICE, addresses=(0, 1, 2, 1 << 17, 1 << 22, 1 << 23))
    two = bitfile.frames(cases.payload(FRAMES, rows), rows)
    assert np.array_equal(two, expected)


def test_names_of_a_part() -> None:
    real = cases.payload(FRAMES, DEVICE, 0x23727093)
    for name in ("7z020clg400", "xc7z020clg400-1", "XC7Z020"):
        assert bitfile.parse(bitfile.build(real, "a", name)).device == "7z020"
    with pytest.raises(InputError, match=r"for 'xc7z010clg400-1', but configures a 7z020 \(IDCODE"):
        bitfile.parse(bitfile.build(real, "a", "xc7z010clg400-1"))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "does not begin like"),
        (b"#!/bin/sh\n", "does not begin like"),
        (GOOD[: len(bitfile.MAGIC)], r"field a \(design\)"),
        (GOOD[: len(bitfile.MAGIC) + 5], r"field a \(design\)"),
        (bitfile.MAGIC + b"a\xff\xff" + b"x" * 40, r"field a \(design\)"),
        (bitfile.MAGIC + b"a\0\0", r"field a \(design\)"),
        (bitfile.MAGIC + b"a\0\2xy", r"field a \(design\)"),
        (bitfile.MAGIC + b"b\0\2x\0", r"field a \(design\)"),
        (GOOD[: HEADER - 6], r"field d \(time\)"),
        (GOOD[:-4], "behind its header; expected the"),
        (GOOD + b"\0", "behind its header; expected the"),
        (GOOD[: HEADER - 4] + b"\xff\xff\xff\xff" + PAYLOAD, "the 4,294,967,295 that the header"),
        (bitfile.build(b"", "a", "b"), "no synchronisation word"),
        (bitfile.build(b"\xff" * 64, "a", "b"), "no synchronisation word"),
        (bitfile.build(PAYLOAD[:24], "a", "b"), "ends within the configuration"),
        (bitfile.build(PAYLOAD[:-200], "a", "b"), "words end after"),
        (bitfile.build(bitfile.SYNC + b"\xff\xff\xff\xff", "a", "b"), "0xFFFFFFFF is none"),
        (bitfile.build(bitfile.SYNC + np.array(cases.packet(4, 13), ">u4").tobytes(), "a", "b"),
         "no configuration frames"),
    ],
)  # fmt: skip
def test_what_is_no_bitstream(data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        bitfile.parse(data, "x.bit")


def test_bad_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        bitfile.inspect(tmp_path / "none.bit")
    with pytest.raises(InputError, match="cannot be read"):
        bitfile.inspect(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for endless in (Path("/dev/zero"), tmp_path / "pipe"):
        with pytest.raises(InputError, match=r"is a device or a pipe; expected a \.bit file"):
            bitfile.inspect(endless)
    path = tmp_path / "x.bit"
    path.write_bytes(GOOD)
    with pytest.raises(InputError, match="is for the part 'xc7z999clg400-1'; expected xc7z010"):
        bitfile.inspect(path, "xc7z010clg400-1")
    monkeypatch.setattr(bitfile, "LARGEST", 100)
    with pytest.raises(InputError, match="at most 100"):
        bitfile.inspect(path)


def test_frames_of_another_device_or_order() -> None:
    with pytest.raises(InputError, match="is for the IDCODE 0x03722093"):
        bitfile.frames(cases.payload(FRAMES, DEVICE, 0x03722093), DEVICE)
    other = dataclasses.replace(DEVICE, addresses=tuple(range(7)))
    with pytest.raises(InputError, match="writes 808 words of frames; expected 909"):
        bitfile.frames(PAYLOAD, other)
    later = dataclasses.replace(DEVICE, addresses=tuple(range(1, 7)))
    with pytest.raises(InputError, match="from frame 0x00000001 on"):
        bitfile.frames(PAYLOAD, later)


def test_what_is_not_printable_is_masked() -> None:
    data = bitfile.build(PAYLOAD, "ab", "c").replace(b"ab\0", b"\x1b\xff\0", 1)
    assert bitfile.parse(data).design == "??"


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_any_damage_is_read_or_refused(place: int, value: int) -> None:
    data = bytearray(GOOD)
    data[place] = value
    try:
        found = bitfile.parse(bytes(data))
        bitfile.frames(found.payload, DEVICE)
    except InputError:
        pass


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tail: bytes) -> None:
    for data in (tail, bitfile.MAGIC + tail, bitfile.build(bitfile.SYNC + tail, "a", "b")):
        with pytest.raises(InputError):
            bitfile.parse(data)


def test_the_word_of_the_code_is_masked() -> None:
    words = FRAMES.copy()
    words[:, device.ECC_WORD] |= 0x1FFF
    assert np.array_equal(DEVICE.memory(words), DEVICE.memory(words & np.uint32(0xFFFFFFFF)))
    assert not DEVICE.memory(words).reshape(6, -1)[:, 1600:1613].any()
