"""The verb ``lepton bench``: arguments in, a table or JSON out.

The work is in `lepton_hw.bench`.
"""

import re
from pathlib import Path
from typing import Annotated

import typer

from lepton_hw.cli import options as opt
from lepton_hw.cli.commands import app
from lepton_hw.cli.comparison_rows import above, below, table
from lepton_hw.cli.options import board_named
from lepton_hw.cli.screen import Screen, listing, tell
from lepton_hw.errors import InputError
from lepton_hw.flow import load_flow
from lepton_hw.pipeline import Options, build_folder
from lepton_hw.stages.bench import FILE, Asked, parse
from lepton_hw.stages.bench_hosts import Settings

DEFAULT = Settings()
DEFAULT_BATCHES = ",".join(map(str, DEFAULT.batches))
On = Annotated[
    str,
    typer.Option(
        "--on", help="cpu, gpu, cpu:ENGINE, fpga:BOARD (modelled), fpga:virtual, fpga:ssh:HOST …"
    ),
]
Batches = Annotated[str, typer.Option("--batch", help="batch sizes, separated by commas")]
Seconds = Annotated[float, typer.Option(help="to measure each row for", min=0.05)]
Rounds = Annotated[int, typer.Option(help="that are held against each other", min=1)]
Images = Annotated[int, typer.Option(help="most images that are checked", min=1)]
Meters = Annotated[
    list[str] | None,
    typer.Option("--meter", help="TARGET=FILE.csv: a meter in the supply of a target, or of cpu"),
]


@app.command("bench")
def bench_command(  # noqa: PLR0913 – each is an option of the command line
    flow: opt.FlowName,
    on: On = "cpu,gpu,fpga",
    board: opt.BoardName = "",
    batch: Batches = DEFAULT_BATCHES,
    seconds: Seconds = DEFAULT.seconds,
    rounds: Rounds = DEFAULT.rounds,
    images: Images = DEFAULT.images,
    meter: Meters = None,
    identity: opt.Identity = "",
    device: opt.Device = "cpu",
    build_dir: opt.BuildDir = opt.BUILD,
    as_json: opt.AsJson = False,
    debug: opt.Debug = False,
) -> None:
    """Compare CPU, GPU and FPGA: latency, throughput, energy, on the same images."""
    from lepton_hw.bench import compare

    asked = parse(on, board)
    key = Path(identity) if identity else None
    settings = Settings(_batches(batch), seconds, rounds, images, _meters(meter or []), key)
    value, place = load_flow(flow), board_named(board or _first_board(asked))
    options = Options(build_dir, device)
    measured = compare(value, place, asked, settings, options, Screen())
    found = measured.comparison
    if as_json:
        print(found.model_dump_json(indent=1))
        return
    tell(*above(found))
    columns, rows = table(found)
    listing(f"{found.title}: end to end, per batch", columns, rows)
    tell("", *below(found))
    folder = build_folder(value, place, options)
    tell(f"bench: {measured.path(FILE)}")
    if found.design_digest:
        tell(f"report: {folder / 'report.html'}")


def _first_board(asked: tuple[Asked, ...]) -> str:
    """The board of a comparison that names none: the first that is modelled."""
    return next((each.name for each in asked if each.kind == "fpga" and each.place is None), "")


def _batches(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("[0-9]{1,9}", part) and 0 < int(part) <= 1 << 20 for part in parts):
        raise InputError(f"--batch is '{text}'", "numbers from 1, such as 1,16,256", "correct it")
    return tuple(sorted({int(part) for part in parts}))


def _meters(given: list[str]) -> tuple[tuple[str, Path], ...]:
    found = []
    for item in given:
        target, equals, file = item.partition("=")
        if not (target and equals and file):
            raise InputError(
                f"--meter is '{item}'", "TARGET=FILE.csv, such as cpu=meter.csv", "correct it"
            )
        if not Path(file).is_file():
            raise InputError(f"there is no file {file}", "a meter's CSV", "correct the path")
        found.append((target, Path(file)))
    return tuple(found)
