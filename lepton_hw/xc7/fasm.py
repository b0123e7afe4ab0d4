"""FASM, the text in which place and route says which features of the device are on.

The grammar is that of the FASM specification (Project X-Ray / F4PGA): one feature a line, with an
optional address range and value, annotations in braces and comments behind ``#``. It knows no
device: whether a feature exists is not asked here.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from lepton_hw.errors import InputError

#: The widest vector that is accepted; the database's widest are contents of memories, 256 bits.
WIDEST = 4096
_BASES = {"b": 2, "o": 8, "d": 10, "h": 16}
_FEATURE = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+", re.ASCII)
_LINE = re.compile(
    r"""(?P<feature>[A-Za-z_]\w*(?:\.\w+)+)
        (?:\[\s*(?P<high>\d{1,9})\s*(?::\s*(?P<low>\d{1,9})\s*)?\])?
        (?:\s*=\s*(?:(?P<width>\d{1,9})?\s*'\s*(?P<base>[bodh])\s*(?P<digits>[0-9A-Fa-f_]+)
                    |(?P<plain>[0-9_]+)))?""",
    re.VERBOSE | re.ASCII,
)


class Setting(NamedTuple):
    """One line: bits `low` and up of a feature of a tile have this value.

    A feature without an address has `low` 0 and `width` 1. `line` counts from 1; 0 for a setting
    that no file has.
    """

    tile: str
    name: str
    low: int
    width: int
    value: int
    line: int

    def __str__(self) -> str:
        if self.width > 1:
            return f"{self.tile}.{self.name}[{self.low + self.width - 1}:{self.low}]"
        return f"{self.tile}.{self.name}" + (f"[{self.low}]" if self.low else "")


def parse(text: str, name: str = "the FASM") -> list[Setting]:
    """All settings in the order of the lines; raises `InputError` with the line's number.

    `name` is what the error calls the text.
    """
    settings = []
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if _FEATURE.fullmatch(bare):  # nine lines of ten
            tile, _, feature = bare.partition(".")
            settings.append(Setting(tile, feature, 0, 1, 1, number))
        elif bare and not bare.startswith("#"):
            settings.extend(_setting(_without_remarks(bare), number, name))
    return settings


def _setting(text: str, number: int, name: str) -> Iterator[Setting]:
    if not text:
        return
    match = _LINE.fullmatch(text)
    if match is None:
        raise _refused(f"{name}, line {number}, is {text[:80]!r}")
    tile, _, feature = match["feature"].partition(".")
    high = int(match["high"] or 0)
    low = int(match["low"]) if match["low"] else high
    width = high - low + 1
    if not 1 <= width <= WIDEST:
        raise _refused(f"{name}, line {number}, has the range [{high}:{low}]")
    try:
        value = _value(match)
    except ValueError:
        raise _refused(f"{name}, line {number}, has the value {match['digits']!r}") from None
    if value >> width:
        raise _refused(f"{name}, line {number}, gives {width} bits the value {value}")
    yield Setting(tile, feature, low, width, value, number)


def _value(match: re.Match[str]) -> int:
    if match["plain"]:
        return int(match["plain"].replace("_", "") or "x")
    if not match["digits"]:
        return 1
    value = int(match["digits"].replace("_", "") or "x", _BASES[match["base"]])
    if match["width"] and value >> min(int(match["width"]), WIDEST):
        raise ValueError
    return value


def _without_remarks(line: str) -> str:
    """A line without its comment and its annotations, whose quoted texts may hold anything."""
    kept, quoted, depth = [], False, 0
    characters = iter(line)
    for character in characters:
        if quoted:
            if character == "\\":
                next(characters, None)
            quoted = character != '"'
        elif character == "#":
            break
        elif character == '"' and depth:
            quoted = True
        elif character in "{}":
            depth += 1 if character == "{" else -1
        elif not depth:
            kept.append(character)
    return line if depth or quoted else "".join(kept).strip()


def _refused(what: str) -> InputError:
    return InputError(
        what,
        "'TILE.FEATURE', 'TILE.FEATURE[7]' or \"TILE.FEATURE[7:0] = 8'b01\", the value no wider",
        "have the place and route tool write it again",
    )
