"""``make bench-card``: the exact integer path on a CUDA card, batch by batch.

Images a second with and without the way to the card and back, and how long a single image takes;
plain, as CUDA graph, and through torch.compile. Each must give the integers of the CPU, and so
must every operator by itself (`benchmarks.card_ops`).
``STORE=1`` writes what was measured to ``docs/measurements``. `benchmarks.card_case` makes
what is run; ``--device cpu`` tries the benchmark itself.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import card_case, card_ops
from benchmarks.card_case import Case
from benchmarks.table import write
from lepton_hw import __version__, reference
from lepton_hw.artifacts import write_atomically
from lepton_hw.devices import cards
from lepton_hw.errors import LeptonError
from lepton_hw.executors.phases import finished
from lepton_hw.measure import machine
from lepton_hw.measure.latency import Latency, repeat, summary, warm_up
from lepton_hw.reference.graph import Graph
from lepton_hw.reference.reference import Reference

BATCHES = (1, 16, 256, 1024, 4096, 8192)
#: How the network is started: options of `Reference`, and the batches for which that is tried. A
#: graph of launches is for small ones, and a compilation tries many kernels for each layer.
WAYS = {
    "plain": ({}, BATCHES),
    "CUDA graph": ({"captured": True}, BATCHES[:4]),
    "torch.compile": ({"compiled": True}, (1, 1024, 8192)),
    "both": ({"compiled": True, "captured": True}, (1, 1024)),
}
SECONDS = 1.0
#: Of images whose integers are compared: small batches take long for all of them.
MOST_CHUNKS = 500
GOAL = 100_000
STORED = Path("docs/measurements")


@dataclass(frozen=True)
class Row:
    """One way and batch: times of a call whose images lie on the card already (`p50_us`, `p99_us`),
    and images a second that way (`on_device`) and from memory to memory (`whole`). `exact` is said
    of so many `images`.
    """

    way: str
    batch: int
    p50_us: float
    p99_us: float
    on_device: int
    whole: int
    noisy: bool
    images: int
    exact: bool


def rows(case: Case, device: str, ways: list[str], minutes: float) -> Iterator[Row]:
    """All ways and batches. What fails on this machine, or would begin after so many minutes, is
    said and left out.
    """
    end, graph = time.monotonic() + 60 * minutes, reference.read(case.graph)
    for way in ways:
        for batch in WAYS[way][1]:
            if time.monotonic() > end:
                print(f"not measured: {way}, batch {batch}: out of time", file=sys.stderr)
                continue
            try:
                row = measured(case, graph, device, way, batch)
            except (RuntimeError, ImportError, LeptonError) as error:
                first = str(error).strip().splitlines() or [type(error).__name__]
                print(f"not measured: {way}, batch {batch}: {first[0]}", file=sys.stderr)
                continue
            print(json.dumps(asdict(row)), file=sys.stderr)
            yield row


def measured(case: Case, graph: Graph, device: str, way: str, batch: int) -> Row:
    """One of them. Whole chunks only, so that every call has the shape that was prepared for."""
    import torch

    torch._dynamo.reset()  # after a few shapes it gives up without a word
    run = Reference(graph, device, batch, **WAYS[way][0])
    wait, images = finished(run.device), case.images[:batch]
    chunks = wait(run.send(images))
    resident = timed(lambda _: wait(run.compute(chunks)))
    whole = timed(lambda _: run.infer(images))
    count = min(len(case.images) // batch, MOST_CHUNKS) * batch
    exact = np.array_equal(run.infer(case.images[:count]), case.expected[:count])
    return Row(
        way, batch, round(resident.p50 * 1e6, 1), round(resident.p99 * 1e6, 1),
        round(batch / resident.p50), round(batch / whole.p50),
        resident.noisy or whole.noisy, count, exact,
    )  # fmt: skip


def timed(call: Any) -> Latency:
    """Of a call without arguments that matter."""
    warm_up(call, seconds=30.0)
    return summary(repeat(call, seconds=SECONDS).sum(1))


def conditions(case: Case, device: str) -> dict[str, Any]:
    """What somebody must know to repeat the run."""
    import torch

    found: dict[str, Any] = {
        "made by": "make bench-card STORE=1", "version": __version__, "commit": _commit(),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "network": "cnv_strided, 3 bits, random weights", "images": len(case.images),
        "digest": case.digest, "device": device, "cuda": torch.version.cuda,
        "machine": machine.facts(),
    }  # fmt: skip
    if device != "cpu":
        from lepton_hw.errors import MissingTool
        from lepton_hw.measure.nvml import Nvml

        found["card"] = torch.cuda.get_device_name()
        try:
            found["conditions"] = Nvml().conditions()
        except MissingTool as error:
            found["conditions"] = str(error)
    return found


def _commit() -> str:
    argv = ["git", "describe", "--always", "--dirty"]
    try:
        asked = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError:
        return "git is not there"
    return asked.stdout.strip() or "not in a clone"


def store(
    values: dict[str, Any], operators: dict[str, str], found: list[Row], folder: Path
) -> None:
    """Writes what was measured so far."""
    name = re.sub(r"[^a-z0-9]+", "_", values["card"].lower()).strip("_")
    rows = [asdict(row) for row in found]
    text = json.dumps({**values, "operators that differ": operators, "rows": rows}, indent=1)
    write_atomically(folder / f"card_{name}.json", text + "\n")


def missed(found: list[Row]) -> list[str]:
    """What fails the run, a sentence each."""
    wrong = [f"{row.way}, batch {row.batch}: other integers" for row in found if not row.exact]
    best = max((row.on_device for row in found), default=0)
    if best < GOAL:
        wrong.append(f"{best:,} images a second at the best batch, goal {GOAL:,}")
    return wrong


def main() -> None:
    """Measures; ends with 2 without a card, with 1 where integers differ or the goal is missed."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--prepare", action="store_true", help="make the folder, measure nothing")
    asked.add_argument("--device", default="cuda")
    asked.add_argument("--minutes", type=float, default=8.0, help="begin nothing after so many")
    asked.add_argument("--store", action="store_true", help="keep the figures of a card")
    asked.add_argument("--to", type=Path, default=STORED, help="the folder for these")
    options = asked.parse_args()
    if not (card_case.FOLDER / card_case.VECTORS).is_file():
        card_case.prepare()
    if options.prepare:
        return
    if options.device != "cpu" and not cards():
        print("no CUDA card is there; expected one; measure the CPU by make bench-reference")
        sys.exit(2)
    case, begin = card_case.read(), time.perf_counter()
    ways = ["plain"] if options.device == "cpu" else list(WAYS)
    operators, found = card_ops.differences(options.device), []
    print(f"operators: {len(operators)} differences from the CPU")
    for row in rows(case, options.device, ways, options.minutes):
        found.append(row)  # written one by one: who lends a card may take it back
        if options.store and options.device != "cpu":
            store(conditions(case, options.device), operators, found, options.to)
    if not found:
        sys.exit("nothing could be measured")
    write("card", [asdict(row) for row in found])
    best = max(found, key=lambda row: row.on_device)
    print(f"best: {best.on_device:,} images/s on the device ({best.way}, batch {best.batch})")
    for row in (row for row in found if row.batch == 1):
        print(f"one image: {row.p50_us} us ({row.way}), 99th percentile {row.p99_us} us")
    print(f"took {time.perf_counter() - begin:.0f} s")
    problems = [f"{where}: {what}" for where, what in operators.items()] + missed(found)
    if problems:
        sys.exit("; ".join(problems))


if __name__ == "__main__":
    main()
