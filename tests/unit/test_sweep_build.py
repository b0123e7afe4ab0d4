"""One point's end as a row, the exit code of the verb, and its table; nothing is built here."""

from pathlib import Path
from typing import Any

import pytest
from fake_sweep import BOARD, figures, flow

from lepton_hw.cli import sweeping
from lepton_hw.errors import InputError, LeptonError, Mismatch, MissingTool, StageError
from lepton_hw.progress import SILENT
from lepton_hw.sweep import build, run
from lepton_hw.sweep.grid import parse_grid, points_of
from lepton_hw.sweep.pareto import with_fronts
from lepton_hw.sweep_results import Row, SweepResults

POINTS = points_of(parse_grid(("bits=2,3,4",), flow()), flow())


def built(error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Row:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(build.pipeline, "build", fail)
    return build.build_point(POINTS[0], build.Place(BOARD, tmp_path, "cpu"), SILENT)


@pytest.mark.parametrize(
    ("error", "state", "exact"),
    [
        (StageError("it needs 9 LUT", "8", "fold less"), "failed", None),
        (InputError("no such data set", "one", "choose it"), "failed", None),
        (Mismatch("rtl has 1", "0", "do not use this design"), "mismatch", False),
    ],
)
def test_an_error_becomes_the_rows_reason(
    error: LeptonError, state: str, exact: bool | None,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    row = built(error, monkeypatch, tmp_path)
    assert (row.state, row.exact, row.reason, row.figures) == (state, exact, str(error), None)
    assert row.name == POINTS[0].name


def test_a_surprise_is_a_row_too_and_is_in_the_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = built(KeyError("two\nlines"), monkeypatch, tmp_path)
    assert row.state == "failed"
    assert row.reason.startswith("internal error, KeyError: ")
    assert "\n" not in row.reason
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [MissingTool("no g++", "one", "install it"), ModuleNotFoundError("no torch", name="torch")],
)
def test_what_is_missing_ends_the_worker(
    error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(MissingTool, match=r"g\+\+|'torch' is not installed"):
        built(error, monkeypatch, tmp_path)


def results(**changes: Any) -> SweepResults:
    """Three points: done, as `changes` says, done."""
    rows = [Row(name=point.name, values=dict(point.values), state="done", exact=True,
                figures=figures(point)) for point in POINTS]  # fmt: skip
    if changes:
        rows[1] = rows[1].model_copy(update={"figures": None, "exact": None, **changes})
    return SweepResults(
        flow="digits_cnn", title="Digits", board="pynq_z2", board_title="PYNQ-Z2", clock=100.0,
        grid={"bits": (2, 3, 4)}, study="s", version="1", points=with_fronts(rows),
    )  # fmt: skip


def said(
    found: SweepResults, monkeypatch: pytest.MonkeyPatch, capsys: Any, *more: str
) -> tuple[int, str]:
    monkeypatch.setattr(run, "sweep", lambda *_: found)
    command = ["sweep", "digits_cnn", "-b", "pynq_z2", "--grid", "bits=2,3,4", *more]
    code = sweeping.app(args=command, standalone_mode=False)
    return code or 0, capsys.readouterr().out


def test_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    failed = {"state": "failed", "reason": "it needs 9 LUT; expected 8; fold less."}
    code, text = said(results(**failed), monkeypatch, capsys)
    assert code == 0
    assert text.splitlines() == [
        "Digits on PYNQ-Z2, 100 MHz",
        "   bits  accuracy  frames/s    µs  LUT  BRAM  DSP  full  best in",
        "1     2    92.00%   100,000  20.0  200     2    0    0%  latency, LUT",
        "2     3         -         -     -    -     -    -     -  failed",
        "3     4    94.00%   100,000  40.0  400     4    0    1%  latency, LUT",
        "2: failed: it needs 9 LUT; expected 8; fold less.",
        "bit-exact: 2 of 3",
        "sweep: build/digits_cnn/pynq_z2/sweep/sweep.html",
    ]


def test_json_is_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said(results(), monkeypatch, capsys, "--json")
    assert (code, SweepResults.model_validate_json(text)) == (0, results())


def test_what_is_not_exact_is_loud(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said(results(state="mismatch", reason="rtl has 1."), monkeypatch, capsys)
    assert code == 1
    assert "\n2: NOT EXACT: rtl has 1.\n" in text


def test_nothing_done_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = results()
    rows = tuple(row.model_copy(update={"state": "failed", "figures": None})
                 for row in found.points)  # fmt: skip
    code, _ = said(found.model_copy(update={"points": rows}), monkeypatch, capsys)
    assert code == 1
