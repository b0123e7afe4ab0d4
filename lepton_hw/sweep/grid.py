"""``--grid KEY=VALUE,VALUE`` → the points of a sweep, each a whole flow with a name of its own.

Values are read as TOML and checked by the flow itself; nothing is built here.
"""

import difflib
import itertools
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from lepton_hw.artifacts import digest
from lepton_hw.errors import InputError
from lepton_hw.flow import Check, Compile, Data, Flow, Model, Train
from lepton_hw.sweep_results import Value
from lepton_hw.toml_values import Values, validate

Leaf = tuple[str, str]  # table and key
TABLES: dict[str, type[Values]] = {
    "data": Data, "model": Model, "train": Train, "compile": Compile, "check": Check,
}  # fmt: skip
BITS: tuple[Leaf, ...] = (("model", "weight_bits"), ("model", "act_bits"))
#: Folding goals; a flow has one.
GOALS: dict[str, Value | None] = {"target_fps": None, "folding": None, "largest": False}
MOST_POINTS = 1_000
LONGEST_NAME = 80  # of a folder, well below what file systems take
_EXAMPLE = "--grid bits=2,3,4"


@dataclass(frozen=True)
class Axis:
    """One ``--grid``: the key as it was written, the flow's keys that it sets, its values."""

    key: str
    leaves: tuple[Leaf, ...]
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Point:
    """One variation: `values` are those of the grid, `flow` is what is built."""

    name: str
    values: Mapping[str, Value]
    flow: Flow


def parse_grid(texts: Sequence[str], flow: Flow) -> tuple[Axis, ...]:
    """The axes of a grid; raises `InputError` for anything that the flow cannot take."""
    if not texts:
        raise InputError("no --grid was given", "at least one", f"pass for instance {_EXAMPLE}")
    axes = tuple(_axis(text, flow) for text in texts)
    _require_apart(axes)
    for axis in axes:
        for value in axis.values:
            varied(flow, {axis: value})
    return axes


def points_of(axes: Sequence[Axis], flow: Flow) -> tuple[Point, ...]:
    """Every combination of the axes' values, the last axis varying fastest."""
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > MOST_POINTS:
        raise InputError(
            f"--grid has {count:,} points", f"at most {MOST_POINTS:,}", "pass fewer values"
        )
    combinations = [
        dict(zip(axes, values, strict=True))
        for values in itertools.product(*(axis.values for axis in axes))
    ]
    names = _names(flow, combinations)
    return tuple(
        Point(name, {axis.key: value for axis, value in each.items()}, _named(flow, name, each))
        for name, each in zip(names, combinations, strict=True)
    )


def said(values: Mapping[str, Value]) -> str:
    """``bits 2, target_fps 20000``."""
    return ", ".join(f"{key} {_text(value)}" for key, value in values.items())


def varied(flow: Flow, values: Mapping[Axis, Value]) -> Flow:
    """The flow with other values; a folding goal takes the place of the flow's own."""
    tables: dict[str, dict[str, Any]] = {}
    for axis, value in values.items():
        for table, key in axis.leaves:
            inner = tables.setdefault(table, _as_table(getattr(flow, table)))
            if table == "compile" and key in GOALS:
                for goal in GOALS:
                    inner.pop(goal, None)
            inner[key] = value
    whole = {name: getattr(flow, name) for name in flow.model_fields_set} | tables
    where = " ".join(f"--grid {axis.key}={_text(value)}" for axis, value in values.items())
    return validate(whole, Flow, where)


def _axis(text: str, flow: Flow) -> Axis:
    key, equals, listed = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise InputError(f"--grid is '{text}'", "KEY=VALUE,VALUE", f"write for instance {_EXAMPLE}")
    leaves = _leaves(key, flow)
    items = [item.strip() for item in listed.split(",")]
    if not all(items):
        raise InputError(
            f"--grid {key} has an empty value ('{listed}')",
            "values with one comma between two",
            "delete the comma, or write the value",
        )
    values = tuple(_value(item) for item in items)
    for index, value in enumerate(values):
        if value in values[:index]:
            raise InputError(
                f"--grid {key} has the value {_text(value)} twice", "each value once", "delete one"
            )
    return Axis(key, leaves, values)


def _leaves(key: str, flow: Flow) -> tuple[Leaf, ...]:
    if key == "bits":
        leaves: tuple[Leaf, ...] = BITS
    else:
        known = {f"{table}.{name}": (table, name) for table, name in _known()}
        fitting = [known[key]] if key in known else [leaf for leaf in _known() if leaf[1] == key]
        if not fitting:
            raise _unknown(key, flow)
        if len(fitting) > 1:
            dotted = [".".join(leaf) for leaf in fitting]
            raise InputError(f"--grid key '{key}' is not unique", " or ".join(dotted), "write one")
        leaves = tuple(fitting)
    table, name = leaves[0]
    if getattr(flow, table) is None:
        raise InputError(
            f"--grid key '{key}' stands for {table}.{name}, and flow '{flow.name}' is a finished "
            "model without that table",
            "keys of [compile] and [check]",
            f"leave '{key}' out",
        )
    return leaves


def _known() -> list[Leaf]:
    """Every key of a flow's tables that holds one value."""
    return [
        (table, name)
        for table, kind in TABLES.items()
        for name, field in kind.model_fields.items()
        if not _is_list(field.annotation)
    ]


def _is_list(annotation: Any) -> bool:
    inner = get_args(annotation)
    return getattr(annotation, "__origin__", None) is tuple or any(map(_is_list, inner))


def _unknown(key: str, flow: Flow) -> InputError:
    lists = [f"{table}.{name}" for table, kind in TABLES.items() for name in kind.model_fields
             if (table, name) not in _known()]  # fmt: skip
    if any(key in (dotted, dotted.partition(".")[2]) for dotted in lists):
        return InputError(
            f"--grid key '{key}' holds a list", "a key with one value", "write one flow for each"
        )
    open_to = [leaf for leaf in _known() if getattr(flow, leaf[0]) is not None]
    dotted = [".".join(leaf) for leaf in open_to]
    known = (["bits"] if flow.model is not None else []) + dotted
    near = difflib.get_close_matches(key, [*known, *(name for _, name in open_to)], n=1)
    return InputError(
        f"--grid key '{key}' is unknown",
        f"one of {', '.join(known)}",
        f"rename it if you mean '{near[0]}'" if near else "choose one of these",
    )


def _require_apart(axes: Sequence[Axis]) -> None:
    """Refuses two axes that set the same key, or two folding goals."""
    for one, other in itertools.combinations(axes, 2):
        both = [".".join(leaf) for leaf in one.leaves if leaf in other.leaves]
        if both:
            raise InputError(
                f"--grid gives {both[0]} twice, by '{one.key}' and '{other.key}'",
                "each key once",
                "delete one of the two",
            )
    goals = [axis.key for axis in axes if axis.leaves[0][0] == "compile"
             and axis.leaves[0][1] in GOALS]  # fmt: skip
    if len(goals) > 1:
        raise InputError(
            f"--grid has {' and '.join(goals)}, which exclude each other",
            f"one of {', '.join(GOALS)}",
            "delete one of the two",
        )


def _value(item: str) -> Value:
    """The item as TOML reads it; text without quotes is text."""
    try:
        read = tomllib.loads(f"value = {item}")
    except (ValueError, RecursionError):
        return item
    value = read.get("value")
    whole = len(read) == 1 and "#" not in item  # neither a second key nor a comment
    return value if whole and isinstance(value, bool | int | float | str) else item


def _as_table(part: Values) -> dict[str, Any]:
    """What the flow's file had in this table."""
    table = part.model_dump(exclude_unset=True)
    if table.get("fifo_time_limit") is not None:  # the one value with a unit
        table["fifo_time_limit"] = f"{table['fifo_time_limit']:.6f} s"
    return table


def _named(flow: Flow, name: str, values: Mapping[Axis, Value]) -> Flow:
    words = said({axis.key: value for axis, value in values.items()})
    title = f"{flow.title or flow.name}, {words}"
    return varied(flow, values).model_copy(update={"name": name, "title": title})


def _names(flow: Flow, combinations: Sequence[Mapping[Axis, Value]]) -> list[str]:
    """Names that a folder and a flow may have; with a digest where two would be the same."""
    plain = [
        "_".join([flow.name, *(_slug(f"{axis.key}{_text(value)}") for axis, value in each.items())])
        for each in combinations
    ]
    if len(set(plain)) == len(plain) and all(len(name) <= LONGEST_NAME for name in plain):
        return plain
    return [
        f"{name[: LONGEST_NAME - 9]}_{digest({a.key: v for a, v in each.items()})[:8]}"
        for name, each in zip(plain, combinations, strict=True)
    ]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
