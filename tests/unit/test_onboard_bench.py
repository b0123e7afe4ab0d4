"""``driver.py --bench`` on the fake shell: what it runs, counts and refuses."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from onboard_cases import deploy, fake, random_batch

from lepton_hw.onboard import Accelerator, bench, command
from lepton_hw.onboard.errors import InputError
from lepton_hw.onboard.power import Rail


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return deploy(tmp_path)


def run(folder: Path, **asked: object) -> dict:
    settings = bench.settings(json.dumps({"batches": [1, 6], "seconds": 0, "rounds": 2, **asked}))
    with Accelerator(folder / "design.bit", transport=fake()) as accelerator:
        return bench.bench(accelerator, random_batch(4), settings)


def test_every_batch_in_every_round(folder: Path) -> None:
    found = run(folder)
    assert [list(rows) for rows in found["rounds"]] == [["1", "6"]] * 2
    row = found["rounds"][1]["6"]
    assert all(len(row[name]) == 1 for name in (*bench.FIELDS, "cycles"))
    assert row["total"][0] >= row["pack"][0] + row["unpack"][0] > 0
    assert row["end"] >= row["begin"] > 1.6e9
    assert found["now"] >= row["end"]
    assert (found["rail"], found["idle"], row["power"]) == ("", None, None)


def test_with_time_there_are_several_calls(folder: Path) -> None:
    row = run(folder, seconds=0.01)["rounds"][0]["1"]
    assert len(row["total"]) >= bench.LEAST
    assert len(row["total"]) == len(row["cycles"])


def test_the_first_rail_is_sampled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rails = {"12V": Rail("12V", "a chip", lambda: 3.0), "1V": Rail("1V", "a chip", lambda: 1.0)}
    monkeypatch.setattr(Accelerator, "power_rails", lambda _: rails)
    found = run(folder, seconds=0.05, idle=0.05)
    assert found["rail"] == "12V (a chip)"
    assert found["idle"]["watts"] == pytest.approx(3.0)
    power = found["rounds"][0]["6"]["power"]
    assert (power["watts"], power["provenance"]) == (pytest.approx(3.0), "rail")
    assert power["seconds"] == pytest.approx(0.05, abs=0.05)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"batches": [1]}', '{"batches": [], "seconds": 1, "rounds": 1}',
     '{"batches": [0], "seconds": 1, "rounds": 1}', '{"batches": [1], "seconds": -1, "rounds": 1}',
     '{"batches": [1], "seconds": 1, "rounds": 0}'],
)  # fmt: skip
def test_what_it_refuses(text: str) -> None:
    with pytest.raises(InputError, match="batches, seconds and rounds"):
        bench.settings(text)


def test_the_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    stream = io.BytesIO()
    np.save(stream, random_batch(4))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stream.getvalue())))
    asked = '{"batches": [2], "seconds": 0, "rounds": 1}'
    assert command.main(["--bench", asked], folder, fake()) == 0
    assert list(json.loads(capfdbinary.readouterr().out)["rounds"][0]) == ["2"]


def test_the_command_goes_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--bench", "{}", "--infer"], folder)
    assert "go alone" in capsys.readouterr().err
