"""Vivado's reports as values: every figure with its unit, and refusals where a report is none."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vivado_texts import power_report, timing_report, utilisation_7, utilisation_us

from lepton_hw.errors import StageError
from lepton_hw.tools.vivado_reports import (
    Used,
    parse_power,
    parse_timing,
    parse_utilisation,
    read_reports,
    require_fit,
    require_timing,
)


def test_timing() -> None:
    timing = parse_timing(timing_report())
    assert (timing.wns, timing.tns, timing.whs, timing.wpws) == (0.412, 0.0, 0.031, 3.75)
    assert (timing.clock, timing.period, timing.endpoints) == ("clk_fpga_0", 10.0, 4321)
    assert timing.achieved_mhz == pytest.approx(104.297, abs=1e-3)
    assert timing.met
    worst = timing.paths[0]
    assert (worst.kind, worst.slack, worst.levels, worst.route) == ("Hold", 0.031, 9, 0.75)
    assert timing.paths[1].source.endswith("Setup_from_reg[3]/C")
    assert timing.paths[1].requirement == 10.0
    require_timing(timing, 100.0)


@given(
    wns=st.integers(-9999, 9999).map(lambda n: n / 1000),
    whs=st.integers(-999, 999).map(lambda n: n / 1000),
)
def test_every_negative_slack_fails(wns: float, whs: float) -> None:
    timing = parse_timing(timing_report(wns, whs))
    assert (timing.wns, timing.whs) == (wns, whs)
    assert timing.met == (wns >= 0 and whs >= 0)
    if timing.met:
        require_timing(timing, 100.0)
    else:
        with pytest.raises(StageError):
            require_timing(timing, 100.0)


def test_missed_setup_names_the_ends_and_the_clock() -> None:
    timing = parse_timing(timing_report(wns=-1.25))
    with pytest.raises(StageError) as caught:
        require_timing(timing, 100.0)
    assert str(caught.value) == (
        "timing is missed by 1.250 ns at 100 MHz (17 end points) from"
        " system_i/lepton/accelerator/Setup_from_reg[3]/C to"
        " system_i/lepton/accelerator/Setup_to_reg[7]/D, mostly wire: a part less full helps;"
        " expected no negative slack; lower the board's clock to 88.8 MHz, or the folding"
        " (compile.target_fps)."
    )


def test_missed_hold_is_not_repaired_by_a_slower_clock() -> None:
    with pytest.raises(StageError, match=r"hold timing is missed by 0\.120 ns from .*Hold_from"):
        require_timing(parse_timing(timing_report(whs=-0.12)), 100.0)


def test_missed_pulse_width() -> None:
    with pytest.raises(StageError, match=r"pulse width timing is missed by 0\.500 ns"):
        require_timing(parse_timing(timing_report(wpws=-0.5)), 100.0)


def test_the_clock_is_that_of_the_design() -> None:
    timing = parse_timing(timing_report(wns=-1.25, second_clock=True))
    assert (timing.clock, timing.period, timing.clock_slack) == ("clk_fpga_0", 10.0, -1.25)


def test_an_unconstrained_design_is_no_success() -> None:
    text = timing_report().replace("clk_fpga_0  {0.000 5.000}", "nothing")
    with pytest.raises(StageError, match="no clock is constrained"):
        parse_timing(text)
    with pytest.raises(StageError, match="no 'Design Timing Summary'"):
        parse_timing("")


def test_utilisation_of_7_series() -> None:
    use = parse_utilisation(utilisation_7())
    assert use.lut == Used(used=12345, available=53200)
    assert use.lut.percent == pytest.approx(23.2049, abs=1e-4)
    assert use.ff == Used(used=20000, available=106400)
    assert (use.bram36, use.uram) == (Used(used=3.5, available=140), None)
    require_fit(use)


def test_utilisation_of_ultrascale() -> None:
    use = parse_utilisation(utilisation_us())
    assert (use.lut.used, use.bram36.used, use.dsp.available) == (40000, 60.5, 1248)
    assert use.uram == Used(used=8, available=64)


def test_an_over_full_part() -> None:
    with pytest.raises(StageError, match="the design needs 60,000 LUT and the part has 53,200"):
        require_fit(parse_utilisation(utilisation_7(lut=60000)))


def test_a_utilisation_report_without_a_row() -> None:
    with pytest.raises(StageError, match="no 'Block RAM Tile'"):
        parse_utilisation(utilisation_7().replace("Block RAM Tile", "Other"))


def test_power() -> None:
    power = parse_power(power_report())
    assert (power.total, power.dynamic, power.static) == (1.623, 1.479, 0.144)
    assert (power.confidence, power.process, power.grade) == ("Medium", "typical", "commercial")
    assert (power.ambient, power.junction) == (25.0, 43.7)


@pytest.mark.parametrize("row", ["Total On-Chip Power", "Dynamic", "Device Static"])
def test_a_power_report_without_a_row(row: str) -> None:
    with pytest.raises(StageError, match=rf"no '{row} \(W\)'"):
        parse_power(power_report().replace(f"{row} (W)", "x"))


def test_a_missing_report(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"timing\.rpt cannot be read"):
        read_reports(tmp_path)
