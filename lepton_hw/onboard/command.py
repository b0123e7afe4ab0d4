"""``python driver.py``: the self-test, and one image, from a shell on the board.

Errors are one sentence and exit code 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .accelerator import Accelerator
from .errors import DesignError, DriverError, HardwareError

VECTORS = "vectors.npz"


def main(arguments: list[str] | None = None, folder: Path = Path(), transport: Any = None) -> int:
    """Exit code; `folder` is that of the deployment."""
    parser = argparse.ArgumentParser(prog="driver.py", description="Runs the design on this board.")
    parser.add_argument("image", nargs="?", help="an image file to classify")
    parser.add_argument("--selftest", action="store_true", help="golden vectors, bit by bit")
    parser.add_argument("--bitfile", default=str(folder / "design.bit"))
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds without any movement")
    chosen = parser.parse_args(arguments)
    if not chosen.selftest and chosen.image is None:
        parser.error("pass an image, or --selftest")
    try:
        with Accelerator(
            chosen.bitfile, timeout=chosen.timeout, transport=transport
        ) as accelerator:
            if chosen.selftest:
                print(selftest(accelerator))
            if chosen.image is not None:
                for label, score in accelerator.classify(chosen.image).ranking[:5]:
                    print(f"{score:10.4f}  {label}")
    except DriverError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def selftest(accelerator: Accelerator) -> str:
    """All golden vectors: the first alone, then two, seven, and all at once; a line of figures.

    Raises `HardwareError` with the first integer that is another one.
    """
    path = accelerator.manifest.folder / VECTORS
    if VECTORS not in accelerator.manifest.files:
        raise DesignError(
            f"design.json lists no {VECTORS}", "golden vectors", "deploy it with vectors"
        )
    with np.load(str(path), allow_pickle=False) as vectors:
        inputs, expected = vectors["inputs"], vectors["outputs"]
    for count in sorted({min(count, len(inputs)) for count in (1, 2, 7, len(inputs))}):
        found = accelerator.infer(inputs[:count])
        wrong = np.argwhere(found != expected[:count])
        if len(wrong):
            index = tuple(int(i) for i in wrong[0])
            raise HardwareError(
                f"the board gives {found[index]} at {index}, in a batch of {count}",
                f"{expected[index]}",
                "report it with this design; its results cannot be trusted",
            )
    seen, design = accelerator.profile(inputs), accelerator.manifest.digest[:12]
    return (
        f"{len(inputs)} of {len(inputs)} vectors identical; {seen.frames_per_second:.0f} frames/s "
        f"with the host, latency {seen.counters.latency} cycles, design {design}"
    )
