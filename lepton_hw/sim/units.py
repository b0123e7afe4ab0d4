"""Which C++ files of a simulator are compiled together, and how much each is optimised.

Verilator writes many files, and the compiler takes a second to read the headers of each, so that
small designs are one unit. It compiles nothing.
"""

from dataclasses import dataclass
from pathlib import Path

OPTIMISE = ("-O2", "-fno-plt", "-fno-semantic-interposition")
OPTIMISE_HARNESS = ("-O3", "-fno-plt", "-fno-semantic-interposition")  # its loops are vectors
# Cold code is the design's set-up, run once; optimising it would double the build time.
OPTIMISE_ONCE = ("-O0",)
#: Lines from which a function is long: Verilator splits all but blocks without branches. g++ joins
#: up to four instructions at a time, in time quadratic in their number; two, as its own -Og, take
#: 2 s for a block of 11,600 lines instead of 14, and slowed down the digits CNN by a fiftieth.
LONG = 4_000
JOIN_FEWER = ("--param=max-combine-insns=2",)
#: Lines of C++ up to which a design is one unit, and up to which files share one: about 3 s.
ONE_UNIT = 8_000
UNIT = 6_000
QUICK_UNIT = 20_000


@dataclass(frozen=True)
class Unit:
    """Files that are compiled as one, in this order, and the flags of their optimisation."""

    files: tuple[Path, ...]
    level: tuple[str, ...]
    lines: int


def plan(model: list[Path], harness: Path, *, quick: bool, gcc: bool) -> list[Unit]:
    """Units for Verilator's files and a harness, those that take longest first.

    `quick` is for what runs a few thousand cycles at most: building takes longer than running.
    """
    levels: dict[Path, tuple[str, ...]] = {}
    sizes: dict[Path, int] = {}
    for path in (*sorted(model), harness):
        sizes[path], longest = _lines(path)
        levels[path] = OPTIMISE_ONCE if quick or _is_cold(path) else OPTIMISE
        if gcc and longest >= LONG and levels[path] == OPTIMISE:
            levels[path] += JOIN_FEWER
    room = QUICK_UNIT if quick else UNIT
    if sum(sizes.values()) <= (room if quick else ONE_UNIT):
        return [Unit(tuple(sizes), max(levels.values(), key=len), sum(sizes.values()))]
    if not quick:
        levels[harness] = OPTIMISE_HARNESS
    groups: list[list[Path]] = []
    for path in sorted(sizes, key=lambda path: -sizes[path]):
        for group in groups:
            size = sum(sizes[member] for member in group) + sizes[path]
            if levels[group[0]] == levels[path] and size <= room:
                group.append(path)
                break
        else:
            groups.append([path])
    units = [
        Unit(tuple(group), levels[group[0]], sum(sizes[path] for path in group)) for group in groups
    ]
    return sorted(units, key=lambda unit: (unit.level == OPTIMISE_ONCE, -unit.lines))


def _lines(path: Path) -> tuple[int, int]:
    """Lines of a file, and of its longest function."""
    number, start, longest = 0, 0, 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.startswith(b"}"):
                longest, start = max(longest, number - start), number
    return number, longest


def _is_cold(path: Path) -> bool:
    return "__Slow" in path.name or "__Syms" in path.name
