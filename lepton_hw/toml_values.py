"""Reads a TOML file into a strict pydantic model.

Every mistake (syntax, duplicate, unknown or missing key, wrong type, unit or range) becomes
one `InputError` that names the file, the key, the value and what was expected.
It never fills in, converts or guesses a value.
"""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from lepton_hw.errors import InputError

MAX_BYTES = 1 << 20  # a flow or a board is a page of values; anything larger is not one


class Values(BaseModel):
    """Base of everything read from a file: frozen, strict about types, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _megahertz(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("a frequency with its unit, such as '100 MHz'")
    units = {"hz": 1e-6, "khz": 1e-3, "mhz": 1.0, "ghz": 1e3}
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)", str(value))
    if match is None or match[2].lower() not in units or float(match[1]) <= 0:
        raise ValueError("a frequency with its unit, such as '100 MHz'")
    return float(match[1]) * units[match[2].lower()]


#: A frequency, written in TOML as ``"100 MHz"``; the Python value is in MHz.
Frequency = Annotated[float, BeforeValidator(_megahertz)]

V = TypeVar("V", bound=Values)


def read_toml(path: Path, kind: type[V]) -> V:
    """Returns the file as a `kind`; raises `InputError` for anything that is not exactly that."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror})", "a readable TOML file", "check the path"
        ) from None
    if len(raw) > MAX_BYTES:
        raise InputError(
            f"{path} has {len(raw):,} bytes", f"at most {MAX_BYTES:,}", "pass a flow or board file"
        )
    try:
        text = raw.decode()
        table = tomllib.loads(text)
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text", "a TOML file", "check the path") from None
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from None
    return validate(table, kind, str(path))


def validate(table: dict[str, Any], kind: type[V], where: str) -> V:
    """Turns a plain dict into a `kind`; `where` names the source in the error."""
    # TOML has arrays where Python values are tuples; strict mode would refuse them.
    try:
        return kind.model_validate(_tuples(table))
    except ValidationError as error:
        raise _value_error(where, kind, error.errors()[0]) from None


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return value


def _syntax_error(path: Path, text: str, message: str) -> InputError:
    place = re.search(r"line (\d+)", message)
    line = text.splitlines()[int(place[1]) - 1].strip() if place and text else ""
    number = f" line {place[1]}" if place else ""
    if "overwrite" in message or "twice" in message or "already" in message:
        key = line.strip("[] ").split("=")[0].strip()
        return InputError(
            f"{path}{number}: key '{key}' stands twice ({line})",
            "each key once",
            "delete one of the two",
        )
    return InputError(f"{path}{number}: {line or 'end of file'}", "valid TOML", message.lower())


def _value_error(where: str, kind: type[Values], first: Any) -> InputError:
    key = ".".join(str(part) for part in first["loc"]) or "the file"
    if first["type"] == "missing":
        return InputError(f"{where}: key '{key}' is missing", "every required key", f"add '{key}'")
    if first["type"] == "extra_forbidden":
        known = _keys_beside(kind, first["loc"])
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        remedy = f"did you mean '{near[0]}'?" if near else "remove it"
        return InputError(
            f"{where}: key '{key}' = {first['input']!r} is unknown",
            f"one of {', '.join(known)}",
            remedy.rstrip("?"),
        )
    expected = first["msg"]
    for noise in ("Value error, ", "Input should be ", "Assertion failed, "):
        expected = expected.removeprefix(noise)
    return InputError(f"{where}: key '{key}' is {first['input']!r}", expected, "correct the value")


def _keys_beside(kind: type[Values], location: tuple[Any, ...]) -> list[str]:
    """The keys allowed in the table in which an unknown key was found."""
    here: Any = kind
    for part in location[:-1]:
        field = getattr(here, "model_fields", {}).get(part)
        if field is None:
            return []
        options = [field.annotation, *getattr(field.annotation, "__args__", ())]
        models = [o for o in options if isinstance(o, type) and issubclass(o, BaseModel)]
        if not models:
            return []
        here = models[0]
    return sorted(here.model_fields)
