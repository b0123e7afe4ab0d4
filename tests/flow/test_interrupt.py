"""Ctrl-C: one line, exit code 130, nothing left behind, and the next run succeeds."""

import json
import sys
from pathlib import Path

import pytest

from .conftest import Built
from .lepton import Process, Said, children, copy_of, flow_file, leftovers, runs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

TINY = """
name = "tiny"
[data]
set = "synthetic"
shape = [8, 8, 1]
classes = 3
[model]
name = "cnn_small"
weight_bits = 4
act_bits = 4
width = 0.5
[train]
epochs = {epochs}
[compile]
target_fps = 1000
"""


def require_clean(said: Said, process: Process, build: Path, started: list[int]) -> None:
    """The end that every interrupted command has."""
    assert said.code == 130
    assert said.err.splitlines()[-1].startswith("interrupted; ")
    assert "Traceback" not in said.err
    assert said.out == ""
    assert leftovers(build) == []
    # torch makes an empty cache folder whenever it is imported
    assert [f for f in process.temporary.iterdir() if "inductor" not in f.name] == []
    assert [pid for pid in started if runs(pid)] == []


def test_training_goes_on_where_it_was(tmp_path: Path) -> None:
    flow, build = tmp_path / "tiny.toml", tmp_path / "build"
    flow.write_text(TINY.format(epochs=60))
    command = ("train", flow, "--board", "pynq_z2", "--build-dir", build)
    process = Process(tmp_path, *command)
    checkpoint = build / "tiny" / "pynq_z2" / ".checkpoints" / "training.pt"
    process.wait_until(checkpoint.exists)
    require_clean(process.interrupt(), process, build, [])
    assert not (build / "tiny" / "pynq_z2" / "train").exists()
    again = Process(tmp_path, *command, "--json").end()
    assert again.code == 0
    assert "training goes on after epoch" in again.err
    trained = json.loads(again.out)["stages"]["train"]

    whole = Process(tmp_path, *command[:-1], tmp_path / "whole", "--json").end()
    uninterrupted = json.loads(whole.out)["stages"]["train"]
    assert trained["files"] == uninterrupted["files"]


def test_the_build_of_the_simulator_ends_with_its_compilers(built: Built, tmp_path: Path) -> None:
    build = tmp_path / "build"
    folder = copy_of(built, build)
    before = (folder / "stitch" / "artifact.json").read_text()
    (folder / "simulate" / "artifact.json").unlink()
    command = ("simulate", flow_file(tmp_path), "--board", "pynq_z2", "--build-dir", build)
    cache = tmp_path / "cache"
    process = Process(tmp_path, *command, cache=cache)
    process.wait_until(lambda: "cc1plus" in names(children(process.pid)))
    started = children(process.pid)
    require_clean(process.interrupt(), process, build, started)
    assert leftovers(cache) == []
    assert (folder / "stitch" / "artifact.json").read_text() == before
    again = Process(tmp_path, *command, "--json", cache=cache).end()
    assert again.code == 0, again.err
    assert json.loads(again.out)["stages"]["simulate"]["build_seconds"] > 0


def names(pids: list[int]) -> set[str]:
    found = set()
    for pid in pids:
        try:
            found.add(Path(f"/proc/{pid}/comm").read_text().strip())
        except OSError:
            continue
    return found


#: Offers a frame's pixels over so many cycles that the simulation takes its time.
SLOWLY = """
from functools import partialmethod
from lepton_hw.sim.simulator import Simulator
Simulator.run = partialmethod(Simulator.run, interval=500_000.0, idle_limit=1_000_000)
"""


def test_the_simulation_stops(built: Built, tmp_path: Path) -> None:
    build = tmp_path / "build"
    folder = copy_of(built, build)
    flow = flow_file(tmp_path, rtl_images=30)
    command = ("simulate", flow, "--board", "pynq_z2", "--build-dir", build)
    process = Process(tmp_path, *command, first=SLOWLY)
    before = (folder / "simulate" / "artifact.json").read_text()
    process.wait_until(lambda: loaded(process.pid))
    require_clean(process.interrupt(), process, build, [])
    assert (folder / "simulate" / "artifact.json").read_text() == before


def loaded(pid: int) -> bool:
    """Whether the process runs a simulator."""
    return "/sim.so" in Path(f"/proc/{pid}/maps").read_text()
