"""The page of a sweep, from results made by hand: what it says, and that nothing breaks out."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from lepton_hw.reporting.sweep_page import render_sweep
from lepton_hw.sweep.pareto import with_fronts
from lepton_hw.sweep_results import Figures, Row, SweepResults


def done(bits: int, accuracy: float | None, latency: int, lut: int, **rest: Any) -> Row:
    figures = Figures(
        accuracy=accuracy, frames_per_second=97656.25, latency_us=latency / 100,
        cycles_per_frame=1024, latency_cycles=latency, lut=lut, bram36=3, uram=0, dsp=0,
        fullest="LUT", share=0.14, vectors=360, seconds=41.6, **rest,
    )  # fmt: skip
    return Row(name=f"n{bits}", values={"bits": bits}, state="done", exact=True, figures=figures)


def other(bits: int, **rest: Any) -> Row:
    return Row(**{"name": f"n{bits}", "values": {"bits": bits}, **rest})


ROWS = (done(2, 0.9472, 2500, 4000), done(3, 0.9722, 2600, 6000), done(4, 0.97, 2700, 7000))


def results(*rows: Row, **changes: Any) -> SweepResults:
    rows = with_fronts(rows)
    values = {
        "flow": "digits_cnn", "title": "Digits", "board": "pynq_z2", "board_title": "PYNQ-Z2",
        "clock": 100.0, "grid": {"bits": tuple(row.values["bits"] for row in rows)},
        "study": "s", "version": "0.1.0", "points": rows, **changes,
    }  # fmt: skip
    return SweepResults(**values)


class Words(HTMLParser):
    """Text of the page; checks that every element is closed, in order."""

    VOID = frozenset({"meta", "path", "use", "rect", "line", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def words(page: str) -> str:
    parser = Words()
    parser.feed(page)
    assert parser.open == []
    assert not {"script", "link", "img", "iframe"} & set(parser.tags)
    return " ".join(" ".join(parser.text).split())


def test_all_figures_are_on_the_page() -> None:
    page = render_sweep(results(*ROWS))
    text = words(page)
    for part in (
        "Digits in 3 variations on PYNQ-Z2", "Bit-exact: all 3", "97.22 % highest accuracy point 2",
        "25.0 µs shortest latency point 1", "4,000 fewest LUTs point 1",
        "1 2 94.72 % 97,656 25.0 µs 4,000 3 0 LUT 14 % 360 42 s", "bits: 2, 3, 4",
        "latency of the first frame (µs)", "accuracy (%)", "LUTs, estimate",
    ):  # fmt: skip
        assert part in text
    assert page.count('class="best"') == 2
    assert "URAM" not in text
    assert "Energy" not in text
    assert not re.search(r"https?://(?!www\.w3\.org)", page)


def test_the_same_results_give_the_same_bytes() -> None:
    assert render_sweep(results(*ROWS)) == render_sweep(results(*ROWS))


def test_points_without_figures_say_why() -> None:
    rows = (*ROWS[:1], other(3, state="failed", reason="it needs 9 LUT"),
            other(4, state="killed", reason="SIGKILL"), other(5, state="running"))  # fmt: skip
    text = words(render_sweep(results(*rows)))
    assert "Bit-exact: 1 of 4" in text
    for part in ("2 3 failed: it needs 9 LUT", "3 4 its process was ended: SIGKILL",
                 "4 5 being built"):  # fmt: skip
        assert part in text


def test_what_is_not_exact_is_said_first() -> None:
    page = render_sweep(results(*ROWS, other(5, state="mismatch", exact=False, reason="rtl has 1")))
    text = words(page)
    assert "NO: 1 of 4 not bit-exact Do not use these designs." in text
    assert "4 5 NOT EXACT: rtl has 1" in text
    assert "Bit-exact: " not in text
    assert 'class="bad"' in page


def test_nothing_at_all() -> None:
    text = words(render_sweep(results(other(2, state="failed", reason="no"))))
    assert "No point has figures" in text
    assert "Pareto" not in text


def test_a_finished_model_has_no_accuracy() -> None:
    text = words(render_sweep(results(done(2, None, 2500, 4000), done(3, None, 2400, 5000))))
    assert "Latency against LUTs" in text
    assert "ccuracy" not in text


def test_energy_is_shown_where_it_is_known() -> None:
    text = words(render_sweep(results(*ROWS, done(8, 0.99, 9000, 9000, energy_per_image=2.5e-3))))
    assert "energy of an image, modelled (mJ)" in text
    assert "2.5 mJ" in text


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><svg onload=x>', "{{ 7*7 }}"])
def test_nothing_breaks_out(evil: str) -> None:
    page = render_sweep(
        results(*ROWS, other(9, state="failed", reason=evil), title=evil, board_title=evil)
    )
    words(page)
    assert evil not in page or evil.startswith("{{")
    assert "49" not in page.partition("</style>")[2].partition("<svg")[0]


def test_numbers_of_points_that_lie_together_are_one_label() -> None:
    same = [done(bits, 0.9, 2500, 4000 + bits) for bits in range(2, 6)]
    page = render_sweep(results(*same, done(8, 0.99, 9000, 9000)))
    assert ">1, 2, 3, 4<" in page
