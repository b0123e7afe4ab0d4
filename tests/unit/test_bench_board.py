"""A board of a comparison, where only its driver's words are there: a fake answers in its place."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lepton_hw.board import load_board
from lepton_hw.contract import InputContract, Port
from lepton_hw.errors import InputError, StageError
from lepton_hw.stages import bench_fpga
from lepton_hw.stages.bench_fpga import Made, There
from lepton_hw.stages.bench_hosts import Settings
from lepton_hw.stages.bench_subject import Subject
from lepton_hw.tools import place as places

NOW = 1_769_860_800.0
CODES = np.arange(12, dtype=np.int64).reshape(4, 3)
BOARD_AHEAD = -5e8  # seconds: a PYNQ board without network believes in another year


def subject() -> Subject:
    door = Port(name="x", dtype="UINT4", shape=(3,), layout="NC")
    contract = InputContract(input=door, output=door, host_after=("argmax",))
    return Subject(contract, CODES, lambda x: x, CODES, CODES, np.array([2, 2, 2, 0]))


def figure(watts: float) -> dict:
    return {"watts": watts, "seconds": 0.5, "samples": 9, "provenance": "rail", "source": "12V"}


def said(rail: str = "12V", watts: float = 2.0) -> dict:
    def row(begin: float) -> dict:
        columns = {"total": 1e-3, "pack": 1e-4, "unpack": 5e-5, "waiting": 8e-4, "busy": 7e-4,
                   "accelerator": 6e-4}  # fmt: skip
        start = NOW + BOARD_AHEAD + begin
        return {
            **{name: [value] * 50 for name, value in columns.items()}, "cycles": [70_000] * 50,
            "begin": start, "end": start + 5, "power": figure(watts) if rail else None,
        }  # fmt: skip

    rounds = [{"1": row(0.0), "16": row(5.0)}, {"1": row(10.0), "16": row(15.0)}]
    return {
        "clock_mhz": 100.0, "rail": rail, "rounds": rounds, "now": NOW + BOARD_AHEAD + 20,
        "idle": figure(1.5) if rail else None,
    }  # fmt: skip


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> dict:
    """What the board's driver answers; tests change it."""
    answers: dict = {"bench": said(), "infer": CODES}

    def run(place, folder, target, arguments, stdin, options=None):
        if arguments[0] == "--infer":
            stream = io.BytesIO()
            np.save(stream, answers["infer"])
            return places.Ran(0, stream.getvalue(), "")
        assert json.loads(arguments[1])["batches"] == [1, 16]
        if isinstance(answers["bench"], bytes):
            return places.Ran(0, answers["bench"], "")
        return places.Ran(0, json.dumps(answers["bench"]).encode(), "")

    monkeypatch.setattr(places, "run_driver", run)
    monkeypatch.setattr(bench_fpga.time, "time", lambda: NOW + 20)
    return answers


def measure(*meters: tuple[str, Path]):
    made = Made(load_board("pynq_z2"), *[SimpleNamespace()] * 3, None)  # type: ignore[arg-type]
    there = There(places.Place("ssh", "pynq"), Path(), "lepton/x")
    settings = Settings((1, 16), seconds=1.0, rounds=2, meters=tuple(meters))
    return bench_fpga.real(made, there, subject(), settings)


def test_a_board_with_a_rail(board: dict) -> None:
    found = measure()
    assert (found.name, found.identical, found.same_decision, found.accuracy) == (
        "fpga ssh:pynq", 4, 4, 0.75,
    )  # fmt: skip
    row = found.rows[1]
    assert (row.batch, row.cycles, row.latency.how) == (16, 70_000, "measured")
    assert row.split.transfer == pytest.approx(1e-3 - 1e-4 - 5e-5 - 6e-4)
    assert row.images_per_second == pytest.approx(16_000)
    assert row.energy is not None
    assert row.energy.value == pytest.approx(2.0 * 0.5 / (50 * 16))
    assert (row.energy.how, row.energy.source) == ("measured", "12V")
    assert found.idle is not None
    assert found.idle.value == 1.5


def test_other_integers_are_counted(board: dict) -> None:
    board["infer"] = CODES + np.array([[0], [0], [1], [9]]) * np.array([[1, 0, 0]])
    found = measure()
    assert (found.identical, found.same_decision) == (2, 3)


def test_no_rail_says_so(board: dict) -> None:
    board["bench"] = said(rail="")
    found = measure()
    assert found.rows[0].energy is None
    assert found.rows[0].why_no_energy == (
        "the board shows no power rail; a meter's file can be given"
    )
    assert found.idle is None


def test_a_meter_is_read_at_the_boards_times_on_this_clock(board: dict, tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    steps = [f"{NOW + second / 10},{4 if 50 <= second < 100 else 3}\n" for second in range(250)]
    file.write_text("time_s,power_w\n" + "".join(steps))
    found = measure(("fpga ssh:pynq", file))
    energy = found.rows[1].energy  # rounds at 5 to 10 s with 4 W, and at 15 to 20 s with 3 W
    assert energy is not None
    assert energy.value == pytest.approx((20 + 15) / (2 * 50 * 16), rel=0.01)
    assert energy.low == pytest.approx(15 / (50 * 16), rel=0.01)


def test_a_meter_of_another_hour_is_no_figure(board: dict, tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text("time_s,power_w\n" + "".join(f"{NOW + 3600 + s},1\n" for s in range(60)))
    found = measure(("fpga", file))
    assert found.rows[0].energy is None
    assert "1.0 h earlier" in found.rows[0].why_no_energy


def test_a_driver_that_talks_nonsense(board: dict) -> None:
    board["bench"] = b"Hello"
    with pytest.raises(StageError, match=r"the driver on ssh:pynq says .*Hello.* expected JSON"):
        measure()


def test_a_board_behind_a_uart_is_not_modelled() -> None:
    made = Made(load_board("ulx3s"), *[SimpleNamespace()] * 3, None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="has the shell 'uart'; expected zynq-iodma"):
        bench_fpga.fabric(made)
