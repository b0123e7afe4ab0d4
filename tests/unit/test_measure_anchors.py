"""Published figures: what the file says, which network they belong to, and what is refused."""

from pathlib import Path

import pytest

from lepton_hw.board import known_boards
from lepton_hw.errors import InputError
from lepton_hw.measure.anchors import anchors, matching

ONE = """\
[[anchor]]
name = "one"
title = "A design"
networks = ["cnv"]
same = "task"
weight_bits = 1
act_bits = 1
board = "pynq_z2"
year = 2020
source = "A paper"
url = "https://example.org/paper"
host = "not said"
conditions = "one frame a call"
[[anchor.figure]]
what = "latency"
value = 2.5
unit = "ms"
kind = "measured"
how = "on the board"
"""
FIGURE = ONE[ONE.index("[[anchor.figure]]") :]

MISTAKES = {
    ('unit = "ms"', 'unit = "mJ"'): (
        "table [anchor[0].figure[0]] has what, value, unit, kind, how; expected latency in s or ms "
        "or us, not in 'mJ'; change its keys."
    ),
    ("value = 2.5", "value = 0.0"): (
        "key 'anchor[0].figure[0].value' is 0.0; expected a number greater than 0; correct the "
        "value."
    ),
    ('what = "latency"', 'what = "speed"'): (
        "key 'anchor[0].figure[0].what' is \"speed\"; expected 'latency', 'energy', 'throughput', "
        "'power' or 'accuracy'; correct the value."
    ),
    ("year = 2020", "year = 2020\nyears = 1"): (
        "key 'anchor[0].years' = 1 is unknown; expected one of act_bits, board, clock, conditions, "
        "figure, host, name, networks, same, source, title, url, weight_bits, year; rename it if "
        "you mean 'year'."
    ),
    ('source = "A paper"\n', ""): (
        "key 'anchor[0].source' is missing; expected every required key; add 'anchor[0].source'."
    ),
    ("https://example.org/paper", "a library"): (
        "key 'anchor[0].url' is \"a library\"; expected text of the form ^https://\\S+$; correct "
        "the value."
    ),
    ("year = 2020", 'clock = "100"\nyear = 2020'): (
        "key 'anchor[0].clock' is \"100\"; expected a frequency with its unit, such as '100 MHz'; "
        "correct the value."
    ),
    (FIGURE, FIGURE + FIGURE): (
        "table [anchor[0]] has name, title, networks, same, weight_bits, act_bits, board, year, "
        "source, url, host, conditions, figure; expected one figure of each kind, not two of "
        "latency; change its keys."
    ),
    (ONE, ONE + ONE): (
        "the file has anchor; expected each name once, not two of one; change its keys."
    ),
}


def _file(folder: Path, text: str) -> Path:
    path = folder / "anchors.toml"
    path.write_text(text)
    return path


def test_the_figures_that_goals_are_set_by() -> None:
    known = {anchor.name: anchor for anchor in anchors()}
    kws, cnv = known["mlperf-tiny-kws-w3a3"], known["mlperf-tiny-cnv-w1a1"]
    assert [figure.text for figure in kws.figure] == ["17.5 us", "30.7 uJ", "82.5 %"]
    assert [figure.text for figure in cnv.figure] == ["1.51 ms", "2.53 mJ", "84.5 %"]
    assert kws.get("latency").base == pytest.approx(17.5e-6)
    assert cnv.get("energy").base == pytest.approx(2.53e-3)
    assert (kws.clock, kws.host) == (100.0, "included")
    assert known["mlperf-tiny-rn07"].get("latency").text == "27.3 ms"
    assert known["mlperf-tiny-rn07"].get("energy").text == "44.2 mJ"
    assert known["nn2fpga-resnet8-kv260"].get("throughput").text == "30,153 frames/s"


def test_a_board_that_we_know_is_named_as_we_name_it() -> None:
    other = {anchor.board for anchor in anchors()} - set(known_boards())
    assert other == {"ZC706 (XC7Z045)"}


def test_matching_names_the_nearest_first() -> None:
    def names(network: str, board: str | None = None) -> list[str]:
        return [anchor.name for anchor in matching(network, board)]

    assert names("kws_mlp") == ["mlperf-tiny-kws-w3a3"]
    assert names("cnv", "pynq_z2") == ["mlperf-tiny-cnv-w1a1"]
    assert names("cnv") == ["mlperf-tiny-cnv-w1a1", "finn-2017-cnv-max"]
    assert names("sfc") == ["finn-2017-sfc-max"]
    assert names("resnet8") == [
        "nn2fpga-resnet8-kv260", "nn2fpga-resnet8-ultra96", "mlperf-tiny-rn07"
    ]  # fmt: skip
    assert names("vgg10") == []


def test_matching_among_given_ones(tmp_path: Path) -> None:
    given = anchors(_file(tmp_path, ONE))
    assert matching("cnv", among=given) == given
    assert matching("cnv", "pynq_z1", given) == ()


def test_a_figure_that_is_not_there_is_not_made_up(tmp_path: Path) -> None:
    (one,) = anchors(_file(tmp_path, ONE))
    with pytest.raises(InputError) as failure:
        one.get("energy")
    assert str(failure.value) == (
        "the anchor one has no energy; expected one of latency; compare another figure."
    )


def test_values_are_frozen(tmp_path: Path) -> None:
    (one,) = anchors(_file(tmp_path, ONE))
    with pytest.raises(ValueError, match="frozen"):
        one.year = 2021


@pytest.mark.parametrize(("change", "text"), MISTAKES.items())
def test_a_mistake_is_named(tmp_path: Path, change: tuple[str, str], text: str) -> None:
    assert ONE.count(change[0]) == 1
    path = _file(tmp_path, ONE.replace(*change))
    with pytest.raises(InputError) as failure:
        anchors(path)
    assert str(failure.value) == f"{path}: {text}"
