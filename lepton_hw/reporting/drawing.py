"""Draws the network as SVG: layers in columns by depth, lanes for branches, rows that wrap.

Draws what it is given and measures no text: boxes are wide enough for the labels of `Box`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

Pair = tuple[str, str]
WIDE, HIGH = 132, 62  # of a box, px
GAP, LANE, GUTTER = 26, 14, 26  # between columns, between lanes, between rows
_MARGIN = 14


@dataclass(frozen=True)
class Box:
    """One box: its unique name, up to three lines, the first bold; `kind` and `marked` style it."""

    name: str
    lines: tuple[str, ...]
    kind: str
    marked: bool = False


@dataclass(frozen=True)
class _Place:
    """Left edge and middle of a box, or of an unnamed point, in px; its row and lane."""

    x: int
    y: int
    row: int
    lane: int


def draw(boxes: Sequence[Box], edges: Iterable[Pair], columns: int, title: str) -> str:
    """One ``<svg>``; `columns` is the number of boxes side by side before a new row begins."""
    edges = tuple(edges)
    levels = _levels([box.name for box in boxes], edges)
    chains = [_through(edge, levels, index) for index, edge in enumerate(edges)]
    lanes = _lanes(levels, chains)
    depth = max(levels.values(), default=0) + 1
    centres, bottoms = _rows(lanes, levels, columns)
    places = {
        name: _Place(
            _MARGIN + level % columns * (WIDE + GAP), centres[level // columns][lane],
            level // columns, lane,
        )
        for level, names in lanes.items()
        for lane, name in enumerate(names)
    }  # fmt: skip
    width = 2 * _MARGIN + min(depth, columns) * (WIDE + GAP) - GAP
    height = max(bottoms.values(), default=_MARGIN) + _MARGIN
    body = [_wire(chain, places, bottoms) for chain in chains]
    body += [_box(box, places[box.name]) for box in boxes]
    return (
        f'<svg role="img" aria-label="{escape(title)}" class="net" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        + "".join(body)
        + "</svg>"
    )


def _levels(names: Sequence[str], edges: Sequence[Pair]) -> dict[str, int]:
    """Longest distance of each box from a source. The names are in topological order."""
    before: dict[str, list[str]] = defaultdict(list)
    for start, end in edges:
        before[end].append(start)
    levels: dict[str, int] = {}
    for name in names:
        levels[name] = max((levels[other] + 1 for other in before[name]), default=0)
    return levels


def _through(edge: Pair, levels: dict[str, int], index: int) -> list[tuple[str, int]]:
    """The edge as (name, level) from level to level; unnamed points stand in between."""
    start, end = edge
    inner = [(f"\0{index}.{n}", n) for n in range(levels[start] + 1, levels[end])]
    return [(start, levels[start]), *inner, (end, levels[end])]


def _lanes(
    levels: dict[str, int], chains: Sequence[Sequence[tuple[str, int]]]
) -> dict[int, list[str]]:
    """Names in each level from top to bottom: boxes first, each near what it comes from."""
    members: dict[int, list[str]] = defaultdict(list)
    before: dict[str, list[str]] = defaultdict(list)
    for name, level in levels.items():
        members[level].append(name)
    for chain in chains:
        for (start, _), (end, level) in pairwise(chain):
            before[end].append(start)
            if end not in levels:
                members[level].append(end)
    lane: dict[str, int] = {}
    ordered: dict[int, list[str]] = {}
    for level in sorted(members):

        def rank(name: str) -> tuple[bool, float]:
            above = [lane[other] for other in before[name]]
            return name not in levels, sum(above) / len(above) if above else 0.0

        ordered[level] = sorted(members[level], key=rank)
        lane.update({name: place for place, name in enumerate(ordered[level])})
    return ordered


def _rows(
    lanes: dict[int, list[str]], levels: dict[str, int], columns: int
) -> tuple[dict[int, list[int]], dict[int, int]]:
    """Middle of each lane by row, and bottom of each row; lanes without a box are narrow."""
    tall: dict[int, list[int]] = defaultdict(list)
    for level, names in sorted(lanes.items()):
        row = tall[level // columns]
        row += [0] * (len(names) - len(row))
        for lane, name in enumerate(names):
            row[lane] = max(row[lane], HIGH if name in levels else 4)
    centres: dict[int, list[int]] = {}
    bottoms: dict[int, int] = {}
    y = _MARGIN
    for number, row in tall.items():
        centres[number] = []
        for height in row:
            centres[number].append(y + height // 2)
            y += height + LANE
        bottoms[number] = y - LANE
        y += GUTTER - LANE
    return centres, bottoms


def _wire(
    chain: Sequence[tuple[str, int]], places: dict[str, _Place], bottoms: dict[int, int]
) -> str:
    """A line from the right of the first box to the left of the last, with an arrow."""
    path: list[str] = []
    for (start, _), (end, _) in pairwise(chain):
        here, there = places[start], places[end]
        x0, y0, x1, y1 = here.x, here.y, there.x, there.y
        # An unnamed point has no box: the line goes on through its place.
        path.append(f"L{x0 + WIDE} {y0}" if path else f"M{x0 + WIDE} {y0}")
        if here.row == there.row:
            middle = x1 - GAP / 2
            path.append(f"C{middle} {y0} {middle} {y1} {x1} {y1}")
            continue
        # To the next row: down at the right of this lane, along the gutter, in from the left.
        shift = 4 * here.lane
        gutter = bottoms[here.row] + GUTTER // 2 + shift - 4
        right, left = x0 + WIDE + 6 + shift, x1 - 7 - 0.4 * shift
        path.append(f"L{right} {y0}L{right} {gutter}L{left} {gutter}L{left} {y1}L{x1} {y1}")
    x, y = places[chain[-1][0]].x, places[chain[-1][0]].y
    arrow = f'<path class="tip" d="M{x} {y}l-7 -4v8z"/>'
    return f'<path class="wire" d="{"".join(path)}"/>{arrow}'


def _box(box: Box, place: _Place) -> str:
    x, y = place.x, place.y - HIGH // 2
    marked = " marked" if box.marked else ""
    corner = 20 if box.kind == "door" else 5
    first = y + HIGH / 2 + 4.5 - 8 * (len(box.lines) - 1)
    text = "".join(
        f'<text x="{x + WIDE // 2}" y="{first + 16 * n:g}" class="{"name" if n == 0 else "more"}">'
        f"{escape(line)}</text>"
        for n, line in enumerate(box.lines)
    )
    return (
        f'<g class="box {escape(box.kind)}{marked}"><rect x="{x}" y="{y}" width="{WIDE}" '
        f'height="{HIGH}" rx="{corner}"/>{text}</g>'
    )
