"""The verbs of ``lepton`` behind the certificate: `bitstream`, `deploy`, `run`.

Only reads arguments and prints results; the work is in the pipeline and in `tools.place`.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from lepton_hw.artifacts import Artifact
from lepton_hw.cli import options as opt
from lepton_hw.cli.commands import app
from lepton_hw.cli.options import board_named
from lepton_hw.cli.screen import Screen, figures, listing, tell
from lepton_hw.cli.summary import bitstream_rows
from lepton_hw.errors import InputError, StageError
from lepton_hw.flow import load_flow
from lepton_hw.pipeline import Options, build_hardware
from lepton_hw.stages.bitstream import FILE, TOOLCHAINS, Bitstream, found_toolchain
from lepton_hw.stages.deploy import Deployed
from lepton_hw.stages.report import FILE as REPORT
from lepton_hw.tools import openfpgaloader, ssh, ssh_copy, ssh_host
from lepton_hw.tools import place as places

Toolchain = Annotated[str, typer.Option(help=f"who builds the bitstream: {', '.join(TOOLCHAINS)}")]
Bitfile = Annotated[str, typer.Option(help="a bitstream of this design that was built elsewhere")]
On = Annotated[str, typer.Option("--on", help=f"where: {', '.join(places.KINDS)}")]
Target = Annotated[str, typer.Option(help="folder on the board, below the user's home")]


@app.command("bitstream")
def bitstream_command(
    flow: opt.FlowName,
    board: opt.BoardName = "",
    toolchain: Toolchain = "",
    seeds: Annotated[int, typer.Option(help="placements that are tried", min=1, max=64)] = 2,
    build_dir: opt.BuildDir = opt.BUILD,
    as_json: opt.AsJson = False,
    debug: opt.Debug = False,
) -> None:
    """Build the bitstream of a certified design, and the folder that goes to the board."""
    toolchain = toolchain or found_toolchain(board_named(board))
    options = Options(build_dir, seeds=tuple(range(1, seeds + 1)))
    done = _hardware(flow, board, toolchain, "", options, Screen())
    built, deployed = done["bitstream"], done["deploy"]
    assert isinstance(built, Bitstream)
    assert isinstance(deployed, Deployed)
    if as_json:
        values = {"bitstream": built.model_dump(mode="json"), "folder": str(deployed.deployment)}
        print(json.dumps(values, indent=1))
        return
    figures(f"{flow} on {built.part} by {toolchain}", bitstream_rows(built, board_named(board)))
    tell(f"bitstream: {built.path(FILE)}", f"for the board: {deployed.deployment}")
    if "report" in done:  # with what was placed
        tell(f"report: {done['report'].path(REPORT)}")


@app.command("deploy")
def deploy_command(  # noqa: PLR0913 – each is an option of the command line
    flow: opt.FlowName,
    board: opt.BoardName = "",
    host: Annotated[str, typer.Option(help="[user@]host[:port] of the board, by SSH")] = "",
    serial: Annotated[str, typer.Option(help="serial device of a board behind USB")] = "",
    toolchain: Toolchain = "",
    bitfile: Bitfile = "",
    identity: opt.Identity = "",
    target: Target = "",
    build_dir: opt.BuildDir = opt.BUILD,
    as_json: opt.AsJson = False,
    debug: opt.Debug = False,
) -> None:
    """Bring a certified design to a board and run its self-test there.

    Without --host and --serial the self-test of a bitstream for the virtual board runs on that.
    """
    if host and serial:
        raise InputError("both --host and --serial are given", "one way to the board", "drop one")
    # A bitstream for the virtual board is of use on it, or where the far end is a virtual one.
    far = bool(host or serial)
    toolchain = toolchain or (found_toolchain(board_named(board)) if far else "virtual")
    where = ssh.Ssh(ssh_host.parse_host(host), opt.ssh_options(identity)) if host else None
    deployed = _deployed(flow, board, toolchain, bitfile, build_dir, Screen())
    folder, there = deployed.deployment, target or _target(flow)
    if serial and toolchain != "virtual":
        openfpgaloader.load(board_named(board), folder / FILE)
        Screen().say(f"loaded    {FILE} into {board}")
    if not far and (toolchain != "virtual" or bitfile):
        _say(as_json, {"folder": str(folder)}, f"for the board: {folder}")
        return
    if where is not None:
        screen = Screen()
        with screen.task("copy", 100) as task:
            shown = 0

            def progress(sent: int, size: int) -> None:
                nonlocal shown
                percent = 100 * sent // max(1, size)
                task.advance(percent - shown)
                shown = percent

            copied = ssh_copy.copy_folder(where, folder, there, progress)
        screen.say(f"copied    {copied.files} files, {copied.size:,} bytes to {host}:{there}")
    place = places.Place("ssh", host) if host else places.Place("virtual")
    place = places.Place("serial", serial) if serial else place
    said = _run(place, folder, there, ("--selftest",), identity)
    values = {"folder": str(folder), "on": str(place), "selftest": said.strip()}
    _say(as_json, values, f"self-test on {place}: {said.strip()}")


@app.command("inspect")
def inspect_command(
    file: Annotated[Path, typer.Argument(help="a bitstream (.bit)")],
    part: Annotated[str, typer.Option(help="the part that it is to be for")] = "",
    as_json: opt.AsJson = False,
    debug: opt.Debug = False,
) -> None:
    """Say what a 7-series bitstream is: design, part, size, digest."""
    from lepton_hw.xc7.bitfile import inspect

    found = inspect(file, part or None)
    values = {
        "design": found.design, "part": found.part, "device": found.device, "date": found.date,
        "time": found.time, "bytes": len(found.payload), "frame_words": found.frame_words,
        "sha256": found.digest,
    }  # fmt: skip
    if as_json:
        print(json.dumps(values, indent=1))
        return
    figures(str(file), [(name.replace("_", " "), str(value)) for name, value in values.items()])


@app.command("run")
def run_command(  # noqa: PLR0913 – each is an option of the command line
    flow: opt.FlowName,
    images: Annotated[list[Path], typer.Argument(help="image files")],
    board: opt.BoardName = "",
    on: On = "virtual",
    toolchain: Toolchain = "",
    identity: opt.Identity = "",
    target: Target = "",
    build_dir: opt.BuildDir = opt.BUILD,
    as_json: opt.AsJson = False,
    debug: opt.Debug = False,
) -> None:
    """Classify images on a board, or on the virtual one."""
    place = places.parse_place(on)
    for image in images:
        if not image.is_file():
            raise InputError(f"there is no image {image}", "a file", "correct the path")
    folder = deployment_for(place, flow, board, toolchain, build_dir)
    there = target or _target(flow)
    found = []
    for image in images:  # one at a time: a board elsewhere sees none of our files
        try:
            answer = _run(place, folder, there, ("--json", "-"), identity, image.read_bytes())
        except StageError as error:
            raise StageError(f"{image}: {error.found}", error.expected, error.remedy) from None
        found.append({**_classified(answer, place), "image": str(image)})
    if as_json:
        print(json.dumps(found, indent=1))
        return
    rows: list[tuple[str, ...]] = []
    for each in found:
        rest = ", ".join(f"{label} {score:.4f}" for label, score in each["ranking"][1:4])
        rows.append((each["image"], str(each["label"]), f"{each['ranking'][0][1]:.4f}", rest))
    listing(f"on {place}", ("image", "label", "score", "then"), rows)


def _classified(answer: str, place: places.Place) -> dict[str, Any]:
    """The last line of what the board's driver printed; raises `StageError` for anything else."""
    last = (answer.splitlines() or [""])[-1]
    try:
        found = json.loads(last)
        ranking = [(str(label), float(score)) for label, score in found["ranking"]]
        if isinstance(found, dict) and ranking and "label" in found:
            return {**found, "ranking": ranking}
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        pass
    raise StageError(
        f"{place} answers {last[:200]!r}",
        "a line of JSON with label and ranking, from the driver of this deployment",
        "deploy the design again, and see what else prints on the board",
    )


class Terse(Screen):
    """Says only what is done, not what was done before."""

    def say(self, line: str) -> None:
        """One line of text."""
        if not line.endswith("unchanged"):
            super().say(line)


def deployment_for(
    place: places.Place, flow: str, board: str, toolchain: str, build_dir: Path
) -> Path:
    """The folder of a design that runs in a place, built where it is not there yet."""
    virtual = place.kind == "virtual"
    toolchain = toolchain or ("virtual" if virtual else found_toolchain(board_named(board)))
    return _deployed(flow, board, toolchain, "", build_dir, Terse()).deployment


def _hardware(
    flow: str, board: str, toolchain: str, bitfile: str, options: Options, screen: Screen
) -> dict[str, Artifact]:
    given = Path(bitfile) if bitfile else None
    return build_hardware(load_flow(flow), board_named(board), toolchain, options, screen, given)


def _deployed(
    flow: str, board: str, toolchain: str, bitfile: str, build_dir: Path, screen: Screen
) -> Deployed:
    name = toolchain if not bitfile else "elsewhere"
    deployed = _hardware(flow, board, name, bitfile, Options(build_dir), screen)["deploy"]
    assert isinstance(deployed, Deployed)
    return deployed


def _target(flow: str) -> str:
    return places.target_of(load_flow(flow).name)


def _run(
    place: places.Place,
    folder: Path,
    target: str,
    arguments: tuple[str, ...],
    identity: str,
    stdin: bytes = b"",
) -> str:
    ran = places.run_driver(place, folder, target, arguments, stdin, opt.ssh_options(identity))
    return places.require_success(ran, place).out.decode(errors="replace")


def _say(as_json: bool, values: dict[str, Any], line: str) -> None:
    if as_json:
        print(json.dumps(values, indent=1))
    else:
        tell(line)
