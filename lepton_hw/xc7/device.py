"""The configuration memory of one part: its frames in the order of a bitstream, and its IDCODE.

The layout of frame addresses is that of AMD UG470, table "Frame Address Register Description".
It knows no tile and no feature.
"""

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.errors import InputError

Memory = NDArray[np.bool_]

WORDS = 101  # of 32 bits in a frame
FRAME_BITS = 32 * WORDS
#: The word of a frame that holds its error-correcting code, in its 13 lowest bits (UG470).
ECC_WORD, ECC_BITS = 50, 13
#: Name of a configuration bus in the database → block type of a frame address.
BUSES = {"CLB_IO_CLK": 0, "BLOCK_RAM": 1, "CFG_CLB": 2}
_HALVES = {"top": 0, "bottom": 1}


@dataclass(frozen=True)
class Device:
    """One part: `addresses` of all its frames in ascending order, which is that of a bitstream.

    `iobanks` maps the number of an I/O bank to the place of its clock row (``"X113Y26"``).
    """

    part: str
    idcode: int
    addresses: tuple[int, ...]
    iobanks: dict[str, str]

    @functools.cached_property
    def numbers(self) -> dict[int, int]:
        """Address of a frame → its number, counted from 0."""
        return {address: number for number, address in enumerate(self.addresses)}

    def empty(self) -> Memory:
        """Configuration memory of zeros: one bool a bit, frame after frame."""
        return np.zeros(len(self.addresses) * FRAME_BITS, np.bool_)

    def words(self, memory: Memory) -> NDArray[np.uint32]:
        """Memory as 32-bit words: shape (frames, `WORDS`)."""
        packed = np.packbits(memory, bitorder="little")
        return packed.view("<u4").reshape(-1, WORDS).astype(np.uint32)

    def memory(self, words: NDArray[np.uint32]) -> Memory:
        """Words of shape (frames, `WORDS`) as memory, without the error-correcting codes."""
        octets = np.ascontiguousarray(words.astype("<u4")).view(np.uint8)
        bits = np.unpackbits(octets.reshape(-1), bitorder="little").view(np.bool_)
        start = ECC_WORD * 32
        bits.reshape(-1, FRAME_BITS)[:, start : start + ECC_BITS] = False
        return bits

    def memory_of(self, addresses: NDArray[np.uint32], words: NDArray[np.uint32]) -> Memory:
        """Memory in which some frames are given by address and the others are zero.

        Raises `InputError` where the part has no frame at one of the addresses.
        """
        unknown = [int(each) for each in addresses if int(each) not in self.numbers]
        if unknown:
            raise InputError(
                f"{len(unknown)} frames are at addresses as 0x{unknown[0]:08X}",
                f"addresses of {self.part}",
                "use the files of the same part throughout",
            )
        whole = np.zeros((len(self.addresses), WORDS), np.uint32)
        whole[[self.numbers[int(each)] for each in addresses]] = words
        return self.memory(whole)

    def place(self, position: int) -> str:
        """A bit of the memory in words: frame, word and bit."""
        frame, bit = divmod(position, FRAME_BITS)
        return f"bit {bit % 32} of word {bit // 32} in frame 0x{self.addresses[frame]:08X}"

    def row_ends(self) -> tuple[int, ...]:
        """How many frames there are up to the end of each row; two empty ones follow there."""
        rows = [address >> 17 for address in self.addresses]
        last = [n for n in range(1, len(rows)) if rows[n] != rows[n - 1]]
        return (*last, len(rows))


def load(file: Path, part: str) -> Device:
    """The device that a ``part.json`` of Project X-Ray describes; raises `InputError`."""
    try:
        values = json.loads(file.read_text())
        addresses = tuple(sorted(_addresses(values["global_clock_regions"])))
        device = Device(part, int(values["idcode"]), addresses, dict(values["iobanks"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{file} does not describe a part ({type(error).__name__}: {error})",
            "a part.json of Project X-Ray's database",
            "run 'make open-tools' again",
        ) from None
    if not addresses or len(set(addresses)) != len(addresses):
        raise InputError(
            f"{file} lists {len(addresses)} frames, some twice or none",
            "each frame once",
            "run 'make open-tools' again",
        )
    return device


def _addresses(regions: dict[str, Any]) -> Iterator[int]:
    for half, value in regions.items():
        for row, content in value["rows"].items():
            for bus, columns in content["configuration_buses"].items():
                for column, its in columns["configuration_columns"].items():
                    first = (
                        BUSES[bus] << 23 | _HALVES[half] << 22 | int(row) << 17 | int(column) << 7
                    )
                    yield from range(first, first + int(its["frame_count"]))
