"""Project X-Ray's database for one part: where each tile's bits are, and what they mean.

Files are read when they are first needed and never changed.
"""

import csv
import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lepton_hw.errors import InputError
from lepton_hw.xc7 import device, segbits
from lepton_hw.xc7.device import FRAME_BITS, Device
from lepton_hw.xc7.segbits import Pattern, TileType


class Window(NamedTuple):
    """The part of a frame column that belongs to tiles of one shape.

    A feature's bits lie in `frames` frames, and in the words `first` to `first + words - 1` as
    the feature counts them (`first` is above 0 only for half tiles that borrow another type).
    """

    frames: int
    first: int
    words: int

    def holds(self, pattern: Pattern) -> bool:
        """Whether all bits of a feature are inside."""
        for position in (*pattern.ones, *pattern.zeros):
            frame, bit = divmod(position, FRAME_BITS)
            if frame >= self.frames or not self.first <= bit // 32 < self.first + self.words:
                return False
        return True


@dataclass(frozen=True, eq=False)
class Shape:
    """What tiles have in common whose features have the same bits: type, windows and site names.

    `sites` maps the names of sites in a borrowed type's features: ours → theirs. There is one
    object a shape, so that comparing two is comparing their addresses.
    """

    type: str
    bits_of: str
    windows: tuple[tuple[str, Window], ...]
    sites: tuple[tuple[str, str], ...]


class Tile(NamedTuple):
    """One tile: `bases` maps a bus to the position in memory that its features count from."""

    shape: Shape
    bases: dict[str, int]
    sites: tuple[str, ...]


class Database:
    """The tiles of a part and their features.

    `folder` holds one family (``…/database/zynq7``). Raises `InputError` for a part that the
    database lacks.
    """

    def __init__(self, folder: Path, part: str) -> None:
        self.folder, self.part = folder, part
        self.part_folder = folder / part
        if not (self.part_folder / "part.json").is_file():
            known = sorted(file.parent.name for file in folder.glob("*/part.json"))
            raise InputError(
                f"{folder} has no part {part}",
                f"one of {', '.join(known)}" if known else "Project X-Ray's database",
                "choose another part" if known else "run 'make open-tools'",
            )
        self.device: Device = device.load(self.part_folder / "part.json", part)
        self._types: dict[tuple[str, str], TileType] = {}

    @functools.cached_property
    def tiles(self) -> dict[str, Tile]:
        """Every tile of the fabric by name, those without bits too."""
        file = self.folder / _fabric(self.folder, self.part) / "tilegrid.json"
        try:
            grid = json.loads(file.read_text())
            shapes: dict[tuple[Any, ...], Shape] = {}
            return {name: self._tile(values, shapes) for name, values in grid.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{file} does not describe a fabric ({type(error).__name__}: {error})",
                "a tilegrid.json of Project X-Ray's database",
                "run 'make open-tools' again",
            ) from None

    def type_of(self, shape: Shape) -> TileType:
        """The features of tiles of this shape."""
        key = (shape.type, shape.bits_of)
        if key not in self._types:
            self._types[key] = segbits.load(self.folder, *key)
        return self._types[key]

    def find(self, shape: Shape, name: str, index: int) -> Pattern | None:
        """The bits of a feature of a tile; None where its type has no such feature."""
        return self.type_of(shape).find(_renamed(shape, name), index)

    def is_pseudo(self, shape: Shape, name: str) -> bool:
        """Whether a feature is a connection that is always there."""
        return name in self.type_of(shape).pseudo

    def required_features(self) -> str:
        """FASM that every bitstream of the part needs; empty for most parts."""
        file = self.part_folder / "required_features.fasm"
        return file.read_text() if file.is_file() else ""

    @functools.cached_property
    def bank_tiles(self) -> dict[str, set[str]]:
        """I/O bank → its tiles: those of its pins, and the clock row's that sets its voltage."""
        banks: dict[str, set[str]] = {}
        for bank, place in self.device.iobanks.items():
            banks.setdefault(bank, set()).add(f"HCLK_IOI3_{place}")
        file = self.part_folder / "package_pins.csv"
        try:
            with file.open(newline="") as lines:
                for pin in csv.DictReader(lines):
                    banks.setdefault(pin["bank"], set()).add(pin["tile"])
        except (OSError, KeyError) as error:
            raise InputError(
                f"{file} does not list the pins ({type(error).__name__}: {error})",
                "a package_pins.csv of Project X-Ray's database",
                "run 'make open-tools' again",
            ) from None
        return banks

    def _tile(self, values: dict[str, Any], shapes: dict[tuple[Any, ...], Shape]) -> Tile:
        windows, bases, sites, bits_of = [], {}, {}, str(values["type"])
        for bus, bits in values.get("bits", {}).items():
            alias = bits.get("alias")
            first = alias["start_offset"] if alias else 0
            if alias:
                bits_of = alias["type"]
                sites.update(alias["sites"])
            windows.append((bus, Window(int(bits["frames"]), int(first), int(bits["words"]))))
            frame = self.device.numbers[int(bits["baseaddr"], 0)]
            bases[bus] = frame * FRAME_BITS + 32 * (bits["offset"] - first)
        key = (str(values["type"]), bits_of, tuple(windows), tuple(sorted(sites.items())))
        shape = shapes.setdefault(key, Shape(*key))
        return Tile(shape, bases, tuple(values.get("sites", {})))


def _renamed(shape: Shape, name: str) -> str:
    """A feature as the type calls it that its tile's bits are borrowed from."""
    if not shape.sites:
        return name
    site, dot, rest = name.partition(".")
    return dict(shape.sites).get(site, site) + dot + rest


def _fabric(folder: Path, part: str) -> str:
    """The folder of a part's fabric, by the database's two tables of names."""
    found = _table(folder / "mapping" / "parts.yaml", "device").get(part, "")
    return _table(folder / "mapping" / "devices.yaml", "fabric").get(found, found)


def _table(file: Path, key: str) -> dict[str, str]:
    """``name:`` lines, each with a ``key: value`` below: a small part of YAML, and all there is."""
    table, name = {}, ""
    for line in file.read_text().splitlines() if file.is_file() else ():
        head = re.fullmatch(r"[\"']?([\w.-]+)[\"']?:\s*", line)
        entry = re.fullmatch(rf"\s+{key}:\s*[\"']?([\w.-]+)[\"']?\s*", line)
        if head:
            name = head[1]
        elif entry:
            table[name] = entry[1]
    return table
