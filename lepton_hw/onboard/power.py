"""Power and energy, each figure with where it comes from: rail, meter, vendor-estimate or model.

Sensors are read, never set. A figure of one kind never becomes one of another.
"""

from __future__ import annotations

import csv
import threading
import time
from pathlib import Path
from typing import Callable, NamedTuple, Sequence

from .errors import DriverError, InputError

PROVENANCES = ("rail", "meter", "vendor-estimate", "model")
HWMON = Path("/sys/class/hwmon")
#: Columns of a meter's file: seconds, and watts, or volts and amperes.
TIME, POWER, VOLTAGE, CURRENT = "time_s", "power_w", "voltage_v", "current_a"


class Figure(NamedTuple):
    """A mean power over `seconds`; `source` names the sensor, file or tool.

    `samples` is 0 where the figure was not measured here.
    """

    watts: float
    seconds: float
    samples: int
    provenance: str
    source: str

    @property
    def joules(self) -> float:
        """Energy over `seconds`."""
        return self.watts * self.seconds


class Rail(NamedTuple):
    """A sensor of the board; `read` gives watts now."""

    name: str
    source: str
    read: Callable[[], float]


def stated(watts: float, seconds: float, provenance: str, source: str) -> Figure:
    """A figure that somebody else gives, such as a vendor's estimator or a model of ours."""
    if provenance not in ("vendor-estimate", "model"):
        raise InputError(
            f"a stated power with the provenance '{provenance}'",
            "vendor-estimate or model",
            "measure it for rail or meter",
        )
    return Figure(watts, seconds, 0, provenance, source)


def find_rails(names: Sequence[str], root: Path = HWMON) -> dict[str, Rail]:
    """The sensors of these names that exist here: pynq's rails, and the kernel's hwmon.

    Names from a board's sensors.conf are known to pynq only.
    """
    rails = _pynq_rails()
    for name, rail in _hwmon_rails(root).items():
        rails.setdefault(name, rail)
    return {name: rails[name] for name in names if name in rails}


def _pynq_rails() -> dict[str, Rail]:
    try:
        import pynq

        found = pynq.get_rails()
    except Exception:  # whatever libsensors lacks: the board then has no such rails
        return {}
    rails = {}
    for name, rail in found.items():
        if rail.power is not None:
            rails[name] = Rail(name, "pynq.get_rails", _reader(rail.power))
        elif rail.voltage is not None and rail.current is not None:
            rails[name] = Rail(name, "pynq.get_rails", _reader(rail.voltage, rail.current))
    return rails


def _reader(*sensors: object) -> Callable[[], float]:
    def read() -> float:
        watts = 1.0
        for sensor in sensors:
            watts *= float(sensor.value)  # type: ignore[attr-defined]
        return watts

    return read


def _hwmon_rails(root: Path) -> dict[str, Rail]:
    """By label, else by the kernel's name (``power1``, or ``1`` for in1 × curr1)."""
    rails: dict[str, Rail] = {}
    for chip in sorted(root.glob("hwmon*")) if root.is_dir() else []:
        for file in sorted(chip.glob("power*_input")):
            feature = file.name[: -len("_input")]
            name = _label(chip, feature) or feature
            rails.setdefault(name, Rail(name, str(file), _product((file, 1e-6))))
        for file in sorted(chip.glob("curr*_input")):
            number = file.name[len("curr") : -len("_input")]
            volts = chip / f"in{number}_input"
            if volts.exists():
                name = _label(chip, "curr" + number) or number
                read = _product((volts, 1e-3), (file, 1e-3))
                rails.setdefault(name, Rail(name, str(file), read))
    return rails


def _label(chip: Path, feature: str) -> str:
    try:
        return (chip / (feature + "_label")).read_text().strip()
    except OSError:
        return ""


def _product(*files: tuple[Path, float]) -> Callable[[], float]:
    def read() -> float:
        watts = 1.0
        for file, unit in files:
            watts *= int(file.read_text()) * unit
        return watts

    return read


class Measurement:
    """Samples a rail while a ``with`` block runs; `figure` is there behind it."""

    def __init__(self, rail: Rail, interval: float = 0.02) -> None:
        self.figure: Figure | None = None
        self._rail, self._interval = rail, interval
        self._end = threading.Event()
        self._samples: list[tuple[float, float]] = []
        self._failure: BaseException | None = None

    def __enter__(self) -> Measurement:
        self._sample()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        if self._failure is None:
            self._sample()
            self.figure = _mean(self._samples, "rail", "{} ({})".format(*self._rail[:2]))
            return
        raise DriverError(
            f"the sensor {self._rail.name} stopped ({self._failure})",
            "a value for each sample",
            "measure again",
        ) from None

    def _run(self) -> None:
        try:
            while not self._end.wait(self._interval):
                self._sample()
        except Exception as error:  # a thread's error is nobody's; raised at the end of the block
            self._failure = error

    def _sample(self) -> None:
        self._samples.append((time.monotonic(), self._rail.read()))


def read_meter(path: Path, begin: float | None = None, end: float | None = None) -> Figure:
    """Mean power from an external meter's CSV, between two of its own times (s).

    The file's first row names its columns: time_s, and power_w or voltage_v and current_a.
    """
    remedy = "name the columns so in the first row, in s, W, V, A"
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            columns = [name.strip() for name in rows.fieldnames or []]
            rows.fieldnames = columns
            if TIME not in columns or not (
                POWER in columns or (VOLTAGE in columns and CURRENT in columns)
            ):
                raise InputError(
                    "{} has the columns {}".format(path, ", ".join(columns) or "(none)"),
                    "time_s, and power_w or voltage_v and current_a",
                    remedy,
                )
            samples = [(float(row[TIME]), _watts(row)) for row in rows]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({error})", "numbers in every row", remedy
        ) from None
    kept = [
        sample
        for sample in samples
        if (begin is None or sample[0] >= begin) and (end is None or sample[0] <= end)
    ]
    if len(kept) < 2 or any(b[0] <= a[0] for a, b in zip(kept, kept[1:])):
        raise InputError(
            f"{path} has {len(kept)} samples in that time, or times that do not rise",
            "at least two, in order",
            "check the times, which are the meter's own",
        )
    return _mean(kept, "meter", str(path))


def _watts(row: dict[str, str]) -> float:
    return float(row[POWER]) if POWER in row else float(row[VOLTAGE]) * float(row[CURRENT])


def _mean(samples: Sequence[tuple[float, float]], provenance: str, source: str) -> Figure:
    """Trapezoids between samples; the mean of all where no time passed."""
    seconds = samples[-1][0] - samples[0][0]
    if seconds <= 0:
        watts = sum(value for _, value in samples) / len(samples)
        return Figure(watts, 0.0, len(samples), provenance, source)
    joules = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in zip(samples, samples[1:]))
    return Figure(joules / seconds, seconds, len(samples), provenance, source)
