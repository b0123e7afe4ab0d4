"""The power model: its formula, its figures and their sources, what it refuses, and published
measurements and estimates that its intervals must hold."""

import pytest

from lepton_hw.board import known_boards, load_board
from lepton_hw.errors import InputError
from lepton_hw.measure import fpga_power
from lepton_hw.measure.fpga_power import Energies, Used, estimate
from lepton_hw.sim.activity import Activity, Nets
from lepton_hw.toml_values import validate


def switching(rate: float, moving: float | None = None) -> Activity:
    """An activity with these rates, over all bits and over those that move."""
    moving = rate if moving is None else moving
    moved = round(10_000 * rate / moving) if moving else 0
    return Activity(1000, 4, Nets(10_000, moved, round(rate * 10_000 * 1000)), {})


ZYNQ = "xc7z020clg400-1"
#: A CNV with 1-bit weights and activations, FINN, PYNQ-Z2, in round figures.
CNV = Used(lut=25_000, ff=30_000, bram36=62, dsp=24, source="round figures")


def test_the_formula() -> None:
    family = fpga_power.energies().family[0]
    found = estimate(switching(0.1, 0.2), Used(1000, 500, 10, 20, "a test"), 50.0, ZYNQ)
    hertz = 50e6
    for end, rate in (("low", 0.1), ("high", 0.2)):
        energy = {
            name: 1e-12 * getattr(getattr(family, name), end)
            for name in ("clock", "clock_ff", "logic", "bram", "dsp")
        }
        watts = {name: getattr(part, end) for name, part in found.parts.items()}
        assert watts["static"] == getattr(family.static["xc7z020"], end)
        assert watts["clock"] == pytest.approx((energy["clock"] + 500 * energy["clock_ff"]) * hertz)
        assert watts["logic"] == pytest.approx(1000 * rate * energy["logic"] * hertz)
        assert watts["bram"] == pytest.approx(10 * energy["bram"] * hertz)
        assert watts["dsp"] == pytest.approx(20 * rate * energy["dsp"] * hertz)
        assert getattr(found, end) == pytest.approx(sum(watts.values()))
    assert found.low < found.middle < found.high


def test_what_it_says() -> None:
    found = estimate(switching(0.1), CNV, 100.0, ZYNQ)
    assert found.model.startswith("toggles of the RTL")
    assert found.covers == "the whole board, without what is plugged into it"
    lines = "\n".join(found.sources)
    assert "0.100 to 0.100 per bit and cycle" in lines
    assert "resources: round figures" in lines
    for part in ("static", "board", "clock", "clock_ff", "logic", "bram", "dsp"):
        assert f"\n{part}: " in lines
    assert "\nZYBO-A: github.com/" in lines  # the publication itself, not its name alone
    assert "uram" not in lines


def test_a_still_design_has_no_logic_power() -> None:
    still, busy = (estimate(switching(rate), CNV, 100.0, ZYNQ).parts for rate in (0.0, 0.3))
    assert still["logic"] == still["dsp"] == (0.0, 0.0)
    assert still["static"] == busy["static"]
    assert still["clock"] == busy["clock"]


def test_twice_the_clock_is_twice_the_dynamic_power() -> None:
    slow, fast = (estimate(switching(0.1), CNV, clock, ZYNQ).parts for clock in (50.0, 100.0))
    for name in ("clock", "logic", "bram", "dsp"):
        assert fast[name].high == pytest.approx(2 * slow[name].high)
    assert slow["board"] == fast["board"]


def test_uncounted_flip_flops_widen_the_clock() -> None:
    counted = estimate(switching(0.1), CNV, 100.0, ZYNQ).parts["clock"]
    guessed = estimate(switching(0.1), Used(25_000, None, 62, 24, ""), 100.0, ZYNQ).parts["clock"]
    assert guessed.low < counted.low
    assert guessed.high > counted.high


def test_measured_boards_lie_inside() -> None:
    """A check, not a calibration: no figure of the model is from these measurements.

    Whole-board power of a PYNQ-Z2 at 100 MHz by MLPerf Tiny v0.7, hls4ml-FINN, open division
    (github.com/mlcommons/tiny_results_v0.7, results/pynq-z2/*/power/results.txt): CNV-W1A1 1.67 W,
    and 1.58 to 1.62 W for the smaller AD08 and RN07.
    """
    cnv = estimate(switching(0.1), CNV, 100.0, ZYNQ)
    assert cnv.low < 1.6
    assert cnv.high > 1.8
    assert cnv.high < 2 * cnv.low  # and not by an interval that holds everything
    small = estimate(switching(0.05, 0.1), Used(12_000, 14_000, 15, 0, ""), 100.0, ZYNQ)
    assert small.low < 1.58
    assert small.high > 1.62


@pytest.mark.parametrize(
    ("part", "clock", "used", "published"),
    [
        # As cited in energies.toml: total on chip, clocks, logic and signals, BRAM, DSP.
        (ZYNQ, 100, Used(38_814, 53_861, 89, 189, ""), (2.315, 0.079, 0.356, 0.035, 0.147)),
        (ZYNQ, 100, Used(38_150, 48_845, 129.5, 175, ""), (2.304, 0.080, 0.352, 0.026, 0.145)),
        (ZYNQ, 125, Used(3_060, 6_175, 116.5, 144, ""), (1.675, 0.057, 0.039, 0.012, 0.159)),
        (
            "xczu7ev-ffvc1156-2-e", 300, Used(77_494, 78_687, 191.5, 1_257, "", 92),
            (7.032, 0.531, 1.703, 0.200, 0.998),
        ),
        (
            "xczu7ev-ffvc1156-2-e", 100, Used(10_620, 15_936, 7, 0, ""),
            (3.476, 0.040, 0.090, 0.007, 0.0),
        ),
    ],
)  # fmt: skip
def test_published_estimates_lie_inside(
    part: str, clock: float, used: Used, published: tuple[float, ...]
) -> None:
    """The figures that the energies are from, put in again: catches a wrong unit or exponent."""
    found = estimate(switching(0.125), used, clock, part)
    total, *others = published
    assert found.low < total < found.high
    for name, watts in zip(("clock", "logic", "bram", "dsp"), others, strict=True):
        assert found.parts[name].low <= watts <= found.parts[name].high, name


def test_memories_of_uram() -> None:
    used = Used(10_000, 10_000, 0, 0, "", uram=10)
    with_uram = estimate(switching(0.1), used, 100.0, "xczu7ev-ffvc1156-2-e")
    assert 0 < with_uram.parts["uram"].low < with_uram.parts["uram"].high
    assert "uram: 3.4 to 14 pJ per URAM and cycle" in "\n".join(with_uram.sources)


@pytest.mark.parametrize("name", known_boards())
def test_every_board_has_figures(name: str) -> None:
    board = load_board(name)
    found = estimate(switching(0.1), CNV, board.clock, board.part)
    assert 0 < found.low < found.high
    assert (found.parts["board"].high == 0) == (board.pynq is None)


def test_a_part_without_figures_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        estimate(switching(0.1), CNV, 100.0, "xc7a100tcsg324-1")
    assert refused.value.found == "the power model has no energies for the part xc7a100tcsg324-1"
    assert "xc7z020, xczu7ev" in refused.value.expected
    assert refused.value.remedy.endswith("add published figures to boards/parts/energies.toml")


@pytest.mark.parametrize(
    ("used", "clock"), [(CNV, 0.0), (CNV, -1.0), (Used(-1, 0, 0, 0, ""), 100.0)]
)
def test_nonsense_is_refused(used: Used, clock: float) -> None:
    with pytest.raises(InputError, match="above zero"):
        estimate(switching(0.1), used, clock, ZYNQ)


def changed(**figure: object) -> dict[str, object]:
    """The file as a table, with the first family's `logic` changed."""
    table = fpga_power.energies().model_dump()
    table["family"][0]["logic"].update(figure)
    return table


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ({"unit": "nJ per LUT and toggle"}, "pJ per LUT and toggle"),
        ({"low": 2.0}, "low at most high"),
        ({"cites": (), "source": "everybody knows"}, "'assumed'"),
        ({"cites": ("UG440", "NOBODY"), "source": "UG440, NOBODY"}, "NOBODY"),
        ({"cites": ("UG440",), "source": "a guide"}, "in 'source', too"),
    ],
)
def test_figures_without_unit_order_or_source_are_refused(
    figure: dict[str, object], message: str
) -> None:
    validate(changed(), Energies, "the file")
    with pytest.raises(InputError, match=message):
        validate(changed(**figure), Energies, "the file")
