"""Reads a TOML file into a strict pydantic model.

Every mistake (syntax, duplicate, unknown or missing key, wrong type, unit or range) becomes
one `InputError` that names the file, the key, the value and what was expected.
It never fills in, converts or guesses a value.
"""

import difflib
import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lepton_hw.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
MAX_BYTES = 1 << 20  # a flow or a board is a page of values; anything larger is not one


class Values(BaseModel):
    """Base of everything read from a file: frozen, strict about types, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


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


def _seconds(value: Any) -> Any:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(s|min|h)", str(value))
    if match is None or float(match[1]) <= 0:
        raise ValueError("a time with its unit, such as '60 s' or '5 min'")
    return float(match[1]) * {"s": 1, "min": 60, "h": 3600}[match[2]]


#: A length of time, written in TOML as ``"60 s"``; the Python value is in seconds.
Duration = Annotated[float, BeforeValidator(_seconds)]

V = TypeVar("V", bound=Values)


def read_toml(path: Path, kind: type[V]) -> V:
    """Returns the file as a `kind`; raises `InputError` for anything that is not exactly that."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror})", "a readable TOML file", "check the path"
        ) from None
    if len(raw) > MAX_BYTES:
        raise InputError(
            f"{path} is too large for a page of values",
            f"at most {MAX_BYTES:,} bytes",
            "pass a flow or board file",
        )
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte {error.start})", "a TOML file", "check the path"
        ) from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from None
    except (ValueError, RecursionError):  # a number of 5,000 digits, 1,000 brackets
        raise _too_large(path) from None
    try:
        return validate(table, kind, str(path))
    except (ValueError, RecursionError):  # 1,000 dots in a key, 5,000 digits in hex
        raise _too_large(path) from None


def _too_large(path: Path) -> InputError:
    return InputError(
        f"{path} holds a number or a nesting that is too large to read",
        "a page of plain values",
        "correct the file",
    )


def validate(table: dict[str, Any], kind: type[V], where: str) -> V:
    """Turns a plain dict into a `kind`; `where` names the source in the error."""
    # TOML has arrays where Python values are tuples; strict mode would refuse them.
    try:
        return kind.model_validate(_tuples(table))
    except ValidationError as error:
        # A misspelt key is both unknown and missing: the unknown one is what the user sees.
        mistakes = sorted(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        raise _value_error(where, table, kind, mistakes[0]) from None


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return value


def _syntax_error(path: Path, text: str, message: str) -> InputError:
    reason, _, place = message.partition(" (at ")
    number = re.search(r"line (\d+)", place)
    line = text.splitlines()[int(number[1]) - 1].strip() if number else "end of file"
    where = f"{path} line {number[1]}" if number else str(path)
    if re.search(r"overwrite|twice|already|Duplicate", reason):
        named = re.search(r"key '(.+)'$", reason)
        key = named[1] if named else re.split(r"[\]=]", line.lstrip("["))[0].strip()
        return InputError(
            f"{where}: key '{key}' stands twice ({_short(line)})",
            "each key once",
            "delete one of the two",
        )
    column = re.search(r"column \d+", place)
    spot = column[0] if column else "the end"
    reason = reason[0].lower() + reason[1:]
    return InputError(f"{where}: {_short(line)}", "valid TOML", f"correct {spot} ({reason})")


def _value_error(where: str, table: dict[str, Any], kind: type[Values], mistake: Any) -> InputError:
    """One sentence for one mistake as pydantic describes it."""
    kind_of, value, parts = mistake["type"], mistake["input"], _path(table, mistake["loc"])
    context = mistake.get("ctx", {})
    if kind_of.startswith("union_tag"):  # the key that says which of several tables this is
        parts = [*parts, context["discriminator"].strip("'")]
        value = context.get("tag")
        kind_of = "missing" if kind_of == "union_tag_not_found" else kind_of
    key = _dotted(parts)
    if kind_of == "missing" and isinstance(parts[-1], int):
        short = _dotted(parts[:-1])
        return InputError(
            f"{where}: key '{short}' is {_shown(value)}", f"{parts[-1] + 1} values", "add the rest"
        )
    if kind_of == "missing":
        return InputError(f"{where}: key '{key}' is missing", "every required key", f"add '{key}'")
    if kind_of == "extra_forbidden":
        known = _keys_beside(kind, mistake["loc"])
        near = difflib.get_close_matches(str(parts[-1]), known, n=1)
        return InputError(
            f"{where}: key '{key}' = {_shown(value)} is unknown",
            f"one of {', '.join(known)}",
            f"rename it if you mean '{near[0]}'" if near else "remove it",
        )
    expected = _expectation(kind_of, mistake["msg"], context)
    if kind_of == "value_error" and isinstance(value, dict):  # the table, not one value in it
        table_name = f"table [{key}]" if parts else "the file"
        keys = ", ".join(map(_short, value)) or "no keys"
        return InputError(f"{where}: {table_name} has {keys}", expected, "change its keys")
    return InputError(f"{where}: key '{key}' is {_shown(value)}", expected, "correct the value")


def _expectation(kind_of: str, message: str, context: dict[str, Any]) -> str:
    """What would have been right, in TOML's words instead of Python's."""
    plain = {
        "int_type": "an integer",
        "float_type": "a number",
        "string_type": "text in quotes",
        "bool_type": "true or false",
        "tuple_type": "a list in [ ]",
        "model_type": "a table of keys",
        "model_attributes_type": "a table of keys",
    }
    if kind_of in plain:
        return plain[kind_of]
    if kind_of == "union_tag_invalid":
        return f"one of {context['expected_tags']}"
    if kind_of == "string_pattern_mismatch":
        return f"text of the form {context['pattern']}"
    expected = message
    for noise in ("Value error, ", "Input should be ", "Assertion failed, "):
        expected = expected.removeprefix(noise)
    return f"a number {expected}" if expected.startswith(("greater", "less")) else expected


def _path(table: dict[str, Any], location: tuple[Any, ...]) -> list[str | int]:
    """The location as it stands in the file: without the names of pydantic's alternatives."""
    parts: list[str | int] = []
    here: Any = table
    for count, part in enumerate(location, 1):
        known = range(len(here)) if isinstance(here, list | tuple) else here
        if isinstance(known, dict | range) and part in known:
            here = here[part]
        elif count < len(location):
            continue
        parts.append(part)
    return parts


def _dotted(parts: list[str | int]) -> str:
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{_short(each)}" for each in parts)
    return text.removeprefix(".")


def _shown(value: Any) -> str:
    """The value as it would stand in the file, shortened."""
    return _short(json.dumps(value, ensure_ascii=False, default=str))


def _short(text: str) -> str:
    words = " ".join(text.split())
    text = "".join(character if character.isprintable() else "\ufffd" for character in words)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _keys_beside(kind: type[Values], location: tuple[Any, ...]) -> list[str]:
    """The keys allowed in the table in which an unknown key was found."""
    here: Any = kind
    for part in location[:-1]:
        fields = getattr(here, "model_fields", {})
        if part in fields:
            models = _models(fields[part].annotation)
        elif isinstance(part, str):  # the tag that chose one of several tables
            models = [each for each in models if part in _tags(each)] or models
        if not models:
            return []
        here = models[0]
    return sorted(here.model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """All models that occur in a type, such as those of ``tuple[A | B, ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for each in get_args(annotation) for model in _models(each)]


def _tags(model: type[BaseModel]) -> list[Any]:
    """The values that the model's literal fields may have."""
    return [tag for field in model.model_fields.values() for tag in get_args(field.annotation)]


class Named(Values):
    """A value whose file is named after it."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")


N = TypeVar("N", bound=Named)


def known(folder: str) -> list[str]:
    """Names of all files of a kind (``boards``, ``flows``), sorted."""
    return sorted({file.stem for path in _folders(folder) for file in path.glob("*.toml")})


def load_named(name: str, kind: type[N], folder: str) -> N:
    """Reads a value by its name or by the path of its file; raises `InputError`.

    Searched are the folder of that name beside the user, then the project's own.
    """
    path = Path(name)
    if path.suffix != ".toml":
        files = [place / f"{name}.toml" for place in _folders(folder)]
        path = next((file for file in files if _is_file(file)), path)
    if not _is_file(path):
        what = kind.__name__.lower()
        raise InputError(
            f"there is no {what} '{name}'",
            f"one of {', '.join(known(folder))}",
            f"pass one of these, or the path of a {what} file",
        )
    value = read_toml(path, kind)
    if value.name != path.stem:
        raise InputError(
            f"{path}: key 'name' is '{value.name}'", f"'{path.stem}', as the file", "rename one"
        )
    return value


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no disk takes, such as one of 1,000 letters
        return False


def _folders(folder: str) -> list[Path]:
    return [path for path in (Path(folder), ROOT / folder) if path.is_dir()]
