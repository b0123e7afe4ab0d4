"""Builds one point of a sweep up to its certificate, and takes its figures from the artifacts.

Points with the same data, model and training share one training. Knows nothing of the others.
"""

import shutil
import socket
import traceback
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lepton_hw import artifacts, pipeline
from lepton_hw.artifacts import Artifact
from lepton_hw.board import Board
from lepton_hw.errors import LeptonError, Mismatch, MissingTool
from lepton_hw.flow import Flow
from lepton_hw.pipeline import Options
from lepton_hw.progress import Progress
from lepton_hw.stages.bench_fpga import Made
from lepton_hw.stages.bench_power import power_of
from lepton_hw.stages.certify import Certified
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.export import Exported
from lepton_hw.stages.simulate import Simulated
from lepton_hw.stages.stitch import Stitched
from lepton_hw.stages.train import Trained
from lepton_hw.sweep.grid import Point
from lepton_hw.sweep_results import Figures, Row

POINTS, TRAINED = "points", "trained"
#: The stages that points with the same training share.
SHARED: tuple[type[Artifact], ...] = (Trained, Exported)


class Place(NamedTuple):
    """Where and on what a point is built: board, folder of the sweep, device of the training;
    whether its energy is modelled.
    """

    board: Board
    folder: Path
    device: str
    energy: bool = False


def build_point(point: Point, place: Place, progress: Progress) -> Row:
    """Builds the point, or finds that it is built; a failure becomes the row's reason.

    Raises `MissingTool`, which is the machine's fault and would end every other point too.
    """
    try:
        done = _build(point, place, progress)
    except MissingTool:
        raise
    except Mismatch as error:
        return _row(point, state="mismatch", exact=False, reason=str(error))
    except LeptonError as error:
        return _row(point, state="failed", reason=str(error))
    except ModuleNotFoundError as error:
        raise MissingTool(
            f"the Python package '{error.name}' is not installed",
            "the environment that the Makefile makes",
            "run 'make demo' or 'make test', which install it",
        ) from None
    except Exception as error:  # one point's trouble is not to stop the others
        traceback.print_exc()
        return _row(point, state="failed", reason=str(_internal(error)))
    figures = figures_of(done, place.board)
    if place.energy:
        figures = _with_energy(figures, done, place.board, progress)
    return _row(point, state="done", exact=True, figures=figures)


def _with_energy(
    figures: Figures, done: dict[str, Artifact], board: Board, progress: Progress
) -> Figures:
    """The power of the design at work, by our model, for the time between two frames."""
    exported, compiled, stitched = done["export"], done["compile"], done["stitch"]
    simulated = done["simulate"]
    assert isinstance(compiled, Compiled)
    assert isinstance(stitched, Stitched)
    assert isinstance(simulated, Simulated)
    codes = np.load(exported.path("vectors.npz"))["inputs"]
    made = Made(board, compiled, stitched, simulated, None)
    watts = power_of(made, codes, progress).watts
    if watts is None:
        return figures
    joules = (each / figures.frames_per_second for each in (watts.value, watts.low, watts.high))
    names = ("energy_per_image", "energy_low", "energy_high")
    return figures.model_copy(update=dict(zip(names, joules, strict=True)))


def training_key(flow: Flow) -> str:
    """The same for two flows that can share a training; empty for a finished model."""
    if flow.model_file is not None:
        return ""
    parts = flow.model_dump(mode="json")
    return artifacts.digest([parts[name] for name in ("data", "model", "train")])


def figures_of(done: dict[str, Any], board: Board) -> Figures:
    """The figures of a certified build."""
    trained, compiled, simulated = (done.get(name) for name in ("train", "compile", "simulate"))
    certified = done["certify"]
    assert isinstance(compiled, Compiled)
    assert isinstance(simulated, Simulated)
    assert isinstance(certified, Certified)
    names = ("lut", "bram36", "uram", "dsp")
    used = {name: int(getattr(compiled, name)) for name in names}
    supply = {name: int(getattr(board.supply, name)) for name in names}
    shares = {name: used[name] / supply[name] for name in names if supply[name]}
    fullest = max(shares, key=lambda name: shares[name])
    rows = certified.certificate.executors.values()
    return Figures(
        accuracy=trained.metrics.accuracy if isinstance(trained, Trained) else None,
        frames_per_second=board.clock * 1e6 / max(simulated.cycles_per_frame, 1),
        latency_us=simulated.latency_cycles / board.clock,
        cycles_per_frame=simulated.cycles_per_frame,
        latency_cycles=simulated.latency_cycles,
        **used,
        fullest=fullest.upper(),
        share=shares[fullest],
        vectors=min((row.vectors for row in rows), default=0),
        seconds=round(sum(artifact.seconds for artifact in done.values()), 1),
    )


def _build(point: Point, place: Place, progress: Progress) -> dict[str, Artifact]:
    options = Options(place.folder / POINTS, place.device, to="certify")
    if point.flow.model_file is None:
        _share_training(point, place, options, progress)
    return pipeline.build(point.flow, place.board, options, progress)


def _share_training(point: Point, place: Place, options: Options, progress: Progress) -> None:
    """Trains in a folder of that recipe's own, and copies what came of it to the point's.

    The stages' keys hold neither name nor folder, so that the copies count as unchanged.
    """
    key = training_key(point.flow)[:16]
    flow = point.flow.model_copy(update={"name": f"recipe_{key}", "title": point.flow.title})
    shared = Options(place.folder / TRAINED, place.device, to="export")
    done = pipeline.build(flow, place.board, shared, progress)
    target = pipeline.build_folder(point.flow, place.board, options)
    with pipeline.held(target, progress):
        for kind in SHARED:
            source, final = done[kind.stage], target / kind.stage
            kept = artifacts.load(kind, final)
            if kept is not None and kept.key == source.key and artifacts.unchanged(kept):
                continue
            with artifacts.new_folder(final) as workdir:
                shutil.copytree(source.folder, workdir, dirs_exist_ok=True)


def _row(point: Point, **rest: Any) -> Row:
    return Row(name=point.name, values=dict(point.values), host=socket.gethostname(), **rest)


def _internal(error: Exception) -> LeptonError:
    first = (str(error).strip().splitlines() or ["no message"])[0].rstrip(".")
    return LeptonError(
        f"internal error, {type(error).__name__}: {first}",
        "no such thing",
        "see the log of the worker, and report it",
    )
