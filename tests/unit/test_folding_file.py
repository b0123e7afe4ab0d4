"""The folding file of a flow: only a plain file of JSON, of a sane size."""

import os
from pathlib import Path

import pytest

from lepton_hw.errors import InputError
from lepton_hw.flow import Compile, Flow
from lepton_hw.stages import compile as stage


def read(path: Path) -> None:
    stage.folding_digest(Flow(name="mine", model_file="m.onnx", compile=Compile(folding=str(path))))


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/zero"), tmp_path / "pipe", tmp_path):
        with pytest.raises(InputError, match=r"cannot be read \(it is no plain file\)"):
            read(path)


def test_deep_or_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folding.json"
    path.write_text("[" * 200_000)
    with pytest.raises(InputError, match=r"cannot be read \(it is nested too deeply\)"):
        read(path)
    monkeypatch.setattr(stage, "LARGEST_FOLDING", 1000)
    with pytest.raises(InputError, match=r"cannot be read \(it is larger than 1,000 bytes\)"):
        read(path)


def test_none_and_no_json(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("text")
    with pytest.raises(InputError, match="Expecting value"):
        read(tmp_path / "text.json")
