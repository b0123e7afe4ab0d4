"""``lepton sweep`` for real: one training for two points, both certified, nothing built twice."""

import json
import shutil
from pathlib import Path

import pytest

from lepton_hw.pipeline import Options, build
from lepton_hw.progress import Progress
from lepton_hw.sweep.build import Place, build_point, figures_of
from lepton_hw.sweep.grid import parse_grid, points_of
from lepton_hw.sweep_results import SweepResults

from .conftest import Built, small_flow
from .lepton import flow_file, lepton

GRID = "rtl_images=10,20"


class Listener(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_two_points_and_the_same_again(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`built` has compiled the simulators that both points need."""
    board, directory = built.board, tmp_path / "build"
    command = ("sweep", flow_file(tmp_path), "-b", board.name, "--grid", GRID,
               "--build-dir", directory, "--jobs", 2)  # fmt: skip
    said = lepton(capsys, *command, "--json")
    assert said.code == 0, said.err
    results = SweepResults.model_validate_json(said.out)
    place = directory / built.flow.name / board.name / "sweep"
    assert json.loads((place / "sweep.json").read_text()) == json.loads(said.out)
    assert "Bit-exact: all 2" in (place / "sweep.html").read_text()
    metrics = json.loads((built.folder / "train" / "artifact.json").read_text())["metrics"]
    for row, images in zip(results.points, (10, 20), strict=True):
        assert (row.state, row.exact, row.values) == ("done", True, {"rtl_images": images})
        assert row.figures is not None
        assert row.figures.vectors == images
        assert row.figures.accuracy == metrics["accuracy"]  # of the same recipe
        assert row.figures.cycles_per_frame == built.simulated.cycles_per_frame
        assert row.figures.lut == built.compiled.lut
        assert row.figures.share == built.compiled.lut / board.resources.lut

    lines = "".join(log.read_text() for log in (place / "logs").iterdir()).splitlines()
    assert len([line for line in lines if " train  " in line and line.endswith(" s")]) == 1
    assert len([line for line in lines if " export " in line and line.endswith(" s")]) == 1
    assert len(list((place / "trained").iterdir())) == 1

    again = lepton(capsys, *command)
    assert again.code == 0
    assert again.err == "2 of 2 points were built before\n"
    rows = [line.split() for line in again.out.splitlines()]
    assert [row[:2] for row in rows[2:4]] == [["1", "10"], ["2", "20"]]
    everything_is_unchanged(place, built, results)
    what_does_not_fit_is_a_row(place, built)


def everything_is_unchanged(place: Path, built: Built, results: SweepResults) -> None:
    """The pipeline finds each point as built, the copied training too."""
    flow = small_flow()
    for point, row in zip(points_of(parse_grid((GRID,), flow), flow), results.points, strict=True):
        listener = Listener()
        done = build(point.flow, built.board, Options(place / "points", to="certify"), listener)
        assert len(listener.lines) == 6
        assert all(line.endswith(" unchanged") for line in listener.lines)
        assert figures_of(dict(done), built.board) == row.figures


def what_does_not_fit_is_a_row(place: Path, built: Built) -> None:
    """With the training of the others, and the pipeline's own sentence."""
    flow = small_flow()
    point = points_of(parse_grid(("target_fps=100000000",), flow), flow)[0]
    listener = Listener()
    row = build_point(point, Place(built.board, place, "cpu"), listener)
    assert (row.state, row.exact, row.figures) == ("failed", None, None)
    assert "compile.target_fps" in row.reason
    assert all(line.endswith(" unchanged") for line in listener.lines)
    copied = place / "points" / point.name / built.board.name / "export" / "artifact.json"
    assert copied.is_file()
    shutil.rmtree(place / "points" / point.name)
