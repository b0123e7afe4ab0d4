"""The driver's serial side without a board: frames, devices that are wrong, a place to run."""

import os
import tty
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_hw.errors import InputError as FlowInputError
from lepton_hw.onboard import serial_frames as frames
from lepton_hw.onboard import serial_link
from lepton_hw.onboard.errors import DesignError, HardwareError, InputError
from lepton_hw.onboard.serial_port import SerialPort
from lepton_hw.tools.place import Place, parse_place

EXAMPLES = int(os.environ.get("LEPTON_EXAMPLES", "200"))
FRAME = st.tuples(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=255))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(FRAME, max_size=5), st.integers(1, 40))
def test_frames_come_back_in_any_portions(sent: list[tuple[int, int, bytes]], portion: int) -> None:
    line = b"".join(frames.pack(*each) for each in sent)
    decoder = frames.Decoder()
    found: list[frames.Frame] = []
    for at in range(0, len(line), portion):
        found += decoder.feed(line[at : at + portion])
    assert found == sent
    assert decoder.bad == 0


@settings(max_examples=EXAMPLES, deadline=None)
@given(FRAME, st.data())
def test_damage_is_noticed_and_the_next_frame_found(
    sent: tuple[int, int, bytes], data: st.DataObject
) -> None:
    line = bytearray(frames.pack(*sent))
    where = data.draw(st.integers(1, len(line) - 2))
    line[where] ^= 1 << data.draw(st.integers(0, 7))
    decoder = frames.Decoder()
    assert list(decoder.feed(bytes(line) + frames.pack(1, 2, b"x"))) == [(1, 2, b"x")]
    assert decoder.bad >= 1


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.binary(max_size=3000), max_size=4))
def test_noise_never_raises_and_is_not_kept(noise: list[bytes]) -> None:
    decoder = frames.Decoder()
    for part in noise:
        list(decoder.feed(part))
    assert len(decoder._rest) < 1200
    assert list(decoder.feed(b"\x7e" + frames.pack(1, 2))) == [(1, 2, b"")]


def test_the_bytes_of_a_frame() -> None:
    """As docs/serial.md shows them."""
    check = zlib.crc32(b"\x01\x07\x04\x00\x00\x02\x00").to_bytes(4, "little")
    assert frames.pack(frames.READ, 7, b"\x00\x00\x02\x00") == (
        b"\x7e\x01\x07\x04\x00\x00\x02\x00" + check + b"\x7e"
    )
    assert frames.pack(1, 0x7E, b"\x7d")[:7] == b"\x7e\x01\x7d\x5e\x01\x7d\x5d"


@pytest.fixture
def silent() -> Iterator[str]:
    """A device behind which nobody answers."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_device_without_a_board(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_link, "PATIENCE", 0.01)
    with pytest.raises(HardwareError, match=r"the board does not answer .* 8 requests") as error:
        serial_link.SerialTransport(silent, 2_000_000)
    assert "load the bitstream" in str(error.value)
    SerialPort(silent, 2_000_000).close()  # it was given back


def test_one_process_has_the_device(silent: str) -> None:
    port = SerialPort(silent, 2_000_000)
    with pytest.raises(DesignError, match="another process uses"):
        SerialPort(silent, 2_000_000)
    port.close()
    port.close()


@pytest.mark.parametrize(("path", "baud", "kind", "message"), [
    ("/dev/ttyNONE", 2_000_000, DesignError, r"/dev/ttyNONE cannot be opened \(No such file"),
    ("/dev/null", 2_000_000, DesignError, "is no serial device"),
    ("/dev/null", 1234, InputError, "1234 baud; expected a rate that this system knows"),
])  # fmt: skip
def test_a_device_that_is_none(path: str, baud: int, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        SerialPort(path, baud)


def test_a_device_that_goes_away() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    port = SerialPort(os.ttyname(slave), 2_000_000)
    os.close(slave)
    os.close(master)
    with pytest.raises(HardwareError, match="the board does not answer"):
        port.read()


def test_a_place() -> None:
    assert parse_place("serial:/dev/ttyUSB0") == Place("serial", "/dev/ttyUSB0")
    assert str(Place("serial", "/dev/ttyUSB0")) == "serial:/dev/ttyUSB0"
    with pytest.raises(FlowInputError, match="the place is 'serial:'"):
        parse_place("serial:")
