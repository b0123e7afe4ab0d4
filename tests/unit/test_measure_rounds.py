"""Rounds of work, rows of models, and who overtakes whom."""

import time
from contextlib import contextmanager

import numpy as np
import pytest

from lepton_hw.measure import driver_model, modelled, rounds
from lepton_hw.measure.comparison import Quantity, Row, Split, Target, Timing, break_even
from lepton_hw.measure.fabric import Fabric
from lepton_hw.measure.power import Energy
from lepton_hw.measure.sensors import Watch

NOTHING = (lambda value: value,) * 5


class Meter:
    """10 W, whatever happens."""

    source, accuracy, least = "a fake", 0.05, 0.15

    @contextmanager
    def watch(self):
        watch, begin = Watch(), time.perf_counter()
        yield watch
        seconds = time.perf_counter() - begin
        watch.energy = Energy(10.0 * seconds, seconds, 1.0, 2, self.source)


def slow(seconds: float):
    def phase(value):
        time.sleep(seconds)
        return value

    return phase


def test_phases_rounds_and_energy() -> None:
    work = rounds.Work(
        "cpu x", 4, (slow(0.002), *NOTHING[:1], slow(0.006), *NOTHING[:1], slow(0.001)), 0,
        sensor=Meter(),
    )  # fmt: skip
    (found,) = rounds.measure([work], 3, 0.3)
    assert len(found.rounds) == len(found.energies) == len(found.windows) == 3
    assert all(energy.seconds >= 0.15 for energy in found.energies)  # as long as the sensor needs
    idle = Energy(8.0, 2.0, 1.0, 2, "a fake")  # 4 W
    row = rounds.row(work, found, idle, "")
    assert row.split.before == pytest.approx(0.002, rel=0.5)
    assert row.split.compute == pytest.approx(0.006, rel=0.5)
    assert row.split.transfer == 0.0
    assert row.latency.p50 == pytest.approx(0.009, rel=0.5)
    assert row.images_per_second == pytest.approx(4 / row.latency.p50)
    assert row.energy is not None
    assert row.above_idle is not None
    # 10 W over the calls, and 6 of them above idle; the bars hold the sensor's 5 %.
    assert row.energy.value == pytest.approx(10 * row.latency.p50 / 4, rel=0.2)
    assert row.above_idle.value == pytest.approx(0.6 * row.energy.value, rel=0.01)
    assert row.energy.high >= 1.05 * row.energy.value * 0.999
    assert row.energy.how == "measured"


def test_no_sensor_no_energy_but_the_reason() -> None:
    work = rounds.Work("cpu x", 1, NOTHING, 0)
    (found,) = rounds.measure([work], 2, 0.02)
    row = rounds.row(work, found, None, "no permission")
    assert (row.energy, row.above_idle, row.why_no_energy) == (None, None, "no permission")


def test_a_batch_that_takes_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "LONGEST", 0.05)
    phases = (slow(0.005), *NOTHING[1:])
    work = [rounds.Work("cpu x", batch, phases, 0) for batch in (1, 4, 64)]
    found = rounds.measure(work, 2, 0.04)
    assert [bool(each.left_out) for each in found] == [False, False, True]
    assert "and 0.05 s is the longest" in found[2].left_out
    assert not found[2].rounds


def test_rounds_that_differ_are_noisy() -> None:
    steady = [np.full((50, 1), 0.01)] * 3
    assert not rounds.timing(steady).noisy
    moved = [np.full((50, 1), 0.01), np.full((50, 1), 0.0100), np.full((50, 1), 0.0106)]
    found = rounds.timing(moved)
    assert found.noisy
    assert found.deviation == pytest.approx(0.0392, abs=0.001)
    within = [np.full((50, 1), 0.01), np.full((50, 1), 0.0101), np.full((50, 1), 0.0102)]
    assert not rounds.timing(within).noisy


FABRIC = Fabric(2577, 1024, 64, 64, 20, 100.0, "board")


def test_a_modelled_row_says_so_and_adds_up() -> None:
    power = Quantity(value=2.0, low=1.0, high=3.0, how="modelled", source="a model")
    row = modelled.row(FABRIC, 16, power, "")
    timing = row.latency
    assert timing.how == "modelled"
    assert row.cycles == FABRIC.cycles(16)
    split = row.split
    assert split.transfer is not None
    assert split.before + split.transfer + split.compute + split.after == pytest.approx(timing.p50)
    assert timing.low < timing.p50 < timing.high
    assert row.fabric == pytest.approx(FABRIC.seconds(16))
    assert timing.low > row.fabric
    assert row.energy is not None
    assert row.energy.value == pytest.approx(2.0 * timing.p50 / 16)
    assert row.energy.high == pytest.approx(3.0 * timing.high / 16)
    counted = modelled.row(FABRIC, 16, None, "no sensor", counted=20_000)
    assert (counted.cycles, counted.energy, counted.why_no_energy) == (20_000, None, "no sensor")
    assert counted.latency.p50 - timing.p50 == pytest.approx((20_000 - FABRIC.cycles(16)) * 1e-8)


def test_the_drivers_constants() -> None:
    call = driver_model.call()
    assert (call.low, call.value, call.high) == pytest.approx((105e-6, 420e-6, 720e-6))
    assert driver_model.copied(150).value == pytest.approx(1e-6)


def target(name: str, kind: str, speeds: dict[int, float]) -> Target:
    def row(batch: int, speed: float) -> Row:
        seconds = batch / speed
        timing = Timing(how="measured", repeats=1, p50=seconds, p90=seconds, p99=seconds,
                        worst=seconds, low=seconds, high=seconds)  # fmt: skip
        split = Split(before=0.0, transfer=0.0, compute=seconds, after=0.0)
        return Row(batch=batch, latency=timing, split=split, images_per_second=speed)

    rows = tuple(row(batch, speed) for batch, speed in speeds.items())
    return Target(name=name, kind=kind, device="", images=1, identical=1, same_decision=1,
                  rows=rows)  # fmt: skip


@pytest.mark.parametrize(
    ("speeds", "batch"),
    [
        ({1: 5, 16: 20, 256: 90}, 16),
        ({1: 5, 16: 20, 256: 9}, None),  # it must stay ahead
        ({1: 50, 16: 20, 256: 90}, 1),
        ({1: 5, 16: 7, 256: 9}, None),
        ({1: 5, 256: 90, 1024: 100}, 256),  # only batches that both have
    ],
)
def test_break_even(speeds: dict[int, float], batch: int | None) -> None:
    fpga = target("fpga a", "fpga", {1: 10, 16: 10, 256: 10})
    gpu = target("gpu b", "gpu", speeds)
    (found,) = break_even((fpga, gpu))
    assert (found.fpga, found.other, found.batch) == ("fpga a", "gpu b", batch)


def test_the_virtual_board_overtakes_only_where_it_is_alone() -> None:
    virtual, board = (target(name, "fpga", {1: 10}) for name in ("fpga virtual", "fpga a"))
    cpu = target("cpu x", "cpu", {1: 20})
    assert [each.fpga for each in break_even((virtual, board, cpu))] == ["fpga a"]
    assert [each.fpga for each in break_even((virtual, cpu))] == ["fpga virtual"]
