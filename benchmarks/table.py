"""Prints rows as a table and writes them to ``build/bench/<name>.json``."""

import json
import platform
from pathlib import Path
from typing import Any

from lepton_hw import __version__
from lepton_hw.artifacts import write_atomically


def write(name: str, rows: list[dict[str, Any]]) -> None:
    """One dict a row; all with the same keys."""
    columns = list(rows[0])
    cells = [columns] + [[_text(row[key]) for key in columns] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    machine = {"processor": platform.processor() or platform.machine(), "system": platform.system()}
    text = json.dumps({"version": __version__, "machine": machine, "rows": rows}, indent=1)
    write_atomically(Path("build/bench") / f"{name}.json", text + "\n")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
