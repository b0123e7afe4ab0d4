"""The report's section on CPUs and GPUs, and its plots, from figures made by hand."""

import re
from xml.etree import ElementTree

import pytest

from lepton_hw.measure.comparison import Comparison
from lepton_hw.reporting import comparison_plots
from lepton_hw.reporting.roofline import roofline
from tests.unit.test_bench_request import comparison
from tests.unit.test_report_page import layer, some_facts, text_of


def texts(svg: str) -> str:
    """All text of a plot; fails where it is no XML."""
    return " | ".join(element.text or "" for element in ElementTree.fromstring(svg).iter()
                      if element.tag.endswith("text"))  # fmt: skip


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (comparison_plots.latency, ("batch size (images)", "ms for a batch", "fpga z (modelled)")),
        (comparison_plots.throughput, ("images per second", "cpu x", "16")),
        (comparison_plots.breakdown, ("pre-processing", "% of the time of batch 1", "100 ms")),
        (comparison_plots.energy, ("mJ an image", "open: modelled", "batch 1", "fpga z")),
    ],
)
def test_plots_have_axes_units_and_names(draw, words: tuple[str, ...]) -> None:
    drawn = texts(draw(comparison()))
    for word in words:
        assert word in drawn, drawn
    assert "$" not in drawn  # TeX, as Matplotlib writes it on logarithmic axes


def test_no_energy_no_plot() -> None:
    found = comparison()
    bare = tuple(
        target.model_copy(
            update={"rows": tuple(row.model_copy(update={"energy": None}) for row in target.rows)}
        )
        for target in found.targets
    )
    assert comparison_plots.energy(found.model_copy(update={"targets": bare})) == ""


def test_the_section() -> None:
    said = text_of(comparison=comparison(), anchors=(("A board", "17.5 µs"),))
    for words in (
        "CPU, GPU and FPGA", "2026-01-31 12:00:00 UTC", "The machine was noisy: 1 row (marked !)",
        "cpu x takes less time an image than fpga z from batch 16 on",
        "batch 64 left out: slow", "not measured: none here", "of cpu x: no right",
        "2 mJ modelled 1 mJ – 4 mJ", "A board 17.5 µs", "Measured by others",
        "1.2 % at z, batch 1",
    ):  # fmt: skip
        assert words in re.sub(r"\s+", " ", said), words


def test_a_board_that_was_measured_is_said() -> None:
    found = comparison()
    real = [
        target.model_copy(
            update={
                "rows": tuple(
                    row.model_copy(
                        update={"latency": row.latency.model_copy(update={"how": "measured"})}
                    )
                    for row in target.rows
                )
            }
        )
        for target in found.targets
    ]
    said = text_of(comparison=found.model_copy(update={"targets": tuple(real)}))
    assert "Nothing here was measured on a board" not in said
    assert "modelled is cycles of the RTL" not in re.sub(r"\s+", " ", said)


def test_what_comes_from_outside_is_escaped() -> None:
    found = comparison().model_copy(update={"absent": {"gpu": "<script>alert(1)</script>"}})
    from lepton_hw.reporting.page import render

    page = render(some_facts(comparison=found))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_no_comparison_no_section() -> None:
    empty = Comparison.model_validate({**comparison().model_dump(), "targets": ()})
    for facts in ({}, {"comparison": empty}):
        assert "CPU, GPU and FPGA" not in text_of(**facts)


def test_the_roofline_of_a_design() -> None:
    """One layer of 9 multipliers, 128 cycles a frame by estimate, 1,100 in RTL at 100 MHz."""
    facts = some_facts(
        layers=(layer("MVAU_rtl_0", "MVAU", 120.0, 128), layer("T", "Thresholding", 9.0, 9))
    )
    found = roofline(facts)
    assert found is not None
    operations = 2 * 128 * 9
    assert found.peak == pytest.approx(2 * 9 * 100e6)
    assert found.achieved == pytest.approx(operations * facts.fps)
    assert found.intensity == pytest.approx(operations / (64 + 4))  # UINT8 8×8 in, two INT16 out
    assert found.bandwidth == pytest.approx(8e8)
    assert found.achieved <= found.peak
    assert "its multipliers, 1.8 GOP/s" in texts(comparison_plots.roofline(found))
    assert roofline(some_facts(layers=(layer("T", "Thresholding", 9.0, 9),))) is None
