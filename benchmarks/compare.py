"""``make bench-compare``: the digits CNN on this CPU, a modelled PYNQ-Z2 and the virtual board.

Three runs, held against each other. It fails where integers differ, where the model's cycles are
over 5 % from the shell's counters, or where a design takes more cycles than the stored one. How
fast engines are against each other is set beside what is stored, as ratios within one run, and
fails nothing: machines differ.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.table import write
from lepton_hw.bench import compare
from lepton_hw.board import load_board
from lepton_hw.flow import load_flow
from lepton_hw.measure import rounds
from lepton_hw.measure.comparison import AGREEMENT, Comparison
from lepton_hw.measure.latency import apart
from lepton_hw.stages.bench import parse
from lepton_hw.stages.bench_hosts import Settings

FLOW, BOARD, TARGETS = "digits_cnn", "pynq_z2", "cpu,fpga:pynq_z2,fpga:virtual"
BATCHES, SECONDS, RUNS = (1, 16, 256), 1.5, 3
STORED = Path("docs/measurements/digits_cnn.json")
#: Largest error of the modelled cycles; more cycles than stored by this share are a regression.
MODEL, SLOWER = 0.05, 0.02
SLEEP = 0.005
#: What the others are held against: it is a library's, and every machine has it.
YARDSTICK = "cpu onnxruntime"


@dataclass(frozen=True)
class Row:
    """One target and batch, of the last run. `apart` is the largest distance of a run's median from
    the mean of all, `noisy` whether a run said that the machine was. `times_yardstick` is its time
    as a multiple of ONNX Runtime's, `stored` the same of the stored run; of an FPGA, cycles.
    """

    target: str
    batch: int
    how: str
    p50_us: float
    cycles: int
    apart: float
    noisy: bool
    times_yardstick: float
    stored: float


def rows(runs: list[Comparison], stored: dict[str, float]) -> Iterator[Row]:
    """All of the last run, against the others and the stored figures by `key`."""
    found = runs[-1]
    yardstick = next(target for target in found.targets if target.name == YARDSTICK)
    for place, target in enumerate(found.targets):
        for number, row in enumerate(target.rows):
            base = yardstick.row(row.batch)
            assert base is not None
            same = [run.targets[place].rows[number].latency for run in runs]
            yield Row(
                target.name, row.batch, row.latency.how, round(row.latency.p50 * 1e6, 1),
                row.cycles or 0, round(apart([each.p50 for each in same]), 4),
                any(each.noisy for each in same), round(row.latency.p50 / base.latency.p50, 3),
                stored.get(key(target.name, row.batch), 0),
            )  # fmt: skip


def key(target: str, batch: int) -> str:
    """Of a stored figure."""
    return f"{target}, batch {batch}"


def figures(found: list[Row]) -> dict[str, float]:
    """What is stored: cycles of FPGAs, ratios of engines."""
    return {key(row.target, row.batch): row.cycles or row.times_yardstick for row in found}


def missed(found: Comparison, table: list[Row]) -> list[str]:
    """What fails the run, a sentence each."""
    wrong = [
        f"{target.name}: {target.identical} of {target.images} images have the right integers"
        for target in found.targets
        if (target.kind == "fpga" or target.name == "cpu integers")
        and target.identical != target.images
    ]
    wrong += [
        f"the model's cycles are {error:+.1%} from the counters at {where}"
        for where, error in found.model_error.items()
        if abs(error) > MODEL
    ]
    wrong += [
        f"{row.target}, batch {row.batch}: {row.cycles:,} cycles, stored {row.stored:,.0f}"
        for row in table
        if row.cycles and row.stored and row.cycles > (1 + SLOWER) * row.stored
    ]
    wrong += [f"not measured: {name}: {why}" for name, why in found.absent.items()]
    if len(found.model_error) != len(BATCHES):
        wrong.append("the virtual board was not counted at every batch")
    return wrong


def main() -> None:
    """Measures; with ``--store`` the figures become the stored ones."""
    settings, targets = Settings(BATCHES, SECONDS), parse(TARGETS, BOARD)
    flow, board = load_flow(FLOW), load_board(BOARD)
    runs = [compare(flow, board, targets, settings).comparison for _ in range(RUNS)]
    found = runs[-1]
    stored = json.loads(STORED.read_text())["figures"] if STORED.is_file() else {}
    table = list(rows(runs, stored))
    write("compare", [asdict(row) for row in table])
    print(*said(found, table), sep="\n")
    if "--store" in sys.argv:
        values = {"machine": found.machine, "began": found.began, "figures": figures(table)}
        STORED.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n")
    problems = missed(found, table)
    if problems:
        sys.exit("; ".join(problems))


def control() -> float:
    """How far the medians of runs of a sleep are apart: what measuring itself adds to the noise.

    The largest distance from their mean, as a share.
    """
    sleep = rounds.Work("sleep", 1, (lambda _: time.sleep(SLEEP), *[lambda value: value] * 4), None)
    found = [rounds.measure([sleep], 3, SECONDS)[0].rounds for _ in range(RUNS)]
    return apart([rounds.timing(each).p50 for each in found])


def said(found: Comparison, table: list[Row]) -> Iterator[str]:
    """What is worth a line below the table."""
    measured = [row for row in table if row.how == "measured"]
    within = sum(row.apart <= AGREEMENT for row in measured)
    noisy = sum(row.noisy for row in measured)
    unsaid = sum(row.apart > AGREEMENT and not row.noisy for row in measured)
    yield (
        f"{within} of {len(measured)} measured medians are within {AGREEMENT:.0%} over {RUNS} "
        f"runs; {noisy} rows said that the machine was noisy, {unsaid} moved more without saying so"
    )
    yield f"measuring itself: medians of a sleep of {SLEEP:g} s are within {control():.2%}"
    for where, error in found.model_error.items():
        yield f"cycles, model against the shell's counters: {error:+.1%} at {where}"
    for row in measured:
        if row.stored:
            yield (
                f"{row.target}, batch {row.batch}: {row.times_yardstick:.3g} times ONNX Runtime's "
                f"time, stored {row.stored:.3g}: {row.times_yardstick / row.stored:.2f} of it"
            )


if __name__ == "__main__":
    main()
