"""The simulator on small hand-made designs: values, counters, limits, and what it refuses."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest
from handmade import adder, fork

from lepton_hw.errors import InputError, MissingTool, StageError
from lepton_hw.sim.deadlock import Deadlock
from lepton_hw.sim.simulator import Simulator
from lepton_hw.tools import cxx


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def simulator(tmp_path: Path, cache: Path) -> Simulator:
    return Simulator(adder(tmp_path), tmp_path, cache=cache)


BATCH = np.random.default_rng(1).integers(0, 16, (20, 6))
EXPECTED = BATCH + np.tile([-1, 5], 3)


def test_values_and_counters(simulator: Simulator) -> None:
    found = simulator.run(BATCH)
    assert found.outputs.dtype == np.int64
    assert np.array_equal(found.outputs, EXPECTED)
    # 60 beats, one in four cycles at the kernel, which decides the pace.
    assert found.cycles_per_frame == 12
    assert found.cycles == pytest.approx(240, abs=8)
    assert found.streams["sum"].beats == found.streams["m_out"].beats == 60
    assert found.fifos["fifo_a"].max_fill == 4
    assert found.fifos["fifo_b"].max_fill == 1
    assert 3 < found.fifos["fifo_a"].mean_fill <= 4
    assert found.fifos["fifo_a"].fill == 0
    # A beat moves in at one cycle of four and out at the next.
    assert found.nodes["adder"].moving in (119, 120)
    assert np.all(np.diff(found.frame_in) > 0)
    assert np.all(found.latency >= 12)
    assert found.latency[0] < found.latency[-1]  # the first frame meets no queue


def test_blocked_and_starved(simulator: Simulator) -> None:
    found = simulator.run(BATCH)
    stream = found.streams["a_out"]
    assert stream.beats == 60
    assert stream.blocked == pytest.approx(3 * 60, abs=8)
    assert found.streams["m_out"].starved == pytest.approx(3 * 60, abs=8)


@pytest.mark.parametrize(("gap", "stall"), [(0.9, 0.0), (0.0, 0.9), (0.7, 0.7)])
def test_gaps_and_stalls_change_time_not_values(
    simulator: Simulator, gap: float, stall: float
) -> None:
    plain = simulator.run(BATCH)
    first = simulator.run(BATCH, gap=gap, stall=stall, seed=3)
    again = simulator.run(BATCH, gap=gap, stall=stall, seed=3)
    other = simulator.run(BATCH, gap=gap, stall=stall, seed=4)
    assert np.array_equal(first.outputs, EXPECTED)
    assert np.array_equal(other.outputs, EXPECTED)
    assert np.array_equal(first.frame_out, again.frame_out)
    assert not np.array_equal(first.frame_out, other.frame_out)
    assert first.cycles > plain.cycles


def test_taps_record_internal_streams(simulator: Simulator) -> None:
    found = simulator.run(BATCH, taps=("sum", "a_out"), stall=0.5)
    assert np.array_equal(found.taps["sum"], EXPECTED)
    assert np.array_equal(found.taps["a_out"], BATCH)
    with pytest.raises(InputError, match="no stream nowhere"):
        simulator.run(BATCH, taps=("nowhere",))


def test_memory_contents_are_read_at_every_run(tmp_path: Path, cache: Path) -> None:
    first = Simulator(adder(tmp_path / "a"), tmp_path / "a", cache=cache)
    moved = Simulator(adder(tmp_path / "b", offsets="00\n01\n"), tmp_path / "b", cache=cache)
    assert first.build() == moved.build()
    assert np.array_equal(moved.run(BATCH).outputs, BATCH + np.tile([0, 1], 3))
    assert np.array_equal(first.run(BATCH).outputs, EXPECTED)


def test_missing_memory_contents_are_an_error_not_zeros(tmp_path: Path, cache: Path) -> None:
    design = adder(tmp_path)
    (tmp_path / "rtl" / "offsets.dat").unlink()
    with pytest.raises(StageError, match=r"offsets.dat do not exist"):
        Simulator(design, tmp_path, cache=cache).run(BATCH)
    unlisted = design.model_copy(update={"data_files": ()})
    with pytest.raises(StageError, match=r"readmem.*offsets.dat|offsets.dat.*readmem"):
        Simulator(unlisted, tmp_path, cache=cache).run(BATCH)


def test_extra_beats_are_found(tmp_path: Path, cache: Path) -> None:
    design = adder(tmp_path, extra=1)
    with pytest.raises(StageError, match="more output beats"):
        Simulator(design, tmp_path, cache=cache).run(BATCH[:1])


def test_missing_beats_name_the_layer_that_lost_them(tmp_path: Path, cache: Path) -> None:
    design = adder(tmp_path)
    wrong = [
        stream.model_copy(update={"shape": (1, 8), "folded_shape": (1, 4, 2)})
        if stream.name == "m_out"
        else stream
        for stream in design.streams
    ]
    design = design.model_copy(update={"streams": tuple(wrong)})
    with pytest.raises(
        Deadlock, match=r"3 of 4 output beats .*fifo_b \(module small_fifo\) lost"
    ) as caught:
        Simulator(design, tmp_path, cache=cache).run(BATCH[:1], idle_limit=500)
    assert caught.value.report == ()


def test_unread_input_is_found(tmp_path: Path, cache: Path) -> None:
    design = adder(tmp_path)
    wrong = [
        stream.model_copy(update={"shape": (1, 2), "folded_shape": (1, 1, 2)})
        if stream.name == "m_out"
        else stream
        for stream in design.streams
    ]
    design = design.model_copy(update={"streams": tuple(wrong)})
    with pytest.raises(StageError, match=r"more output beats|only .* beats passed"):
        Simulator(design, tmp_path, cache=cache).run(BATCH)


def test_deep_fifo_runs_and_short_one_deadlocks(tmp_path: Path, cache: Path) -> None:
    batch = np.arange(24).reshape(3, 8)
    good = Simulator(fork(tmp_path / "deep", 8), tmp_path / "deep", cache=cache).run(batch)
    assert np.array_equal(good.outputs, 2 * batch)
    assert good.fifos["fifo_s"].max_fill == 8
    short = Simulator(fork(tmp_path / "short", 5), tmp_path / "short", cache=cache)
    with pytest.raises(Deadlock) as caught:
        short.run(batch, idle_limit=200)
    said = str(caught.value)
    assert "no beat moved for 200 cycles" in said
    assert "0 of 24 output beats" in said
    assert re.search(r"stream short_out \(fifo_s holds 5, depth 5\) is held by join_0", said)
    assert "(module join_add), which waits for long_out" in said
    blocked = {entry.stream: entry for entry in caught.value.report}
    assert blocked["short_out"].fill == blocked["short_out"].depth == 5
    assert blocked["s_in"].holder == "split_0"
    assert "long_out" not in blocked
    assert (
        "delivered: fork split_0: the branch through fifo_s to join_0 is short (depth 5); " in said
    )


def test_cycle_limit(simulator: Simulator) -> None:
    with pytest.raises(Deadlock, match="cycle limit is up at cycle 100") as caught:
        simulator.run(BATCH, cycle_limit=100)
    assert caught.value.cycle == 100


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (BATCH[:, :5], r"shape \(20, 5\); expected \(frames, 6\)"),
        (BATCH.reshape(20, 3, 2), r"shape \(20, 3, 2\)"),
        (BATCH * 2, "values from 0 to 30; expected UINT4"),
        (BATCH - 1, "values from -1 to 14"),
        (np.where(BATCH == 3, np.nan, BATCH), "NaN or infinity"),
        (BATCH + 0.5, "fractions"),
        (BATCH.astype(str), "expected integers"),
        (BATCH[:0], "at least 1"),
        ({"nobody": BATCH}, "the batch is for nobody"),
    ],
)
def test_wrong_batches_are_refused(simulator: Simulator, batch: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulator.run(batch)  # type: ignore[arg-type]


def test_whole_numbers_as_floats_are_taken(simulator: Simulator) -> None:
    assert np.array_equal(simulator.run(BATCH.astype(np.float32)).outputs, EXPECTED)


def test_waveform_of_a_cycle_range(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "wave.fst"
    assert np.array_equal(simulator.run(BATCH, trace=(10, 20, path)).outputs, EXPECTED)
    blocks = fst_blocks(path.read_bytes())
    first, last = struct.unpack(">QQ", blocks[0][:16])
    assert (first, last) == (100, 195)  # 10 ns a cycle, two time stamps each
    names = lz4_literals(blocks[6][8:])
    assert len(names) == struct.unpack(">Q", blocks[6][:8])[0]
    for name in (b"fifo_a", b"wait_for", b"sum_tdata"):
        assert name in names
    with pytest.raises(InputError, match="waveform"):
        simulator.run(BATCH, trace=(0, 9, tmp_path / "no" / "such" / "wave.fst"))


def fst_blocks(data: bytes) -> dict[int, bytes]:
    """Type → content of the blocks of an FST file (type, length with itself, content)."""
    blocks, at = {}, 0
    while at < len(data):
        length = struct.unpack(">Q", data[at + 1 : at + 9])[0]
        blocks[data[at]] = data[at + 9 : at + 1 + length]
        at += 1 + length
    assert at == len(data)
    return blocks


def lz4_literals(block: bytes) -> bytes:
    """The content of an LZ4 block that has one sequence of literals."""
    length, at = block[0] >> 4, 1
    if length == 15:
        while block[at] == 255:
            length, at = length + 255, at + 1
        length, at = length + block[at], at + 1
    assert at + length == len(block)
    return block[at:]


def test_complaints_of_the_design_are_told_and_not_printed(
    tmp_path: Path, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    design = adder(tmp_path)
    parts = (tmp_path / "rtl" / "parts.sv").read_text()
    noisy = 'initial begin $display("hello"); $warning("depth is odd"); end endmodule'
    (tmp_path / "rtl" / "parts.sv").write_text(parts.replace("endmodule", noisy, 1))
    assert np.array_equal(Simulator(design, tmp_path, cache=cache).run(BATCH).outputs, EXPECTED)
    angry = 'initial if (DEPTH < 9) begin $error("%m: DEPTH of %0d", DEPTH); $finish; end endmodule'
    (tmp_path / "rtl" / "parts.sv").write_text(parts.replace("endmodule", angry, 1))
    with pytest.raises(StageError, match=r"complains: .*fifo_.*: DEPTH of 4 \(.*parts\.sv"):
        Simulator(design, tmp_path, cache=cache).run(BATCH)
    assert capfd.readouterr() == ("", "")


def test_a_design_that_does_not_compile(tmp_path: Path, cache: Path) -> None:
    design = adder(tmp_path)
    (tmp_path / "design.sv").write_text("module top (input wire nonsense endmodule\n")
    with pytest.raises(StageError, match=r"verilator_bin failed: %Error.*read .*failed-.*log"):
        Simulator(design, tmp_path, cache=cache).build()
    assert not list(cache.glob(".*tmp*"))


def test_no_compiler(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    cxx.find.cache_clear()
    try:
        with pytest.raises(MissingTool, match=r"no C\+\+ compiler.*apt install g\+\+"):
            simulator.build()
    finally:
        cxx.find.cache_clear()
