"""What runs again and what does not; folders that are damaged, moved, shared or in the way."""

import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_hw.artifacts import locked
from lepton_hw.design import read_design
from lepton_hw.errors import InputError, Mismatch, StageError
from lepton_hw.flow import Compile
from lepton_hw.pipeline import STAGES, Options, build
from lepton_hw.progress import Progress
from lepton_hw.sim.simulator import Simulator
from lepton_hw.stages import certify, report, simulate
from lepton_hw.stages import compile as compile_

from .conftest import Built
from .lepton import copy_of, leftovers


class Listener(Progress):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    @property
    def ran(self) -> list[str]:
        """The stages that ran, in order."""
        said = [line.split() for line in self.lines]
        return [words[0] for words in said if words[0] in STAGES and words[1] != "unchanged"]


def again(built: Built, build_dir: Path, to: str = "certify", **flow: object) -> list[str]:
    """Builds once more and returns the stages that ran."""
    listener = Listener()
    changed = built.flow.model_copy(update=flow)
    build(changed, built.board, Options(build_dir=build_dir, to=to), listener)
    return listener.ran


def test_nothing_changed_nothing_runs(built: Built, tmp_path: Path) -> None:
    copy_of(built, tmp_path)
    assert again(built, tmp_path) == []
    assert again(built, tmp_path, title="another title") == []


def test_another_goal_compiles_again_and_all_after_it(built: Built, tmp_path: Path) -> None:
    copy_of(built, tmp_path)
    goal = Compile(target_fps=20_000)
    assert again(built, tmp_path, to="stitch", compile=goal) == ["compile", "stitch"]
    assert again(built, tmp_path, to="stitch", compile=goal) == []


def test_fewer_images_simulate_again(built: Built, tmp_path: Path) -> None:
    copy_of(built, tmp_path)
    check = built.flow.check.model_copy(update={"rtl_images": 7})
    assert again(built, tmp_path, check=check) == ["simulate", "certify"]


@pytest.mark.parametrize("harm", ["delete", "change", "cut", "extra artifact", "no artifact"])
def test_a_harmed_stage_runs_again(built: Built, tmp_path: Path, harm: str) -> None:
    folder = copy_of(built, tmp_path) / "stitch"
    match harm:
        case "delete":
            shutil.rmtree(folder)
        case "change":
            data = next(folder.glob("rtl/*/*.dat"))
            data.write_text(data.read_text().replace("0", "1"))
        case "cut":
            (folder / "design.sv").write_text("")
        case "extra artifact":
            (folder / "artifact.json").write_text('{"stage": "stitch"')
        case "no artifact":
            (folder / "artifact.json").unlink()
    # What comes out is what came out before: the later stages need not run.
    assert again(built, tmp_path) == ["stitch"]


def test_the_deleted_simulation_alone_runs_again(built: Built, tmp_path: Path) -> None:
    shutil.rmtree(copy_of(built, tmp_path) / "simulate")
    assert again(built, tmp_path) == ["simulate"]


def test_a_failed_run_leaves_the_old_artifact(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_of(built, tmp_path)
    before = (folder / "compile" / "artifact.json").read_text()

    def fails(_flow: Any, _board: Any, _exported: Any, workdir: Path, _progress: Any) -> None:
        (workdir / "half.txt").write_text("half")
        raise StageError("no", "yes", "wait")

    monkeypatch.setattr(compile_, "run", fails)
    with pytest.raises(StageError, match="no; expected yes; wait"):
        again(built, tmp_path, compile=Compile(target_fps=20_000))
    assert (folder / "compile" / "artifact.json").read_text() == before
    assert leftovers(folder) == []
    assert again(built, tmp_path) == []


def test_a_mismatch_fails_and_takes_the_old_report_away(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_of(built, tmp_path)
    (folder / report.FILE).write_text("exact, said an earlier build")
    (folder / "simulate" / "artifact.json").unlink()
    honest = simulate.run

    def lies(*arguments: Any) -> simulate.Simulated:
        done = honest(*arguments)
        path = arguments[3] / "outputs.npz"
        kept = dict(np.load(path))
        kept["codes"][3, 1] += 1
        np.savez_compressed(path, **kept)
        return done

    monkeypatch.setattr(simulate, "run", lies)
    with pytest.raises(Mismatch, match=r"vector 3 .* do not use this design"):
        again(built, tmp_path, to="report")
    assert not (folder / report.FILE).exists()
    assert '"exact": false' in (folder / certify.FILE).read_text()


def test_the_design_may_be_moved(built: Built, tmp_path: Path) -> None:
    """Another path, another depth, another library cache: the same outputs."""
    moved = tmp_path / "a b" / "elsewhere"
    shutil.copytree(built.stitched.folder, moved)
    for path in moved.rglob("*"):
        if path.suffix in (".sv", ".v", ".f", ".json", ".svh", ".vh"):
            assert str(built.folder) not in path.read_text(), path
    inputs = np.load(built.exported.path("vectors.npz"))["inputs"][:10]
    found = Simulator(read_design(moved), moved).run(inputs).outputs
    assert np.array_equal(found, np.load(built.simulated.path("outputs.npz"))["codes"][:10])


def _hold(folder: Path, held: Any, release: Any) -> None:
    with locked(folder, lambda _: None):
        held.set()
        release.wait(60)


def test_a_second_build_waits_and_says_for_whom(built: Built, tmp_path: Path) -> None:
    folder = copy_of(built, tmp_path)
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(folder, held, release))
    other.start()
    try:
        assert held.wait(60)

        class Releasing(Listener):
            def say(self, line: str) -> None:
                super().say(line)
                release.set()

        listener = Releasing()
        options = Options(build_dir=tmp_path, to="export")
        build(built.flow, built.board, options, listener)
    finally:
        release.set()
        other.join()
    assert listener.lines[0].startswith(f"waiting: {folder} is being built by process {other.pid}")
    assert listener.ran == []


def test_stages_that_do_not_exist(built: Built, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no stage 'synth'; expected train, export"):
        again(built, tmp_path, to="synth")
    with pytest.raises(InputError, match="the stage 'train' for a finished model"):
        again(built, tmp_path, to="train", model_file="x.onnx")
    assert list(tmp_path.iterdir()) == []
