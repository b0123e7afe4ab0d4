"""From configuration memory back to features, and the proof that a bitstream is what FASM asked.

It reads the database by itself, tile by tile, and shares no code with `frames`, so that a mistake
there shows here.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lepton_hw.xc7.database import Database, Shape
from lepton_hw.xc7.device import Memory
from lepton_hw.xc7.fasm import Setting
from lepton_hw.xc7.segbits import Pattern

#: A bitstream of another design differs in millions of bits; nobody reads so many names.
LISTED = 100

Table = NDArray[np.bool_]  # one row a tile, one column a feature


@dataclass(frozen=True)
class Difference:
    """What a bitstream lacks of its FASM (`missing`) and what it has besides (`extra`).

    `missing` names features; `extra` names the features to which unexpected bits belong, or the
    bits themselves where no feature explains them. Both end after `LISTED` names.
    """

    missing: tuple[str, ...]
    extra: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra)


class _Kind:
    """All tiles of one shape that have bits, and their features in a fixed order."""

    def __init__(self, shape: Shape, database: Database) -> None:
        found = database.type_of(shape)
        self._theirs = {name: ours for ours, name in shape.sites}
        self._windows = dict(shape.windows)
        self.labels: list[str] = []
        self.patterns: list[Pattern] = []
        self.columns: dict[tuple[str, int], int] = {}
        for name, pattern in found.single.items():
            self._feature(name, 0, "", pattern)
        for name, elements in found.vectors.items():
            for index, pattern in elements.items():
                self._feature(name, index, f"[{index}]", pattern)
        self.tiles: list[str] = []
        self.rows: dict[str, int] = {}
        self._bases: dict[str, list[int]] = {bus: [] for bus in self._windows}

    def _feature(self, name: str, index: int, suffix: str, pattern: Pattern) -> None:
        """One more column, if the feature is wholly inside tiles of this shape."""
        if pattern.bus in self._windows and self._windows[pattern.bus].holds(pattern):
            site, dot, rest = name.partition(".")
            ours = self._theirs.get(site, site) + dot + rest
            # FASM may use either name of a borrowed site. A single feature comes first and hides an
            # element 0 of the same name.
            for known in {name, ours}:
                self.columns.setdefault((known, index), len(self.patterns))
            self.labels.append(ours + suffix)
            self.patterns.append(pattern)

    def add(self, name: str, bases: dict[str, int]) -> None:
        """One more tile."""
        self.rows[name] = len(self.tiles)
        self.tiles.append(name)
        for bus, base in bases.items():
            self._bases[bus].append(base)

    def bases(self, bus: str) -> NDArray[np.int64]:
        """First position of each tile on a bus, as a column."""
        return np.array(self._bases[bus], np.int64)[:, None]

    def present(self, memory: Memory) -> Table:
        """Which features the memory has: all their ones are 1 and all their zeros 0."""
        table = np.zeros((len(self.tiles), len(self.patterns)), np.bool_)
        for bus, columns in self._by_bus().items():
            used = sorted({bit for column in columns for bit in _bits(self.patterns[column])})
            where = {bit: n for n, bit in enumerate(used)}
            values = memory[self.bases(bus) + np.array(used, np.int64)].T
            for column in columns:
                pattern = self.patterns[column]
                found = values[[where[bit] for bit in pattern.ones]].all(axis=0)
                if pattern.zeros:
                    found &= ~values[[where[bit] for bit in pattern.zeros]].any(axis=0)
                table[:, column] = found
        return table

    def mark(self, table: Table, memory: Memory) -> None:
        """Sets in `memory` every bit that the features of the table set."""
        for column in np.flatnonzero(table.any(axis=0)):
            pattern = self.patterns[column]
            bases = self.bases(pattern.bus)[table[:, column]]
            memory[bases + np.array(pattern.ones, np.int64)] = True

    def name(self, row: int, column: int) -> str:
        """A feature as FASM names it."""
        return f"{self.tiles[row]}.{self.labels[column]}"

    def _by_bus(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for column, pattern in enumerate(self.patterns):
            found.setdefault(pattern.bus, []).append(column)
        return found


def features(memory: Memory, database: Database) -> Iterator[str]:
    """Every feature that the memory has, but those that set no bit; ordered by tile type.

    Features whose bits are part of others' are among them.
    """
    for kind in _kinds(database).values():
        table = kind.present(memory)
        table[:, [not pattern.ones for pattern in kind.patterns]] = False
        for row, column in np.argwhere(table):
            yield kind.name(int(row), int(column))


def undecoded(settings: Iterable[Setting], memory: Memory, database: Database) -> Difference:
    """What did not come back of the settings, and what came besides.

    `settings` are complete (`implied.completed`); `memory` is read from the finished bitstream.
    Every feature that is on must be decoded, and every bit that is 1 must belong to one of them.
    """
    kinds = _kinds(database)
    wanted, missing = _wanted(settings, kinds, database)
    explained = database.device.empty()
    tables: dict[Shape, Table] = {}
    for shape, kind in kinds.items():
        tables[shape] = kind.present(memory)
        if shape in wanted:
            absent = wanted[shape] & ~tables[shape]
            missing += [kind.name(int(row), int(column)) for row, column in np.argwhere(absent)]
            kind.mark(wanted[shape], explained)
    unexpected = memory & ~explained
    extra = _explanations(unexpected, kinds, tables, database)
    return Difference(tuple(missing[:LISTED]), tuple(itertools.islice(extra, LISTED)))


def _kinds(database: Database) -> dict[Shape, _Kind]:
    kinds: dict[Shape, _Kind] = {}
    for name, tile in database.tiles.items():
        if tile.bases:
            if tile.shape not in kinds:
                kinds[tile.shape] = _Kind(tile.shape, database)
            kinds[tile.shape].add(name, tile.bases)
    return kinds


def _wanted(
    settings: Iterable[Setting], kinds: dict[Shape, _Kind], database: Database
) -> tuple[dict[Shape, Table], list[str]]:
    """The features that the settings turn on, as tables, and those that no table can hold."""
    wanted: dict[Shape, Table] = {}
    lost: list[str] = []
    for each in settings:
        tile = database.tiles.get(each.tile)
        if tile is not None and database.is_pseudo(tile.shape, each.name):
            continue
        kind = kinds.get(tile.shape) if tile is not None else None
        if kind is None or tile is None:
            lost += [str(each)] if each.value else []
            continue
        if tile.shape not in wanted:
            wanted[tile.shape] = np.zeros((len(kind.tiles), len(kind.patterns)), np.bool_)
        columns = [
            kind.columns.get((each.name, each.low + index), -1)
            for index in range(each.width)
            if each.value >> index & 1
        ]
        if -1 in columns:
            lost.append(str(each))
        wanted[tile.shape][kind.rows[each.tile], [n for n in columns if n >= 0]] = True
    return wanted, lost


def _explanations(
    unexpected: Memory, kinds: dict[Shape, _Kind], tables: dict[Shape, Table], database: Database
) -> Iterator[str]:
    """Names for bits that nobody asked for: features that they belong to, or their places."""
    if not unexpected.any():
        return
    left = unexpected.copy()
    for shape, kind in kinds.items():
        for column in np.flatnonzero(tables[shape].any(axis=0)):
            pattern = kind.patterns[column]
            if not pattern.ones:
                continue
            positions = kind.bases(pattern.bus) + np.array(pattern.ones, np.int64)
            hits = unexpected[positions].any(axis=1) & tables[shape][:, column]
            left[positions[hits]] = False
            yield from (kind.name(int(row), int(column)) for row in np.flatnonzero(hits))
    yield from (database.device.place(int(place)) for place in np.flatnonzero(left))


def _bits(pattern: Pattern) -> tuple[int, ...]:
    return (*pattern.ones, *pattern.zeros)
