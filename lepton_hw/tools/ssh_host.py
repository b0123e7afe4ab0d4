"""The address of a board as a user writes it: ``[user@]host[:port]``.

What is no such address is refused here, so that no part of it can be an option of ssh or a word
that a shell obeys. It connects to nothing.
"""

import ipaddress
import re
from typing import NamedTuple

from lepton_hw.errors import InputError

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_-]+)*")


class Host(NamedTuple):
    """Where a board is; what is None is left to ssh and its configuration."""

    name: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        user = f"{self.user}@" if self.user else ""
        return f"{user}{name}:{self.port}" if self.port else f"{user}{name}"


def parse_host(text: str) -> Host:
    """``[user@]host[:port]``, with an IPv6 address in brackets; raises `InputError`."""
    user, at, rest = text.rpartition("@")
    match = re.fullmatch(r"\[([^\[\]]*)\](?::(.*))?|([^:]*)(?::(.*))?", rest, re.DOTALL)
    brackets, port6, name, port4 = match.groups() if match else (None, None, "", None)
    port = port6 if brackets is not None else port4
    if ":" in user:  # the text is not repeated: a password would be in a log then
        raise InputError(
            "the host's user part holds a ':'", "[user@]host[:port], never a password",
            "use a key or an agent",
        )  # fmt: skip
    good_name = _is_ipv6(brackets) if brackets is not None else _NAME.fullmatch(name or "")
    good_user = not at or _USER.fullmatch(user)
    good_port = port is None or (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 1 << 16)
    if not (good_name and good_user and good_port):
        raise InputError(
            f"the host is {text!r}", "[user@]host[:port], as in xilinx@192.168.2.99",
            "correct it; an IPv6 address stands in brackets",
        )  # fmt: skip
    return Host(brackets or name, user or None, int(port) if port else None)


def _is_ipv6(text: str) -> bool:
    if not re.fullmatch(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?", text):
        return False
    try:
        ipaddress.IPv6Address(text.partition("%")[0])
    except ValueError:
        return False
    return True
