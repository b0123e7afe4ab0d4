"""The ``.bit`` file of AMD's tools and of ``xc7frames2bit``: its header, its packets, its frames.

The header is as every reader of such files expects it (fields a to e, lengths before them), the
packets are those of UG470, "Configuration Packets". Nothing in a file is believed before it is
checked, and no length in it makes more memory be taken than the file itself has.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lepton_hw.errors import InputError
from lepton_hw.xc7.device import WORDS, Device, Memory

#: The largest file that is read; the largest device of the boards has 40 MB.
LARGEST = 256 << 20
MAGIC = bytes.fromhex("0009 0ff0 0ff0 0ff0 0ff0 00 0001")
SYNC = bytes.fromhex("aa995566")
#: Registers (UG470, table "Type 1 Packet Registers").
CRC, FAR, FDRI, CMD, MFWR, IDCODE = 0, 1, 2, 4, 10, 12
DESYNC = 13  # value of CMD
#: IDCODE without its revision → device (Zynq-7000: UG585, Zynq UltraScale+: UG1085).
DEVICES = {
    0x03722093: "7z010", 0x03727093: "7z020", 0x0372C093: "7z030", 0x03731093: "7z045",
    0x03736093: "7z100", 0x04710093: "zu3", 0x04720093: "zu5", 0x04730093: "zu7",
}  # fmt: skip
_REVISION = 0xF0000000
_FIELDS = {"a": "design", "b": "part", "c": "date", "d": "time"}
_REMEDY = "build the bitstream again"


@dataclass(frozen=True)
class Bitfile:
    """What a ``.bit`` file says of itself.

    `payload` is what goes to the device; `frame_words` how many words of configuration frames it
    has; `idcode` that of the device it is for, None where it does not say. `crc` is whether the
    device checks a checksum, `compressed` whether frames are written several times over.
    """

    design: str
    part: str
    date: str
    time: str
    payload: bytes
    idcode: int | None
    frame_words: int
    crc: bool
    compressed: bool

    @property
    def device(self) -> str:
        """The device by IDCODE (``"7z020"``); empty for one that is not in `DEVICES`."""
        return DEVICES.get((self.idcode or 0) & ~_REVISION, "")

    @property
    def digest(self) -> str:
        """SHA-256 of the payload, in hex: the same for two builds on different days."""
        return hashlib.sha256(self.payload).hexdigest()


def inspect(path: Path, part: str | None = None) -> Bitfile:
    """Reads and checks a ``.bit`` file; raises `InputError` with what is wrong with it.

    With `part`, the file must be for that part.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # has no end, or waits for one
            raise InputError(f"{path} is a device or a pipe", "a .bit file", "check the path")
        size = path.stat().st_size
        if size > LARGEST:
            raise InputError(
                f"{path} has {size:,} bytes", f"at most {LARGEST:,}", "give a .bit file"
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror})", "a .bit file", "check the path"
        ) from None
    found = parse(data, str(path))
    if part is not None and _bare(found.part) != _bare(part):
        raise InputError(
            f"{path} is for the part {found.part!r}", part, "build it for the other board"
        )
    return found


def parse(data: bytes, name: str = "the file") -> Bitfile:
    """The content of a ``.bit`` file; raises `InputError`, which calls it `name`."""
    fields, payload = _header(data, name)
    idcode, frame_words, crc, compressed = None, 0, False, False
    for register, words in _packets(payload, name):
        if register == IDCODE and len(words) == 1:
            idcode = int(words[0])
        elif register == FDRI:
            frame_words += len(words)
        crc |= register == CRC
        compressed |= register == MFWR
    if not frame_words:
        raise InputError(f"{name} has no configuration frames", "a whole bitstream", _REMEDY)
    found = Bitfile(
        **fields, payload=payload, idcode=idcode, frame_words=frame_words, crc=crc,
        compressed=compressed,
    )  # fmt: skip
    if found.device and not _bare(found.part).startswith(found.device):
        raise InputError(
            f"{name} says that it is for {found.part!r}, but configures a {found.device}"
            f" (IDCODE 0x{found.idcode:08X})",
            "the same device in both",
            _REMEDY,
        )
    return found


def frames(payload: bytes, device: Device, name: str = "the file") -> Memory:
    """The configuration memory that a payload writes, without error-correcting codes.

    Raises `InputError` where it is for another device, or writes frames otherwise than in one
    piece from the first one on, as ``xc7frames2bit`` does.
    """
    address, blocks = 0, []
    for register, words in _packets(payload, name):
        if register == IDCODE and len(words) and (int(words[0]) ^ device.idcode) & ~_REVISION:
            raise InputError(
                f"{name} is for the IDCODE 0x{int(words[0]):08X}",
                f"0x{device.idcode:08X} of {device.part}",
                "use a bitstream for this part",
            )
        if register == FAR and len(words):
            address = int(words[-1])
        elif register == FDRI and len(words):
            blocks.append((address, words))
    padding = 2 * len(device.row_ends())  # two empty frames at the end of each row
    expected = (len(device.addresses) + padding) * WORDS
    if len(blocks) != 1 or blocks[0][0] != device.addresses[0] or len(blocks[0][1]) != expected:
        sizes = ", ".join(f"{len(words):,}" for _, words in blocks) or "no"
        raise InputError(
            f"{name} writes {sizes} words of frames",
            f"{expected:,} in one piece from frame 0x{device.addresses[0]:08X} on",
            "give a bitstream that is whole and not compressed",
        )
    table = blocks[0][1].reshape(-1, WORDS)
    kept = np.ones(len(table), np.bool_)
    for row, end in enumerate(device.row_ends()):
        kept[end + 2 * row : end + 2 * row + 2] = False
    return device.memory(table[kept])


def build(
    payload: bytes,
    design: str,
    part: str,
    date: str = "1970/01/01",
    time: str = "00:00:00",
) -> bytes:
    """A ``.bit`` file around a payload; the same arguments give the same bytes.

    `design` may hold more than a name, as ``"name;Generator=…"``; each field is ASCII.
    """
    fields = zip("abcd", (design, part, date, time), strict=True)
    coded = [(key, value.encode("ascii") + b"\0") for key, value in fields]
    head = b"".join(key.encode() + struct.pack(">H", len(text)) + text for key, text in coded)
    return MAGIC + head + b"e" + struct.pack(">I", len(payload)) + payload


def _header(data: bytes, name: str) -> tuple[dict[str, str], bytes]:
    """Fields a to d by name, and what follows field e."""
    if not data.startswith(MAGIC):
        raise InputError(f"{name} does not begin like a .bit file", "a .bit file", _REMEDY)
    place = len(MAGIC)
    fields = {}
    for key, meaning in _FIELDS.items():
        length = int.from_bytes(data[place + 1 : place + 3], "big")
        text = data[place + 3 : place + 3 + length]
        if data[place : place + 1] != key.encode() or len(text) != length or text[-1:] != b"\0":
            raise InputError(
                f"{name} is damaged in field {key} ({meaning}) of its header",
                "a text and its length",
                _REMEDY,
            )
        fields[meaning] = _printable(text[:-1])
        place += 3 + length
    length = int.from_bytes(data[place + 1 : place + 5], "big")
    payload = data[place + 5 :]
    if data[place : place + 1] != b"e" or len(payload) != length:
        raise InputError(
            f"{name} has {len(payload):,} bytes behind its header",
            f"the {length:,} that the header announces",
            "copy it again, or build it again",
        )
    return fields, payload


def _packets(payload: bytes, name: str) -> Iterator[tuple[int, NDArray[np.uint32]]]:
    """Register and words of every write, up to the command that ends the configuration."""
    start = payload.find(SYNC)
    if start < 0:
        raise InputError(f"{name} has no synchronisation word", "0xAA995566", _REMEDY)
    size = (len(payload) - start) // 4 - 1
    words = np.frombuffer(payload, ">u4", size, start + 4).astype(np.uint32)
    place, register = 0, -1
    while place < size:
        head = int(words[place])
        kind, write = head >> 29, (head >> 27 & 3) == 2
        if kind == 1:
            register, count = head >> 13 & 0x3FFF, head & 0x7FF
        elif kind == 2:
            count = head & 0x7FFFFFF
        else:
            raise _no_packet(name, f"0x{head:08X} is none", place)
        content = words[place + 1 : place + 1 + count]
        if len(content) != count:
            raise _no_packet(name, f"its {count:,} words end after {len(content):,}", place)
        if write:
            yield register, content
            if register == CMD and count and int(content[-1]) == DESYNC:
                return
        place += 1 + count
    raise InputError(f"{name} ends within the configuration", "the command DESYNC", _REMEDY)


def _no_packet(name: str, what: str, place: int) -> InputError:
    return InputError(f"{name}: word {place:,} behind the synchronisation: {what}",
                      "a configuration packet", _REMEDY)  # fmt: skip


def _printable(text: bytes) -> str:
    """Text of a header; what is not printable ASCII becomes a question mark."""
    return "".join(chr(each) if 32 <= each < 127 else "?" for each in text)


def _bare(part: str) -> str:
    """A part as AMD's files call it: in small letters, without ``xc`` and speed grade."""
    return part.lower().removeprefix("xc").partition("-")[0]
