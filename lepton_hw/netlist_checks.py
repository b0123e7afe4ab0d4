"""What must hold of a netlist before anything trusts it: nothing may be lost on the way to it.

It compares with what Yosys read and with the files of memory contents; whether the netlist
computes the right thing is for simulation to say.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from lepton_hw.errors import StageError
from lepton_hw.netlist import Cell, Netlist

_REPORT = "report this, with the design and the log"


def check_rtl(modules: Mapping[str, Netlist], data: Mapping[str, Path]) -> None:
    """Every file of memory contents must have arrived in a memory, word by word.

    `modules` is the design as read, before any synthesis. Raises `StageError`.
    """
    memories = [_contents(cell) for cell in _cells(modules) if cell.type.startswith("$meminit")]
    for name, path in data.items():
        words = read_words(path)
        if not any(_same(words, memory) for memory in memories):
            raise StageError(
                f"no memory of the design starts with the {len(words)} words of {name}",
                "each file of memory contents in a memory",
                _REPORT,
            )


def check_netlist(
    netlist: Netlist,
    modules: Mapping[str, Netlist],
    contents: Mapping[str, str],
    dsp: bool,
    multipliers: tuple[str, ...],
) -> None:
    """The netlist has cells of the family only, with their contents, and black boxes as written.

    `modules` is the design as read; `contents` maps cells to the parameter that they cannot do
    without; `multipliers` are allowed only with `dsp`. Raises `StageError`.
    """
    for cell in netlist.cells:
        needed = contents.get(cell.type)
        if cell.type.startswith("$"):
            raise StageError(f"Yosys left a cell {cell.type}", "cells of the device only", _REPORT)
        if cell.type in multipliers and not dsp:
            raise StageError(
                f"the netlist has a {cell.type}, which the open tools do not set up rightly",
                "multiplications in LUTs",
                "fold with resType 'lut'",
            )
        if needed is not None and needed not in cell.parameters:
            raise StageError(
                f"{cell.type} {cell.name} has lost its parameter {needed}",
                "every cell with its contents",
                _REPORT,
            )
    boxes = {name for name, module in modules.items() if module.is_box}
    before = _settings(cell for cell in _cells(modules) if cell.type in boxes)
    after = _settings(cell for cell in netlist.cells if cell.type in boxes)
    for kind, parameters in before - after:
        raise StageError(
            f"a {kind} does not have the parameters {dict(parameters)} that its source gives it",
            "black boxes as the sources set them",
            _REPORT,
        )


def read_words(path: Path) -> list[int]:
    """The words of a ``$readmemh`` file without addresses; raises `StageError` for another one."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", path.read_text(), flags=re.DOTALL)
    try:
        return [int(word.replace("_", ""), 16) for word in text.split()]
    except ValueError as error:
        raise StageError(
            f"{path} has a word that is not hexadecimal ({error})",
            "words as $readmemh reads them",
            "run 'lepton stitch' again",
        ) from None


def _cells(modules: Mapping[str, Netlist]) -> Iterator[Cell]:
    for module in modules.values():
        yield from module.cells


def _contents(cell: Cell) -> tuple[int, list[int]]:
    """Width of a memory and the words it starts with; undefined bits are 0."""
    width = int(cell.parameters["WIDTH"], 2)
    bits = "".join("1" if bit == "1" else "0" for bit in reversed(cell.connections["DATA"]))
    words = [int(bits[at : at + width], 2) for at in range(0, len(bits), width)]
    return width, words[::-1]


def _same(words: list[int], memory: tuple[int, list[int]]) -> bool:
    width, held = memory
    mask = (1 << width) - 1
    return len(words) == len(held) and all(a & mask == b for a, b in zip(words, held, strict=True))


def _settings(cells: Iterator[Cell]) -> Counter[tuple[str, tuple[tuple[str, str], ...]]]:
    return Counter((cell.type, tuple(sorted(cell.parameters.items()))) for cell in cells)
