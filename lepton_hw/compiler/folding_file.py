"""Checks a FINN folding JSON against the graph that it is for: FINN itself skips what it does not
know, and a misspelt layer would silently stay unfolded. It changes nothing.
"""

import difflib
import json
from pathlib import Path
from typing import Any

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.errors import InputError


def read_table(path: Path) -> dict[str, dict[str, Any]]:
    """Attributes by layer; raises `InputError` unless the file is such a table."""
    table = json.loads(path.read_text())
    if not isinstance(table, dict) or any(not isinstance(row, dict) for row in table.values()):
        raise InputError(
            f"the folding file {path} is no table of layers",
            '{"layer": {"PE": 1, "SIMD": 1}, …}',
            "correct it",
        )
    return table


def require_folding(model: ModelWrapper, path: Path) -> None:
    """Raises `InputError` unless every layer and attribute that the file names exists."""
    table = read_table(path)
    nodes = {node.name: node for node in model.graph.node}
    for name, row in table.items():
        if name == "Defaults":
            continue
        if name not in nodes:
            raise _unknown(f"the folding file {path} names layer '{name}'", name, list(nodes))
        op = getCustomOp(nodes[name])
        known = op.get_nodeattr_types()
        for attribute, value in row.items():
            if attribute not in known:
                where = f"the folding file {path} sets '{attribute}' of layer '{name}'"
                raise _unknown(where, attribute, [a for a in FOLDING if a in known])
            require_divisor(path, name, op, attribute, value)


#: Attributes that users fold with; others are possible but not proposed.
FOLDING = ("PE", "SIMD", "parallel_window", "ram_style", "resType", "mem_mode")
#: Attribute → what it must divide, where the layer has that.
WHOLE = {"SIMD": ("MW", "IFMChannels"), "PE": ("MH", "NumChannels", "Channels")}


def _unknown(found: str, name: str, known: list[str]) -> InputError:
    near = difflib.get_close_matches(name, known, n=1)
    remedy = f"write '{near[0]}' if you mean that" if near else "remove it"
    return InputError(found, f"one of {', '.join(known)}", remedy)


def require_divisor(path: Path, layer: str, op: Any, attribute: str, value: Any) -> None:
    """Raises `InputError` unless the layer can be folded like that."""
    for whole in WHOLE.get(attribute, ()):
        if whole not in op.get_nodeattr_types():
            continue
        size = int(op.get_nodeattr(whole))
        if not isinstance(value, int) or value < 1 or size % value:
            raise InputError(
                f"the folding file {path} sets {attribute} of layer '{layer}' to {value}",
                f"a divisor of {size} ({whole})",
                "correct it",
            )
        return
