"""An external meter's CSV file, integrated over times of a run; both are on one clock, UTC.

A file without a zone, with gaps, or of another time is refused in words; nothing is shifted.
"""

import csv
from datetime import UTC, datetime
from pathlib import Path

from lepton_hw.errors import InputError
from lepton_hw.measure.power import Energy, Trace, energy, trace

#: Columns: an ISO 8601 time with its zone, or seconds since 1970; watts, or volts and amperes.
TIME, EPOCH, POWER, VOLTAGE, CURRENT = "time", "time_s", "power_w", "voltage_v", "current_a"
COLUMNS = "time (ISO 8601 with a zone) or time_s, and power_w or voltage_v and current_a"
MOST_BYTES = 1 << 28
LATEST = 1e11  # seconds since 1970, in the year 5138; in milliseconds, in 1973


def read(path: Path) -> Trace:
    """The file as a trace in seconds since 1970; raises `InputError`."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path} is larger than 256 MiB", "a meter's file", "cut it")
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            names = [name.strip() for name in rows.fieldnames or []]
            rows.fieldnames = names
            _check(path, names)
            samples = [(_time(path, row), _watts(row)) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error, TypeError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({error})", "numbers in every row", f"its columns are {COLUMNS}"
        ) from None
    return trace(samples, str(path))


def over(power: Trace, begin: float, end: float) -> Energy:
    """Energy between two times in seconds since 1970; `InputError` where the file has none."""
    first, last = float(power.times[0]), float(power.times[-1])
    if end <= first or begin >= last:
        apart = (begin - first) / 3600
        raise InputError(
            f"{power.source} is of {_utc(first)} to {_utc(last)} UTC and the run of {_utc(begin)} "
            f"to {_utc(end)}, {abs(apart):.1f} h {'later' if apart > 0 else 'earlier'}",
            "samples of the same time",
            "set the meter's clock and zone, or pass the file of this run",
        )
    return energy(power, begin, end)


def _check(path: Path, names: list[str]) -> None:
    timed = TIME in names or EPOCH in names
    if not timed or not (POWER in names or (VOLTAGE in names and CURRENT in names)):
        raise InputError(
            f"{path} has the columns {', '.join(names) or '(none)'}",
            COLUMNS,
            "name the columns so in the first row",
        )


def _time(path: Path, row: dict[str, str]) -> float:
    if EPOCH in row:
        seconds = float(row[EPOCH])
        if not 0 <= seconds < LATEST:
            raise InputError(
                f"{path} has the {EPOCH} {row[EPOCH]}, which is no time in seconds",
                "seconds since 1970, such as 1769860800 for noon of 2026-01-31",
                "divide it by 1000 if these are milliseconds",
            )
        return seconds
    stamp = datetime.fromisoformat(row[TIME].strip())
    if stamp.tzinfo is None:
        raise InputError(
            f"{path} has the time '{row[TIME]}' without a zone",
            "ISO 8601 with one, such as 2026-01-31T12:00:00+01:00",
            "write the zone, or seconds since 1970 as time_s",
        )
    return stamp.timestamp()


def _watts(row: dict[str, str]) -> float:
    return float(row[POWER]) if POWER in row else float(row[VOLTAGE]) * float(row[CURRENT])


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
