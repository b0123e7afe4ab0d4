"""The verbs of ``lepton``: one a stage, `build` for all of them, `doctor` for what is installed.

Only reads arguments and prints results; the work is in the pipeline.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lepton_hw import __version__
from lepton_hw.artifacts import Artifact
from lepton_hw.board import Board
from lepton_hw.cli import options as opt
from lepton_hw.cli.options import board_named
from lepton_hw.cli.screen import Screen, figures, listing, tell
from lepton_hw.cli.summary import advice, summary, tools
from lepton_hw.errors import InputError, MissingTool, one_line
from lepton_hw.flow import Compile, Flow, known_flows, load_flow
from lepton_hw.pipeline import STAGES, Options, build, build_folder
from lepton_hw.toml_values import validate

DEFAULT_FPS = 1_000
app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a quantised CNN in Brevitas to an FPGA design proven bit-exact.",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"lepton {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    pass


@app.command("build")
def build_command(  # noqa: PLR0913 – each is an option of the command line
    flow: Annotated[str, typer.Argument(help="a flow's name or file; not with --model")] = "",
    board: opt.BoardName = "",
    to: Annotated[str, typer.Option(help=f"last stage: {', '.join(STAGES)}")] = "report",
    model: Annotated[str, typer.Option(help="a finished QONNX file instead of a flow")] = "",
    input_type: Annotated[str, typer.Option(help="integers that --model takes, e.g. INT8")] = "",
    input_scale: Annotated[float, typer.Option(help="real value of one input step")] = 1.0,
    target_fps: Annotated[int | None, typer.Option(help="frames a second to fold for")] = None,
    target_latency_us: opt.Latency = None,
    folding: Annotated[str | None, typer.Option(help="a FINN folding JSON")] = None,
    fifo_max_depth: Annotated[int | None, typer.Option(help="deepest FIFO, in beats")] = None,
    fifo_time_limit: Annotated[str | None, typer.Option(help="for sizing FIFOs: '60 s'")] = None,
    vectors: opt.Vectors = "",
    device: opt.Device = "cpu",
    build_dir: opt.BuildDir = opt.BUILD,
    as_json: opt.AsJson = False,
    debug: opt.Debug = False,
) -> None:
    """Build a flow, or a finished model, for a board, up to a stage."""
    if bool(flow) == bool(model):
        raise InputError(
            "both a flow and --model" if flow else "neither a flow nor --model",
            f"one of them; flows: {', '.join(known_flows())}",
            "for instance 'lepton build digits_cnn --board BOARD'",
        )
    if flow and (input_type or input_scale != 1.0):
        raise InputError(
            "--input-type or --input-scale with a flow",
            "them only with --model",
            "write input_type and input_scale into the flow",
        )
    value = load_flow(flow) if flow else _model_flow(model, input_type, input_scale)
    goals = {"target_fps": target_fps, "target_latency_us": target_latency_us, "folding": folding}
    if any(goal is not None for goal in goals.values()):
        value = value.model_copy(update={"compile": _goal(value.compile, goals)})
    value = _with_fifo_limits(value, fifo_max_depth, fifo_time_limit)
    value = _with_vectors(value, vectors)
    _build(value, board_named(board), Options(build_dir, device, to), as_json)


def _stage_command(stage: str, text: str) -> None:
    def command(
        flow: opt.FlowName,
        board: opt.BoardName = "",
        device: opt.Device = "cpu",
        build_dir: opt.BuildDir = opt.BUILD,
        as_json: opt.AsJson = False,
        debug: opt.Debug = False,
    ) -> None:
        _build(load_flow(flow), board_named(board), Options(build_dir, device, stage), as_json)

    command.__doc__ = text
    app.command(stage)(command)


_stage_command("train", "Train the network of a flow.")
_stage_command("export", "Export it to QONNX with its input contract.")
_stage_command("compile", "Compile it with FINN to RTL kernels.")
_stage_command("stitch", "Join the kernels into one design.")
_stage_command("simulate", "Run the test images through the RTL, cycle by cycle.")


@app.command("certify")
def certify_command(
    flow: opt.FlowName,
    board: opt.BoardName = "",
    vectors: opt.Vectors = "",
    device: opt.Device = "cpu",
    build_dir: opt.BuildDir = opt.BUILD,
    as_json: opt.AsJson = False,
    debug: opt.Debug = False,
) -> None:
    """Compare all executors, integer by integer."""
    value = _with_vectors(load_flow(flow), vectors)
    _build(value, board_named(board), Options(build_dir, device, "certify"), as_json)


_stage_command("report", "Write the report.")


@app.command()
def lint(
    model: Annotated[str, typer.Argument(help="a QONNX file, or a flow before it is trained")],
    as_json: opt.AsJson = False,
    debug: opt.Debug = False,
) -> None:
    """Say which layers of a QONNX file or a flow will not map to hardware, and why."""
    from lepton_hw.stages.lint import lint_file, lint_flow

    if model.endswith(".onnx") or (Path(model).is_file() and not model.endswith(".toml")):
        findings = lint_file(Path(model))
    else:
        findings = lint_flow(load_flow(model), Screen())
    lost = [finding for finding in findings if not finding.automatic]
    if as_json:
        print(json.dumps([vars(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            remedy = "compiling mends this" if finding.automatic else finding.remedy
            layer, operator = one_line(finding.layer), one_line(finding.operator)
            tell(f"{layer} ({operator}): {finding.problem}; {remedy}.")
        mended = "compiling mends all of it" if findings else "nothing found"
        print(f"{len(lost)} layers will not map" if lost else mended)
    if lost:
        raise typer.Exit(1)


@app.command()
def doctor(as_json: opt.AsJson = False, debug: opt.Debug = False) -> None:
    """Say what is installed, and what each missing tool would enable."""
    from lepton_hw.tools.doctor import examine

    findings = examine()
    if as_json:
        values = [{**vars(finding), "ok": finding.ok} for finding in findings]
        print(json.dumps(values, indent=1, default=str))
    else:
        listing("What is here", ("", "tool", "version", "what for"), tools(findings))
        tell("", *advice(findings))
    missing = [finding for finding in findings if finding.required and finding.found is None]
    if missing and as_json:
        raise typer.Exit(MissingTool.exit_code)
    if missing:
        names = ", ".join(finding.name for finding in missing)
        raise MissingTool(
            f"what lepton needs is missing: {names}", "all of them", missing[0].remedy
        )


def _model_flow(model: str, input_type: str, input_scale: float) -> Flow:
    name = re.sub(r"[^a-z0-9]+", "_", Path(model).stem.lower()).strip("_") or "model"
    values: dict[str, Any] = {
        "name": name,
        "title": Path(model).name,
        "model_file": model,
        "input_type": input_type,
        "input_scale": input_scale,
        "compile": {"target_fps": DEFAULT_FPS},
    }
    return validate(values, Flow, "command line")


def _goal(before: Compile, goals: Mapping[str, object]) -> Compile:
    """The flow's compile table with these goals in place of its own."""
    given = [f"--{name.replace('_', '-')}" for name, goal in goals.items() if goal is not None]
    if "--folding" in given and len(given) > 1:
        raise InputError(f"both {given[0]} and --folding", "one of them", "leave one out")
    goal = validate(dict(goals), Compile, "command line")
    kept = {*goals, "largest", "objective"}
    rest = {name: value for name, value in before if name not in kept}
    return goal.model_copy(update=rest)


def _with_fifo_limits(flow: Flow, max_depth: int | None, time_limit: str | None) -> Flow:
    """The flow with the limits that the command line gives."""
    given = {"fifo_max_depth": max_depth, "fifo_time_limit": time_limit}
    given = {name: value for name, value in given.items() if value is not None}
    checked = validate({"largest": True, **given}, Compile, "command line")
    changes = {name: getattr(checked, name) for name in given}
    return flow.model_copy(update={"compile": flow.compile.model_copy(update=changes)})


def _with_vectors(flow: Flow, vectors: str) -> Flow:
    if not vectors:
        return flow
    if vectors != "all" and not (re.fullmatch("[0-9]{1,9}", vectors) and int(vectors)):
        raise InputError(f"--vectors is '{vectors}'", "a number from 1, or all", "correct it")
    wanted = "all" if vectors == "all" else int(vectors)
    check = flow.check.model_copy(update={"vectors": wanted})
    return flow.model_copy(update={"check": check})


def _build(flow: Flow, board: Board, options: Options, as_json: bool) -> None:
    done = build(flow, board, options, Screen())
    folder = build_folder(flow, board, options)
    if as_json:
        print(json.dumps(_as_json(done, folder), indent=1))
        return
    rows = summary(done, board)
    if rows:
        figures(f"{flow.title or flow.name} on {board.title}", rows)
    last = next(reversed(done))
    file = folder / "report.html"
    tell(f"{last}: {file if last == 'report' else folder / last}")


def _as_json(done: dict[str, Artifact], folder: Path) -> dict[str, Any]:
    stages = {name: artifact.model_dump(mode="json") for name, artifact in done.items()}
    return {"folder": str(folder), "stages": stages}
