"""From settings of features to the configuration frames of a bitstream, and to a ``.frm`` file.

Every feature must be in the database and no bit may be wanted both 0 and 1. It writes no ``.bit``;
error-correcting codes are added by whoever does (``xc7frames2bit``).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lepton_hw.errors import InputError
from lepton_hw.xc7.database import Database, Shape
from lepton_hw.xc7.device import Device, Memory
from lepton_hw.xc7.fasm import Setting
from lepton_hw.xc7.segbits import Pattern

Positions = NDArray[np.int64]


class _Key(NamedTuple):
    """Settings that have the same bits, each in its own tile."""

    shape: Shape
    name: str
    low: int
    width: int


@dataclass
class _Group:
    """The settings of one key, in the order of the text."""

    settings: list[Setting]

    def masks(self, width: int) -> NDArray[np.bool_]:
        """Which bits of the vector are on: shape (settings, width)."""
        size = -(-width // 8)
        octets = b"".join(each.value.to_bytes(size, "little") for each in self.settings)
        table = np.frombuffer(octets, np.uint8).reshape(-1, size)
        return np.unpackbits(table, axis=1, count=width, bitorder="little").view(np.bool_)


def assemble(settings: Iterable[Setting], database: Database) -> Memory:
    """The configuration memory in which exactly these features are on.

    A setting with value 0, and a 0 in a vector, change nothing, as in Project X-Ray's assembler.
    Raises `InputError` for tiles and features that the database lacks, for bits outside of a
    feature's tile, and where two features want a bit differently.
    """
    groups = _grouped(settings, database)
    ones: list[Positions] = []
    zeros: list[Positions] = []
    for key, group in groups.items():
        for positions, wanted in _positions(key, group, database):
            (ones if wanted else zeros).append(positions.reshape(-1))
    memory = database.device.empty()
    for positions in ones:
        memory[positions] = True
    for positions in zeros:
        if memory[positions].any():
            place = int(positions[memory[positions]][0])
            raise _conflict(place, groups, database)
    return memory


def frm(memory: Memory, device: Device) -> str:
    """The text of a ``.frm`` file: ``0xADDRESS 0xWORD,…`` for each frame that is not empty.

    ``xc7frames2bit`` adds the empty ones.
    """
    words = device.words(memory)
    lines = []
    for number in np.flatnonzero(words.any(axis=1)):
        digits = words[number].astype(">u4").tobytes().hex().upper()
        row = ",0x".join(digits[i : i + 8] for i in range(0, len(digits), 8))
        lines.append(f"0x{device.addresses[number]:08X} 0x{row}\n")
    return "".join(lines)


def _grouped(settings: Iterable[Setting], database: Database) -> dict[_Key, _Group]:
    """Settings by key, without those that have no bits; unknown features are refused together."""
    tiles = database.tiles
    groups: dict[_Key, _Group] = {}
    unknown: list[Setting] = []
    for setting in settings:
        tile = tiles.get(setting.tile)
        if tile is None:
            unknown.append(setting)
            continue
        key = _Key(tile.shape, setting.name, setting.low, setting.width)
        group = groups.get(key)
        if group is None:
            groups[key] = _Group([setting])
        else:
            group.settings.append(setting)
    for key in [key for key in groups if database.is_pseudo(key.shape, key.name)]:
        del groups[key]
    for key, group in groups.items():
        unknown += _without_bits(key, group, database)
    if unknown:
        raise _unknown(sorted(unknown, key=lambda each: each.line), database)
    return groups


def _without_bits(key: _Key, group: _Group, database: Database) -> list[Setting]:
    """Settings that turn something on that the database does not know."""
    lacking = [
        index
        for index in range(key.width)
        if database.find(key.shape, key.name, key.low + index) is None
    ]
    if not lacking:
        return []
    wrong = np.flatnonzero(group.masks(key.width)[:, lacking].any(axis=1))
    return [group.settings[index] for index in wrong]


def _positions(key: _Key, group: _Group, database: Database) -> Iterator[tuple[Positions, bool]]:
    """Positions of all bits of a group, as (positions, what they must be)."""
    masks = group.masks(key.width)
    bases = {
        bus: np.array([database.tiles[each.tile].bases[bus] for each in group.settings], np.int64)
        for bus, _ in key.shape.windows
    }
    for index in np.flatnonzero(masks.any(axis=0)):
        pattern = database.find(key.shape, key.name, key.low + int(index))
        assert pattern is not None
        _require_inside(key, pattern, group)
        on = bases[pattern.bus][masks[:, index], None]
        for bits, wanted in ((pattern.ones, True), (pattern.zeros, False)):
            if bits:
                yield on + np.array(bits, np.int64), wanted


def _require_inside(key: _Key, pattern: Pattern, group: _Group) -> None:
    window = dict(key.shape.windows).get(pattern.bus)
    if window is None or not window.holds(pattern):
        raise InputError(
            f"{_named(group.settings[0])} has bits outside of its tile",
            "features of the tile itself",
            "report it, with the FASM: the tool that wrote it or the database is wrong",
        )


def _conflict(place: int, groups: dict[_Key, _Group], database: Database) -> InputError:
    """Names one feature that wants the bit to be 1 and one that wants it 0."""
    names: dict[bool, str] = {}
    for key, group in groups.items():
        for setting in group.settings:
            single = _Group([setting])
            for positions, wanted in _positions(key, single, database):
                if wanted not in names and (positions == place).any():
                    names[wanted] = _named(setting)
    return InputError(
        f"{names[True]} sets {database.device.place(place)}, which {names[False]} clears",
        "features that agree on every bit",
        "report it, with the FASM: the tool that wrote it is wrong",
    )


def _named(setting: Setting) -> str:
    return f"{setting} (line {setting.line})" if setting.line else str(setting)


def _unknown(settings: list[Setting], database: Database) -> InputError:
    first = settings[0]
    more = f" and {len(settings) - 1} more" if len(settings) > 1 else ""
    what = "feature" if first.tile in database.tiles else f"tile {first.tile} on {database.part}"
    return InputError(
        f"{_named(first)}{more} cannot be configured: the database has no such {what}",
        f"features of {database.part}",
        "place and route for the same part, with a database of the same version",
    )
