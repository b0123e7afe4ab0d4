"""The board's folder parses as Python 3.8 and uses nothing newer."""

import ast
from pathlib import Path

import pytest

ONBOARD = Path(__file__).parents[2] / "lepton_hw" / "onboard"
#: Names that Python 3.8 or NumPy 1.17 lacks → the version that brought them.
NEWER = {
    "removeprefix": "3.9", "removesuffix": "3.9", "is_relative_to": "3.9", "with_stem": "3.9",
    "bit_count": "3.10", "pairwise": "3.10", "aiter": "3.10", "file_digest": "3.11",
    "tomllib": "3.11", "StrEnum": "3.11", "Self": "3.11", "batched": "3.12",
    "sliding_window_view": "NumPy 1.20", "bitwise_count": "NumPy 2.0", "randbytes": "3.9",
    "graphlib": "3.9", "zoneinfo": "3.9",
}  # fmt: skip
#: Keyword arguments that came later: (callable, keyword).
KEYWORDS = {("zip", "strict"), ("dataclass", "slots"), ("dataclass", "kw_only")}


@pytest.mark.parametrize("path", sorted(ONBOARD.glob("*.py")), ids=lambda path: path.name)
def test_python_3_8(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text, feature_version=(3, 8))
    assert "from __future__ import annotations" in text or "->" not in text
    for node in ast.walk(tree):
        name = getattr(node, "attr", getattr(node, "id", getattr(node, "name", "")))
        assert name not in NEWER, f"line {node.lineno}: {name} is of {NEWER[name]}"
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            used = {(called, keyword.arg) for keyword in node.keywords}
            assert not used & KEYWORDS, f"line {node.lineno}: {used & KEYWORDS}"
        assert not isinstance(node, ast.Match)
    _no_generic_at_run_time(tree)


def _no_generic_at_run_time(tree: ast.Module) -> None:
    """``list[int]`` and ``X | Y`` only where nothing evaluates them: in annotations."""
    annotations = set()
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                annotations |= {id(inner) for inner in ast.walk(getattr(node, field))}
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            annotations |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and id(node) not in annotations:
            generic = getattr(node.value, "id", "")
            assert generic not in {"list", "dict", "tuple", "set", "type", "deque"}, node.lineno
