"""FASM as place and route writes it, and as nobody should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_hw.errors import InputError
from lepton_hw.xc7.fasm import Setting, parse

TEXT = """
# routing for net a[3]$legal1
INT_L_X0Y0.OUT0.IN1
  CLBLL_L_X0Y0.X0.ALUT.INIT[15:0] = 16'b1010_0000_0000_0011   # contents
A_X1Y1.B[7]
A_X1Y1.B[7:4] = 4'hA
A_X1Y1.B[3:0] = 5
A_X1Y1.C = 1'b0
A_X1Y1.D { .net = "a # } \\" b", .x = "y" }
{ note = "a line of its own" }
"""


def test_every_form_of_a_line() -> None:
    assert parse(TEXT) == [
        Setting("INT_L_X0Y0", "OUT0.IN1", 0, 1, 1, 3),
        Setting("CLBLL_L_X0Y0", "X0.ALUT.INIT", 0, 16, 0xA003, 4),
        Setting("A_X1Y1", "B", 7, 1, 1, 5),
        Setting("A_X1Y1", "B", 4, 4, 10, 6),
        Setting("A_X1Y1", "B", 0, 4, 5, 7),
        Setting("A_X1Y1", "C", 0, 1, 0, 8),
        Setting("A_X1Y1", "D", 0, 1, 1, 9),
    ]
    assert [str(each) for each in parse(TEXT)[:3]] == [
        "INT_L_X0Y0.OUT0.IN1", "CLBLL_L_X0Y0.X0.ALUT.INIT[15:0]", "A_X1Y1.B[7]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "alone", "A.B C", "A..B", "A.B[", "A.B[1:2]", "A.B[0:1] = 1", "A.B =", "A.B[1:0] = 4'b0111",
        "A.B[1:0] = 2'b2", "A.B[1:0] = 1'b10", "A.B[99999:0] = 1", "A.B[1:0] = 2'x1", "A.B = 2",
        "A.B = _", "A.B[0] = 1'b_", "é.B", "A.B { open", 'A.B { .x = "open }', "= 1", "[3]",
        "A.B[1000000000000:0] = 1",
    ],
)  # fmt: skip
def test_other_lines_are_refused_by_number(line: str) -> None:
    with pytest.raises(InputError, match=r"x\.fasm, line 2, "):
        parse(f"A.B\n{line}\nA.C\n", "x.fasm")


@given(st.text(alphabet="A.B_[]:=0123'bhx #{}\"\\\n", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        settings = parse(text)
    except InputError:
        return
    for each in settings:
        assert 0 <= each.value < 1 << each.width
        assert each.tile
        assert each.name
