"""Reads the port list of a (System)Verilog module with an ANSI header; elaborates nothing."""

import re

from lepton_hw.errors import StageError

#: What may hold brackets and commas that mean nothing: comments, attributes, strings, directives.
NOISE = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\(\*(?!\)).*?\*\)|^[ \t]*`[^\n]*', re.S | re.M
)
PORT = re.compile(r"(?:(input|output|inout)\b)?.*?(\w+)\s*(?:=.*)?$", re.S)
OPENING, CLOSING = "([{", ")]}"


def has_module(text: str, module: str) -> bool:
    """Whether the text defines the module."""
    return _start(NOISE.sub(" ", text), module) is not None


def ports(text: str, module: str) -> dict[str, str]:
    """Port name → direction of a module with an ANSI header; raises `StageError` if not found."""
    plain = NOISE.sub(" ", text)
    start = _start(plain, module)
    lists = _bracketed(plain, start.end()) if start is not None else []
    if not lists:
        raise StageError(
            f"no header of module {module} in its file", "an ANSI port list", "report this kernel"
        )
    result: dict[str, str] = {}
    direction = ""
    for piece in _pieces(lists[-1]):
        declared = re.sub(r"\[[^][]*\]", " ", piece).strip()
        match = PORT.match(declared)
        if match is None:
            continue
        direction = match[1] or direction
        result[match[2]] = direction
    return result


def _start(plain: str, module: str) -> re.Match[str] | None:
    return re.search(rf"\bmodule\s+{re.escape(module)}\b(?:\s*import\b[^;]*;)*", plain)


def _bracketed(text: str, position: int) -> list[str]:
    """The insides of the round brackets up to the semicolon: parameters, if any, then ports."""
    found, depth, begin = [], 0, 0
    for index in range(position, len(text)):
        character = text[index]
        if character in OPENING:
            depth += 1
            begin = index + 1 if depth == 1 else begin
        elif character in CLOSING:
            depth -= 1
            if depth == 0:
                found.append(text[begin:index])
        elif character == ";" and depth == 0:
            break
    return found


def _pieces(text: str) -> list[str]:
    """The text between the commas that stand in no bracket."""
    pieces, depth = [""], 0
    for character in text:
        depth += (character in OPENING) - (character in CLOSING)
        if character == "," and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += character
    return [piece for piece in pieces if piece.strip()]
