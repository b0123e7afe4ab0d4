"""Features that a bitstream needs although place and route does not write them.

Two kinds, both found by Project X-Ray's authors in the vendor's bitstreams: those that the database
lists for a part, and the step-down of a whole I/O bank that runs below 2.5 V.
"""

from collections.abc import Iterable

from lepton_hw.errors import InputError
from lepton_hw.xc7.database import Database
from lepton_hw.xc7.fasm import Setting, parse

STEPDOWN = "STEPDOWN"


def completed(settings: list[Setting], database: Database) -> list[Setting]:
    """The settings, and those that they imply on this part; raises `InputError`.

    Added settings have line 0.
    """
    required = parse(database.required_features(), f"{database.part}'s required features")
    whole = [*settings, *(each._replace(line=0) for each in required)]
    return [*whole, *_stepdowns(whole, database)]


def _stepdowns(settings: Iterable[Setting], database: Database) -> list[Setting]:
    """Step-down for every unused pin and the clock row of a bank in which one pin has it."""
    used: set[tuple[str, str]] = set()
    tags: dict[str, set[str]] = {}
    for each in settings:
        if "IOB33" not in each.tile or not each.value:
            continue
        site, _, tag = each.name.partition(".")
        used.add((each.tile, site))
        if STEPDOWN in tag:
            tags.setdefault(_bank(each, database), set()).add(tag)
    added = []
    for bank, wanted in sorted(tags.items()):
        for name in sorted(database.bank_tiles[bank]):
            if "HCLK_IOI3" in name:
                added.append(Setting(name, STEPDOWN, 0, 1, 1, 0))
            elif "IOB33" in name:
                added += [
                    Setting(name, f"{site}.{tag}", 0, 1, 1, 0)
                    for site in _pads(database, name)
                    for tag in sorted(wanted)
                    if (name, site) not in used
                ]
    return added


def _bank(setting: Setting, database: Database) -> str:
    for bank, tiles in database.bank_tiles.items():
        if setting.tile in tiles:
            return bank
    raise InputError(
        f"{setting} is on no I/O bank of {database.part}",
        "a pin that the package has",
        "choose another pin in the constraints",
    )


def _pads(database: Database, tile: str) -> list[str]:
    """Names of a tile's pads in features: even rows are ``IOB_Y0``, odd ones ``IOB_Y1``."""
    known = database.tiles.get(tile)
    return [f"IOB_Y{int(site[-1]) % 2}" for site in known.sites] if known else []
