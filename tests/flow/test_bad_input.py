"""What a user gets for missing tools, bad folders and bad pixels: a sentence, and no remains."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lepton_hw.artifacts import Artifact
from lepton_hw.errors import InputError, MissingTool
from lepton_hw.executors.base import Executor
from lepton_hw.executors.finn_executor import FinnExecutor
from lepton_hw.executors.qonnx_executor import QonnxExecutor
from lepton_hw.executors.rtl_executor import RtlExecutor
from lepton_hw.executors.torch_executor import TorchExecutor
from lepton_hw.pipeline import Options, build
from lepton_hw.stages.train import WEIGHTS, build_network, load_weights
from lepton_hw.tools import cxx

from .conftest import Built
from .lepton import copy_of, flow_file, leftovers, lepton

Capture = pytest.CaptureFixture[str]


def executors(built: Built) -> dict[str, Callable[[], Executor]]:
    contract = built.compiled.contract

    def torch_executor() -> Executor:
        from lepton_hw.data import load

        assert built.flow.data is not None
        network = build_network(built.flow, load(built.flow.data))
        network.load_state_dict(load_weights(built.folder / "train" / WEIGHTS))
        return TorchExecutor(network, contract)

    return {
        "torch": torch_executor,
        "qonnx": lambda: QonnxExecutor(built.exported.path("model.onnx"), contract),
        "finn": lambda: FinnExecutor(built.compiled.path("finn.onnx"), contract),
        "rtl": lambda: RtlExecutor(built.stitched.folder, contract),
    }


@pytest.mark.parametrize("name", ["torch", "qonnx", "finn", "rtl"])
def test_bad_pixels_at_every_executor(built: Built, name: str) -> None:
    executor = executors(built)[name]()
    good = np.load(built.exported.path("vectors.npz"))["inputs"][:2].astype(np.int64)
    assert executor.infer(good).shape == (2, *built.compiled.contract.output.shape)
    nan = good.astype(np.float64)
    nan[0, 0, 0, 0] = np.nan
    high, low = good.copy(), good.copy()
    high[1, 2, 3, 0], low[0, 0, 0, 0] = 256, -1
    for wrong, sentence in [
        (nan, "the input holds NaN; expected UINT8 codes; repair the input."),
        (good / 255.0, "input of type float64; expected integer codes of UINT8; quantise first"),
        (high, r"input code (1, 2, 3, 0) is 256; expected 0 to 255 (UINT8)"),
        (low, r"input code (0, 0, 0, 0) is -1; expected 0 to 255 (UINT8)"),
        (good[0], "input of shape (8, 8, 1); expected (N, 8, 8, 1) in NHWC order"),
        (good.transpose(0, 3, 1, 2), "input of shape (2, 1, 8, 8); expected (N, 8, 8, 1)"),
        (good[:, :7], "input of shape (2, 7, 8, 1); expected (N, 8, 8, 1) in NHWC order"),
        (good.astype(object), "input of type object; expected integer codes"),
    ]:
        with pytest.raises(InputError) as error:
            executor.infer(wrong)
        assert sentence in str(error.value)


def test_without_a_compiler(
    built: Built, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_of(built, tmp_path / "build")
    (folder / "simulate" / "artifact.json").unlink()
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cxx.find.cache_clear()
    try:
        said = lepton(
            capsys, "simulate", flow_file(tmp_path), "-b", "pynq_z2",
            "--build-dir", tmp_path / "build",
        )  # fmt: skip
    finally:
        cxx.find.cache_clear()
    assert said.code == MissingTool.exit_code == 2
    assert said.error == (
        "no C++ compiler is on PATH; expected g++ 10 or newer; "
        "run 'apt install g++' (Debian, Ubuntu) or the like."
    )
    assert leftovers(tmp_path) == []


def test_neither_make_nor_perl_is_needed_to_simulate(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel's own commands want both; lepton calls the programs behind them."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("g++", "as", "ld"):
        found = subprocess.run(["which", name], capture_output=True, text=True, check=True)
        (programs / name).symlink_to(Path(found.stdout.strip()).resolve())
    monkeypatch.setenv("PATH", str(programs))
    assert subprocess.run(["g++", "--version"], check=False, capture_output=True).returncode == 0
    log = tmp_path / "log"
    (tmp_path / "a.cpp").write_text("int f() { return 1; }\n")
    cxx.find.cache_clear()
    try:
        compiler = cxx.find()
        cxx.run(compiler.object_argv(tmp_path / "a.cpp", tmp_path / "a.o"), log)
        cxx.run(compiler.library_argv([tmp_path / "a.o"], tmp_path / "a.so"), log)
    finally:
        cxx.find.cache_clear()
    assert (tmp_path / "a.so").is_file()


@pytest.mark.parametrize("verb", ["train", "compile"])
def test_a_build_folder_that_cannot_be_one(tmp_path: Path, capsys: Capture, verb: str) -> None:
    (tmp_path / "file").write_text("in the way")
    said = lepton(
        capsys, verb, flow_file(tmp_path), "-b", "pynq_z2", "--build-dir", tmp_path / "file" / "b"
    )
    assert said.code == 1
    assert "cannot be made (Not a directory)" in said.error
    assert "pass another one with --build-dir" in said.error
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_build_folder_without_permission(tmp_path: Path, capsys: Capture) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    said = lepton(
        capsys, "train", flow_file(tmp_path), "-b", "pynq_z2", "--build-dir", locked / "b"
    )
    assert said.code == 1
    assert "cannot be written (Permission denied)" in said.error


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of 1 MiB, which the test's end unmounts."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if (
        sys.platform != "linux"
        or subprocess.run(command, capture_output=True, check=False).returncode
    ):
        pytest.skip("only who may mount a small file system can fill one")
    return place


@pytest.mark.parametrize("room", [0, 200_000])
def test_a_full_disk(built: Built, small_disk: Path, capsys: Capture, room: int) -> None:
    """Full from the start, and full in the middle of a stage."""
    folder = small_disk / "digits_small" / "pynq_z2"
    folder.mkdir(parents=True)
    try:
        full = small_disk / "full"
        with pytest.raises(OSError, match="No space left"), full.open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        os.truncate(full, full.stat().st_size - room)
        said = lepton(
            capsys, "train", flow_file(small_disk.parent), "-b", "pynq_z2",
            "--build-dir", small_disk,
        )  # fmt: skip
        assert said.code == 1, said.err
        assert "is full; expected free space; free some and run again." in said.error
        assert leftovers(small_disk) == []
        assert not (folder / "train").exists()
    finally:
        subprocess.run(["umount", str(small_disk)], check=True)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"set": "nosuch"}, "there is no data set 'nosuch'; expected "),
        ({"weight_bits": 9}, "key 'model.weight_bits' is 9; expected a number less than or equal"),
        ({"act_bits": 0}, "key 'model.act_bits' is 0; expected a number greater than or equal"),
        ({"weight_bits": 4.5}, "key 'model.weight_bits' is 4.5; expected an integer"),
        ({"rtl_images": -1}, "key 'check.rtl_images' is -1; expected a number greater than 0"),
    ],
)
def test_a_flow_with_a_wrong_value(
    tmp_path: Path, capsys: Capture, changes: dict[str, object], sentence: str
) -> None:
    flow = flow_file(tmp_path, **changes)
    said = lepton(capsys, "train", flow, "-b", "pynq_z2", "--build-dir", tmp_path / "build")
    assert said.code == 1
    assert sentence in said.error
    assert list((tmp_path / "build").rglob("artifact.json")) == []
    assert leftovers(tmp_path) == []


def test_an_unknown_network(built: Built, tmp_path: Path) -> None:
    assert built.flow.model is not None
    model = built.flow.model.model_copy(update={"name": "nosuch"})
    flow = built.flow.model_copy(update={"model": model})
    with pytest.raises(InputError, match="there is no network 'nosuch'; expected one of cnn_small"):
        build(flow, built.board, Options(build_dir=tmp_path, to="train"))
    assert leftovers(tmp_path) == []


def test_artifacts_are_plain(built: Built) -> None:
    """Nothing of this machine in what is handed on: a digest must not depend on the place."""
    for stage in (built.exported, built.compiled, built.stitched, built.simulated):
        assert isinstance(stage, Artifact)
        text = (stage.folder / "artifact.json").read_text()
        assert str(built.folder) not in text
