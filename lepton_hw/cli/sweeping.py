"""The verb ``lepton sweep``: variations of a flow, side by side, as a table and a page.

Only reads arguments and prints results; the work is in `lepton_hw.sweep`.
"""

from typing import Annotated

import typer

from lepton_hw.cli import options as opt
from lepton_hw.cli.commands import app
from lepton_hw.cli.options import board_named
from lepton_hw.cli.screen import Screen, tell
from lepton_hw.flow import load_flow
from lepton_hw.sweep_results import PAGE, Row, SweepResults

Grid = Annotated[list[str] | None, typer.Option(help="KEY=VALUE,VALUE of the flow; repeatable")]
Jobs = Annotated[int, typer.Option(help="points built at once; 0: half of the cores", min=0)]
Storage = Annotated[str, typer.Option(help="a database that machines share, without password")]
Energy = Annotated[bool, typer.Option("--energy", help="model the energy of an image, too")]
Retry = Annotated[bool, typer.Option("--retry-failed", help="build failed points again")]
ENERGY = "~µJ"  # modelled
#: Name of a front → what it weighs against the accuracy; latency against LUT where there is none.
FRONTS = {
    "accuracy_latency": "latency",
    "accuracy_lut": "LUT",
    "accuracy_energy": "energy",
    "latency_lut": "latency against LUT",
}


@app.command("sweep")
def sweep_command(  # noqa: PLR0913 – each is an option of the command line
    flow: opt.FlowName,
    board: opt.BoardName = "",
    grid: Grid = None,
    jobs: Jobs = 0,
    storage: Storage = "",
    energy: Energy = False,
    retry_failed: Retry = False,
    device: opt.Device = "cpu",
    build_dir: opt.BuildDir = opt.BUILD,
    as_json: opt.AsJson = False,
    debug: opt.Debug = False,
) -> None:
    """Build variations of a flow side by side, and compare them."""
    from lepton_hw.sweep.grid import parse_grid
    from lepton_hw.sweep.run import Settings, sweep, sweep_folder

    value, where = load_flow(flow), board_named(board)
    axes = parse_grid(grid or (), value)
    settings = Settings(build_dir, jobs, storage, device, retry_failed, energy)
    results = sweep(value, where, axes, settings, Screen())
    if as_json:
        print(results.model_dump_json(indent=1))
    else:
        _print(results)
        tell(f"sweep: {sweep_folder(value, where, build_dir) / PAGE}")
    if results.count("mismatch") or not results.count("done", "running"):
        raise typer.Exit(1)


def _print(results: SweepResults) -> None:
    """Plain text rather than a fitted table: a column that is cut off is of no use here."""
    varied = [key for key, values in results.grid.items() if len(values) > 1]
    energy = any(row.figures and row.figures.energy_per_image for row in results.points)
    heads = ("", *varied, "accuracy", "frames/s", "µs", *[ENERGY] * energy, "LUT", "BRAM", "DSP",
             "full", "best in")  # fmt: skip
    cells = [_row(number, row, varied, energy) for number, row in enumerate(results.points, 1)]
    wide = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    tell(f"{results.title} on {results.board_title}, {results.clock:g} MHz")
    for line in (heads, *cells):
        fitted = [cell.rjust(width) for cell, width in zip(line[:-1], wide, strict=False)]
        tell("  ".join([*fitted, line[-1]]).rstrip())
    for number, row in enumerate(results.points, 1):
        if row.reason:
            tell(f"{number}: {_state(row)}: {row.reason}")
    print(f"bit-exact: {results.count('done')} of {len(results.points)}")


def _row(number: int, row: Row, varied: list[str], energy: bool) -> tuple[str, ...]:
    first = (str(number), *(str(row.values[key]) for key in varied))
    found = row.figures
    if found is None:
        return (*first, *["-"] * (7 + energy), _state(row))
    joules = found.energy_per_image
    return (
        *first,
        "-" if found.accuracy is None else f"{found.accuracy:.2%}",
        f"{found.frames_per_second:,.0f}",
        f"{found.latency_us:,.1f}",
        *["-" if joules is None else f"{1e6 * joules:,.3g}"] * energy,
        f"{found.lut:,}",
        f"{found.bram36:,}",
        f"{found.dsp:,}",
        f"{found.share:.0%}",
        ", ".join(FRONTS[name] for name in row.fronts),
    )


def _state(row: Row) -> str:
    return "NOT EXACT" if row.state == "mismatch" else row.state
