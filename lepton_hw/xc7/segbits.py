"""The features of one tile type: which bits each of them sets and clears.

Reads the ``segbits_*.db`` and ``ppips_*.db`` files of Project X-Ray's database; what each tile of
the type adds to these positions is `database`'s to know.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from lepton_hw.errors import InputError
from lepton_hw.xc7.device import FRAME_BITS

#: Bus of the configuration → what its file's name has before ``.db``.
FILES = {"CLB_IO_CLK": "", "BLOCK_RAM": ".block_ram"}
_VECTOR = re.compile(r"(.+)\[(\d+)\]")
_BIT = re.compile(r"(!?)(\d+)_(\d+)")


class Pattern(NamedTuple):
    """Bits of a feature on one bus, counted from the first bit of a tile's first frame.

    `ones` must be 1 and `zeros` must be 0 for the feature to be there.
    """

    bus: str
    ones: tuple[int, ...]
    zeros: tuple[int, ...]


@dataclass(frozen=True)
class TileType:
    """Features of a type by name, without the type: single ones, and vectors by index.

    `pseudo` are connections that are always there and have no bits.
    """

    name: str
    single: dict[str, Pattern] = field(default_factory=dict)
    vectors: dict[str, dict[int, Pattern]] = field(default_factory=dict)
    pseudo: frozenset[str] = frozenset()

    def find(self, name: str, index: int) -> Pattern | None:
        """The bits of a feature; one without an index is the same as its element 0."""
        if index == 0 and name in self.single:
            return self.single[name]
        return self.vectors.get(name, {}).get(index)


def load(folder: Path, tile_type: str, bits_of: str) -> TileType:
    """The features of `tile_type`, whose bits are those of type `bits_of` (itself, or an alias).

    A type without files has no features. Raises `InputError` where a file cannot be understood.
    """
    single: dict[str, Pattern] = {}
    vectors: dict[str, dict[int, Pattern]] = {}
    for bus, suffix in FILES.items():
        file = folder / f"segbits_{bits_of.lower()}{suffix}.db"
        for name, words in _lines(file, bits_of):
            pattern = _pattern(bus, words, file)
            vector = _VECTOR.fullmatch(name)
            if vector is None:
                single.setdefault(name, pattern)
            else:
                vectors.setdefault(vector[1], {}).setdefault(int(vector[2]), pattern)
    ppips = _lines(folder / f"ppips_{tile_type.lower()}.db", tile_type)
    return TileType(tile_type, single, vectors, frozenset(name for name, _ in ppips))


def _lines(file: Path, tile_type: str) -> Iterable[tuple[str, list[str]]]:
    """Feature without its tile type, and what follows it, of each line; none without the file."""
    if not file.is_file():
        return
    prefix = f"{tile_type}."
    for number, line in enumerate(file.read_text().splitlines(), 1):
        name, *words = line.split() or [""]
        if not name:
            continue
        if not name.startswith(prefix) or not words:
            raise _damaged(file, f"line {number} is {line[:60]!r}")
        yield name.removeprefix(prefix), words


def _pattern(bus: str, words: list[str], file: Path) -> Pattern:
    ones: list[int] = []
    zeros: list[int] = []
    for word in words:
        match = _BIT.fullmatch(word)
        if match is None:
            raise _damaged(file, f"{word[:30]!r} is not a bit")
        position = int(match[2]) * FRAME_BITS + int(match[3])
        (zeros if match[1] else ones).append(position)
    return Pattern(bus, tuple(ones), tuple(zeros))


def _damaged(file: Path, what: str) -> InputError:
    return InputError(
        f"{file}: {what}",
        "lines 'FEATURE 12_34 !56_78' of Project X-Ray's database",
        "run 'make open-tools' again",
    )
