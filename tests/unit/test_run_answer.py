"""What a board answers to `lepton run`: anything at all, of which only a ranking is taken."""

import json

import pytest

from lepton_hw.cli import hardware
from lepton_hw.errors import StageError
from lepton_hw.tools.place import Place

BOARD = Place("ssh", "me@board")


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "\n",
        "Segmentation fault",
        "7",
        "[]",
        "{}",
        '{"label": "1"}',
        '{"label": "1", "ranking": []}',
        '{"label": "1", "ranking": 7}',
        '{"label": "1", "ranking": [["1", "x"]]}',
        '{"ranking": [["1", 0.5]]}',
        "[" * 200_000,
        '{"label": "1", "ranking": [["1", 1' + "0" * 400 + "]]}",
    ],
)
def test_an_answer_that_is_none_is_a_sentence(answer: str) -> None:
    with pytest.raises(StageError, match=r"answers '.*; expected a line of JSON with label and ra"):
        hardware._classified(answer, BOARD)


def test_the_last_line_counts() -> None:
    values = {"label": "3", "ranking": [["3", 0.75], ["1", 0.25]]}
    found = hardware._classified("a warning\n" + json.dumps(values) + "\n", BOARD)
    assert found == {"label": "3", "ranking": [("3", 0.75), ("1", 0.25)]}
