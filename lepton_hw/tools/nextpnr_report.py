"""What nextpnr says for every family of FPGAs: its report, the best of several seeds, refusals."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lepton_hw.errors import StageError

_USED = re.compile(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%$", re.MULTILINE)
_ERROR = re.compile(r"^ERROR: (.+)$", re.MULTILINE)
HOLD = re.compile(r"^Info: (\d+) Hold/min time violations", re.MULTILINE)
NO_ROOM = re.compile(r"no BELs remaining to implement cell type '([^']+)'")


@dataclass(frozen=True)
class Clock:
    """One clock net: MHz that the routed design reaches, and MHz that was asked for."""

    name: str
    achieved: float
    asked: float


@dataclass(frozen=True)
class Run:
    """What one run made: clocks, cells by nextpnr's names as (used, available), hold violations.

    A design with a path that is too fast for what it ends in works at no clock.
    """

    seed: int
    clocks: tuple[Clock, ...]
    used: dict[str, tuple[int, int]]
    hold: int

    @property
    def mhz(self) -> float:
        """The slowest clock in MHz; 0 for a design without one."""
        return min((clock.achieved for clock in self.clocks), default=0.0)

    def reaches(self, mhz: float) -> bool:
        """Whether this clock is met, and no path is too fast."""
        return not self.hold and self.mhz >= mhz

    @property
    def violations(self) -> str:
        """The hold violations in words, after 'at least'."""
        return str(self.hold)


R = TypeVar("R", bound=Run)


def best(routed: Sequence[R]) -> R:
    """The run whose slowest clock is fastest, of those without hold violations.

    Equal runs: the lower seed. Raises `StageError` where every run has a violation.
    """
    sound = [each for each in routed if not each.hold]
    if not sound:
        least = min(routed, key=lambda each: each.hold, default=None)
        where = f", at least {least.violations}" if least else ""
        raise StageError(
            f"each of {len(routed)} seeds has paths that are too fast{where}",
            "one without hold violations",
            "try more seeds",
        )
    return max(sound, key=lambda each: (each.mhz, -each.seed))


def resources(
    used: Mapping[str, tuple[int, int]], shares: Mapping[str, tuple[str, float]]
) -> dict[str, float]:
    """Use by the names of board files; `shares`: nextpnr's name → that name, and how many of it."""
    found: dict[str, float] = {}
    for cell, (name, share) in shares.items():
        found[name] = found.get(name, 0.0) + share * used.get(cell, (0, 0))[0]
    return found


def parse_report(text: str, remedy: str) -> tuple[tuple[Clock, ...], dict[str, tuple[int, int]]]:
    """Clocks, and cells as (used, available), of the JSON report; raises `StageError`."""
    try:
        values = json.loads(text)
        clocks = tuple(
            Clock(str(name), float(each["achieved"]), float(each["constraint"]))
            for name, each in sorted(values["fmax"].items())
        )
        used = {
            str(name): (int(each["used"]), int(each["available"]))
            for name, each in values["utilization"].items()
        }
        if not all(math.isfinite(each.achieved) and each.achieved > 0 for each in clocks):
            raise ValueError("a clock is not a positive number")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StageError(
            f"nextpnr's report cannot be understood ({type(error).__name__}: {error})",
            "'fmax' with 'achieved', and 'utilization'",
            remedy,
        ) from None
    return clocks, used


def utilisation(log: str) -> dict[str, tuple[int, int]]:
    """Cells as (used, available) by the table in the log, which is there for refused designs too.

    A use may be above what is available.
    """
    return {name: (int(used), int(all_)) for name, used, all_ in _USED.findall(log)}


def too_large(table: Mapping[str, tuple[int, int]], less: str) -> StageError | None:
    """The resource that is shortest by this table; `less` says how to need less of it."""
    full = [(used / all_, name) for name, (used, all_) in table.items() if all_ and used > all_]
    if not full:
        return None
    name = max(full)[1]
    used, available = table[name]
    return StageError(
        f"the design does not fit: it needs {used:,} {name}",
        f"at most {available:,}",
        f"{less}, or choose a larger board",
    )


def crowded(table: Mapping[str, tuple[int, int]], less: str) -> StageError:
    """A design that fits by this table and still found no place."""
    shares = sorted(
        ((used / all_, name) for name, (used, all_) in table.items() if all_ > 1), reverse=True
    )
    fullest = ", ".join(f"{share:.0%} of {name}" for share, name in shares[:2])
    return StageError(
        f"the design cannot be placed although it would fit ({fullest})",
        "room to place it",
        f"{less}, or try another seed",
    )


def failed(log: str, code: int, file: Path, crash: re.Pattern[str] = _ERROR) -> StageError:
    """Any other failure, in nextpnr's words: what `crash` finds, else its first error."""
    said = crash.search(log) or _ERROR.search(log)
    reason = said[1] if said else f"exit code {code} and no error message"
    return StageError(
        f"nextpnr failed: {reason.strip().rstrip('.')}", "a routed design", f"read {file}"
    )
