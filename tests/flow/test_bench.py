"""``lepton bench`` on the shared build: engines of this CPU, and the board as a model."""

import json
import shutil
from pathlib import Path

import pytest

from lepton_hw import artifacts
from lepton_hw.executors import engines
from lepton_hw.executors.phases import Phases
from lepton_hw.measure import rapl
from lepton_hw.measure.comparison import Comparison
from lepton_hw.sim.activity import Activity, Nets
from lepton_hw.stages import bench_hosts, bench_power, bench_subject
from lepton_hw.stages.bitstream import Bitstream, digest_of
from lepton_hw.stages.train import Trained

from .conftest import IMAGES, Built
from .lepton import copy_of, flow_file, leftovers, lepton


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_hosts, "IDLE", 0.0)
    # Counting has a test of its own (tests/rtl/test_activity.py), and a library to compile.
    counts = Activity(1_000, 1, Nets(bits=100, moved=50, toggles=10_000), {})
    monkeypatch.setattr(bench_power, "activity", lambda *_: counts)
    monkeypatch.setattr(rapl.Rapl.__init__, "__defaults__", (Path("/nonexistent"),))


def test_cpu_and_a_modelled_board(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy_of(built, tmp_path)
    flow = flow_file(tmp_path / "flows")
    said = lepton(
        capsys, "bench", flow, "--on", "cpu,gpu,fpga:pynq_z2,fpga:ulx3s", "--batch", "1,8",
        "--seconds", "0.1", "--rounds", "2", "--build-dir", tmp_path,
    )  # fmt: skip
    assert said.code == 0, said.err
    found = Comparison.model_validate_json((folder / "bench/bench.json").read_text())
    targets = {target.name: target for target in found.targets}
    assert list(targets)[:4] == [f"cpu {name}" for name in engines.ENGINES["cpu"]]
    assert all(target.same_decision >= 0.95 * target.images for target in targets.values())
    exact, rtl = targets["cpu integers"], targets["fpga pynq_z2"]
    assert exact.identical == exact.images == 360
    assert rtl.identical == rtl.images == IMAGES
    assert targets["cpu onnxruntime"].identical < 360  # it does not round inside
    for target in targets.values():
        assert [row.batch for row in target.rows] == [1, 8]
        how = "modelled" if target.kind == "fpga" else "measured"
        assert all(row.latency.how == how for row in target.rows)
    assert all(row.why_no_energy for row in exact.rows)
    row = rtl.rows[0]
    assert row.energy is not None
    assert row.energy.how == "modelled"
    assert 0 < row.energy.low < row.energy.value < row.energy.high
    assert "toggles of the RTL in simulation" in row.energy.source
    assert row.cycles is not None
    assert row.cycles > built.simulated.latency_cycles
    assert row.fabric == pytest.approx(row.cycles / 100e6)
    assert "asked of the board; no bitstream was built" in rtl.conditions["clock"]
    assert "no energy of cpu pytorch-fp32" in said.out
    assert "shows no energy counters of its processor" in said.out
    assert "the only one whose time is modelled" in found.absent["fpga ulx3s"]
    page = (folder / "report.html").read_text()
    assert "<h2>CPU, GPU and FPGA</h2>" in page
    assert "Nothing here was measured on a board." in page
    assert page.count('class="plot"') >= 7
    assert not leftovers(tmp_path)

    # The report keeps it as long as the design is the one that was measured.
    assert lepton(capsys, "report", flow, "-b", "pynq_z2", "--build-dir", tmp_path).code == 0
    assert "<h2>CPU, GPU and FPGA</h2>" in (folder / "report.html").read_text()
    changed = json.loads((folder / "bench/artifact.json").read_text())
    changed["comparison"]["design_digest"] = "00"
    (folder / "bench/artifact.json").write_text(json.dumps(changed))
    assert lepton(capsys, "report", flow, "-b", "pynq_z2", "--build-dir", tmp_path).code == 0
    assert "<h2>CPU, GPU and FPGA</h2>" not in (folder / "report.html").read_text()


def test_the_clock_of_a_built_bitstream_counts(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy_of(built, tmp_path)
    (folder / "bitstream_open").mkdir()
    known = Bitstream(
        toolchain="open", design_digest=digest_of(built.stitched), part="xc7z020clg400-1",
        clock=75.0, achieved=80.4, used={"lut": 9000.0, "ff": 6000.0, "bram36": 3.0},
    )  # fmt: skip
    artifacts.save(known, folder / "bitstream_open", "key", 1.0)
    said = lepton(
        capsys, "bench", flow_file(tmp_path / "flows"), "--on", "fpga:pynq_z2", "--batch", "1",
        "--json", "--build-dir", tmp_path,
    )  # fmt: skip
    assert said.code == 0, said.err
    (target,) = Comparison.model_validate_json(said.out).targets
    assert target.conditions["clock"] == "75 MHz of a bitstream by open, which reached 80.4"
    (row,) = target.rows
    assert row.cycles is not None
    assert row.fabric == pytest.approx(row.cycles / 75e6)
    assert row.energy is not None
    assert row.energy.value > 0

    # Of another design it would say nothing about this one.
    other = known.model_copy(update={"design_digest": "00"})
    artifacts.save(other, folder / "bitstream_open", "key", 1.0)
    said = lepton(
        capsys, "bench", flow_file(tmp_path / "flows"), "--on", "fpga:pynq_z2", "--batch", "1",
        "--json", "--build-dir", tmp_path,
    )  # fmt: skip
    (target,) = Comparison.model_validate_json(said.out).targets
    assert target.conditions["clock"].startswith("100 MHz, asked of the board")


def test_json_of_one_engine_needs_no_design(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy_of(built, tmp_path)
    for stage in ("compile", "stitch", "simulate", "certify"):
        shutil.rmtree(folder / stage)
    said = lepton(
        capsys, "bench", flow_file(tmp_path / "flows"), "--on", "cpu:integers", "-b", "pynq_z2",
        "--batch", "4", "--seconds", "0.1", "--json", "--build-dir", tmp_path,
    )  # fmt: skip
    assert said.code == 0, said.err
    (target,) = Comparison.model_validate_json(said.out).targets
    assert target.identical == target.images == 360
    assert not (folder / "compile").exists()


def test_where_nothing_can_be_measured_the_last_comparison_stays(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy_of(built, tmp_path)
    flow = flow_file(tmp_path / "flows")
    common = (flow, "-b", "pynq_z2", "--batch", "1", "--seconds", "0.1", "--build-dir", tmp_path)
    assert lepton(capsys, "bench", *common, "--on", "cpu:onnxruntime").code == 0
    kept = (folder / "bench/bench.json").read_text()
    said = lepton(capsys, "bench", *common, "--on", "fpga:ulx3s")
    assert said.code == 1
    assert "nothing could be measured (" in said.error
    assert "the only one whose time is modelled" in said.error
    assert (folder / "bench/bench.json").read_text() == kept


def test_wrong_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no board was named" in lepton(capsys, "bench", "digits_cnn", "--on", "cpu").error
    said = lepton(capsys, "bench", "digits_cnn", "--on", "fpga:pynq_z2", "--batch", "0")
    assert said.error.startswith("--batch is '0'; expected numbers from 1")
    said = lepton(capsys, "bench", "digits_cnn", "--on", "cpu", "-b", "pynq_z2", "--meter", "x")
    assert said.error.startswith("--meter is 'x'; expected TARGET=FILE.csv")


def test_a_broken_engine_is_seen(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of answers can fail: one weight of one engine is another."""
    from lepton_hw.progress import SILENT

    trained = artifacts.load(Trained, built.folder / "train")
    assert trained is not None
    source = bench_subject.source(built.flow, trained, built.exported, built.compiled, SILENT)
    subject = bench_subject.subject(built.flow, built.exported, source.integers, 50, SILENT)
    executor = engines.make("cpu", "integers", source)
    right = subject.judge(executor.infer(subject.codes))
    assert right.identical == right.images == 50
    phases = executor.phases(1)
    wrong = Phases(phases.before, phases.send, phases.compute, phases.receive,
                   lambda value: phases.after(value) + 1)  # fmt: skip
    found = subject.judge(wrong.run(subject.codes))
    assert found.identical == 0
    assert found.same_decision == 50  # the class alone would not have shown it


@pytest.mark.parametrize("name", list(engines.ENGINES["cpu"]))
def test_phases_are_what_infer_runs(built: Built, name: str) -> None:
    import numpy as np

    from lepton_hw.progress import SILENT

    trained = artifacts.load(Trained, built.folder / "train")
    source = bench_subject.source(built.flow, trained, built.exported, built.compiled, SILENT)
    codes = np.load(built.exported.path("vectors.npz"))["inputs"][:7].astype(np.int64)
    executor = engines.make("cpu", name, source)
    phased = executor.phases(7).run(codes)
    assert np.array_equal(phased.reshape(7, -1), executor.infer(codes))
