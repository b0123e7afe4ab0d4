"""Counters, gauges and histograms as Prometheus reads them (text format 0.0.4), stdlib only.

Threads may share a registry. It measures nothing by itself.
"""

from __future__ import annotations

import math
import threading
from typing import Sequence

#: Bounds of durations in seconds: from a single frame on a board to a client that gives up.
SECONDS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
#: Bounds of a batch in frames.
FRAMES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
#: Content type of `Registry.text`.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric:
    """A counter or a gauge; one value for each combination of labels."""

    def __init__(self, lock: threading.Lock, labels: tuple[str, ...]) -> None:
        self._lock, self._labels = lock, labels
        self._values: dict[tuple[str, ...], float] = {}

    def add(self, value: float = 1, *labels: str) -> None:
        """Counts up."""
        with self._lock:
            self._values[labels] = self._values.get(labels, 0) + value

    def set(self, value: float, *labels: str) -> None:
        """Replaces the value of a gauge."""
        with self._lock:
            self._values[labels] = value

    def samples(self, name: str) -> list[str]:
        """Lines of the text format; the registry holds the lock."""
        if not self._values and not self._labels:
            return [f"{name} 0"]
        return [
            f"{name}{_braces(self._labels, values)} {_number(value)}"
            for values, value in sorted(self._values.items())
        ]


class Histogram:
    """How often a value was at most each of `bounds`, for each combination of labels."""

    def __init__(
        self, lock: threading.Lock, labels: tuple[str, ...], bounds: Sequence[float]
    ) -> None:
        self._lock, self._labels, self._bounds = lock, labels, tuple(bounds)
        self._counts: dict[tuple[str, ...], list[float]] = {}

    def observe(self, value: float, *labels: str) -> None:
        """Counts one value."""
        with self._lock:
            counts = self._counts.setdefault(labels, [0.0] * (len(self._bounds) + 2))
            for place, bound in enumerate(self._bounds):
                counts[place] += value <= bound
            counts[-2] += 1
            counts[-1] += value

    def samples(self, name: str) -> list[str]:
        """Lines of the text format; the registry holds the lock."""
        lines = []
        for values, counts in sorted(self._counts.items()):
            for bound, count in zip((*map(_number, self._bounds), "+Inf"), counts):
                braces = _braces((*self._labels, "le"), (*values, bound))
                lines.append(f"{name}_bucket{braces} {_number(count)}")
            braces = _braces(self._labels, values)
            lines.append(f"{name}_sum{braces} {_number(counts[-1])}")
            lines.append(f"{name}_count{braces} {_number(counts[-2])}")
        return lines


class Registry:
    """All metrics of a process, in the order in which they were made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, str, Metric | Histogram]] = {}

    def counter(self, name: str, text: str, *labels: str) -> Metric:
        """A value that only grows; by custom `name` ends in ``_total``."""
        return self._metric(name, "counter", text, labels)

    def gauge(self, name: str, text: str, *labels: str) -> Metric:
        """A value that comes and goes."""
        return self._metric(name, "gauge", text, labels)

    def histogram(self, name: str, text: str, bounds: Sequence[float], *labels: str) -> Histogram:
        """A distribution over `bounds`, which ascend."""
        made = Histogram(self._lock, labels, bounds)
        self._known[name] = ("histogram", text, made)
        return made

    def _metric(self, name: str, kind: str, text: str, labels: tuple[str, ...]) -> Metric:
        made = Metric(self._lock, labels)
        self._known[name] = (kind, text, made)
        return made

    def text(self) -> str:
        """Everything, as `CONTENT_TYPE`."""
        lines = []
        with self._lock:
            for name, (kind, text, metric) in self._known.items():
                lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *metric.samples(name)]
        return "\n".join(lines) + "\n"


def _braces(names: Sequence[str], values: Sequence[str]) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in zip(names, values))
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
