"""``python driver.py --bench``: times and power of calls on this board, as JSON; no statistics.

What the figures mean is worked out on the PC that asked, which knows nothing but these numbers.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import DriverError, InputError
from .power import Measurement

if TYPE_CHECKING:
    from .accelerator import Accelerator
    from .power import Rail

WARM_UP, LEAST, MOST = 3, 3, 20_000
#: Fields of a `Profile` that go out, each a list with one value a call.
FIELDS = ("total", "pack", "unpack", "waiting", "busy", "accelerator")


def settings(text: str) -> dict[str, Any]:
    """``{"batches": [1, 2], "seconds": 1.0, "rounds": 3, "idle": 2.0}``, checked."""
    try:
        found = json.loads(text)
        batches = [int(batch) for batch in found["batches"]]
        seconds, rounds = float(found["seconds"]), int(found["rounds"])
        idle = float(found.get("idle", 0.0))
        if not batches or min(batches) < 1 or rounds < 1 or not 0 <= seconds < 3600:
            raise ValueError("a number is out of range")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"--bench has '{text[:80]}' ({error})", "batches, seconds and rounds", "pass them"
        ) from None
    return {"batches": batches, "seconds": seconds, "rounds": rounds, "idle": idle}


def bench(accelerator: Accelerator, codes: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Every batch in every round; frames are those of `codes`, again and again.

    With 0 seconds each batch is run once a round, without warming up: where time is simulated.
    """
    rails = accelerator.power_rails()
    rail = next(iter(rails.values()), None)
    values: dict[str, Any] = {
        "clock_mhz": accelerator.manifest.clock_mhz,
        "rail": "" if rail is None else f"{rail.name} ({rail.source})",
        "idle": _idle(rail, asked["idle"]),
        "rounds": [],
    }
    for _ in range(asked["rounds"]):
        rows = {}
        for batch in asked["batches"]:
            frames = np.resize(np.asarray(codes), (batch, *np.shape(codes)[1:]))
            rows[str(batch)] = _batch(accelerator, frames, asked["seconds"], rail)
        values["rounds"].append(rows)
    values["now"] = time.time()
    return values


def _idle(rail: Rail | None, seconds: float) -> dict[str, Any] | None:
    if rail is None or not seconds:
        return None
    with Measurement(rail) as measured:
        time.sleep(seconds)
    return _figure(measured)


def _batch(
    accelerator: Accelerator, frames: Any, seconds: float, rail: Rail | None
) -> dict[str, Any]:
    for _ in range(WARM_UP if seconds else 0):
        accelerator.infer(frames)
    row: dict[str, Any] = {name: [] for name in FIELDS}
    row["cycles"] = []
    measured = Measurement(rail) if rail is not None else None
    begin, start = time.time(), time.monotonic()
    with measured or contextlib.nullcontext():
        while True:
            profile = accelerator.profile(frames)
            for name in FIELDS:
                row[name].append(getattr(profile, name))
            row["cycles"].append(profile.counters.busy)
            calls = len(row["total"])
            if not seconds or calls >= MOST:
                break
            if calls >= LEAST and time.monotonic() - start >= seconds:
                break
    row["begin"], row["end"] = begin, time.time()
    row["power"] = _figure(measured) if measured is not None else None
    return row


def _figure(measured: Measurement) -> dict[str, Any]:
    figure = measured.figure
    if figure is None:
        raise DriverError("the sensor gave nothing", "samples", "measure again")
    return figure._asdict()
