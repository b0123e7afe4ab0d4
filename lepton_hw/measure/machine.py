"""The machine that measures: what somebody must know to repeat the run, and to doubt it.

What it does not show (as virtual machines do not) is said to be unknown.
"""

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path

GOVERNORS = "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor"
UNKNOWN = "unknown: not shown by this machine"
PACKAGES = ("numpy", "torch", "onnxruntime", "brevitas")


def facts(root: Path = Path("/")) -> dict[str, str]:
    """Name → text. `root` is the file system's."""
    found = {
        "processor": processor(root),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0),
        "clock governor": _all(root.glob(GOVERNORS)),
        "temperature": temperature(root),
        "load before": _load(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }  # fmt: skip
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def temperature(root: Path = Path("/")) -> str:
    """The hottest thermal zone, in °C."""
    degrees = []
    for file in root.glob("sys/class/thermal/thermal_zone*/temp"):
        try:
            degrees.append(int(file.read_text()) / 1e3)
        except (OSError, ValueError):
            continue
    return f"{max(degrees):.0f} °C" if degrees else UNKNOWN


def processor(root: Path = Path("/")) -> str:
    """Its maker's name for it."""
    try:
        text = (root / "proc/cpuinfo").read_text()
    except OSError:
        text = ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _all(files: Iterable[Path]) -> str:
    values = set()
    for file in files:
        try:
            values.add(file.read_text().strip())
        except OSError:
            continue
    return ", ".join(sorted(values)) or UNKNOWN


def _load() -> str:
    try:
        return f"{os.getloadavg()[0]:.2f} (mean of a minute)"
    except OSError:
        return UNKNOWN
