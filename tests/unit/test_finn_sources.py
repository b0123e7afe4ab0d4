"""Adjustments of FINN's sources: they change what they say, and stop when FINN has changed."""

import pytest

from lepton_hw.errors import StageError
from lepton_hw.rtl.finn_sources import ADJUSTMENTS, adjust

FIFO = """
`default_nettype none
`default_nettype wire
typedef struct {
    int unsigned  lo;
    int unsigned  hi;
} abits_t;
function abits_t INIT_ABITS();
    automatic abits_t  abits = '{ lo: $clog2(DEPTH_REQ), hi: 0 };
localparam  RAM_STYLE_EFF =
    DEPTH <= 33?                      "shift" :
"""


def test_other_files_stay_as_they_are() -> None:
    assert adjust("swg_pkg.sv", "module x; endmodule") == "module x; endmodule"


def test_line_buffers() -> None:
    text = adjust(
        "swg/swg_common.sv",
        "assign shift_out = Out_reg;\nlogic [WIDTH-1:0] Ram [DEPTH-1:0];\nOut_reg <= Ram[Addr_r];",
    )
    assert text == (
        "assign shift_out = DEPTH == 0? shift_in : Out_reg;\n"
        "logic [WIDTH-1:0] Ram [(DEPTH > 1? DEPTH : 1)-1:0];\n"
        "Out_reg <= DEPTH <= 1? shift_in : Ram[Addr_r];"
    )


def test_fifo() -> None:
    text = adjust("rtl/finn/fifo.sv", FIFO)
    assert "default_nettype" not in text
    assert "struct packed {" in text
    assert "abits = '0;" in text
    assert "abits.lo = $clog2(DEPTH_REQ);" in text
    assert 'DATA_WIDTH >= 12? "distributed" : "shift") :' in text


@pytest.mark.parametrize("name", sorted(ADJUSTMENTS))
def test_a_changed_source_is_refused(name: str) -> None:
    with pytest.raises(StageError, match=rf"FINN's {name} has 0 places .* finn-plus 1\.6\.1"):
        adjust(name, "module something_else; endmodule\n")


def test_a_second_place_is_refused() -> None:
    with pytest.raises(StageError, match="4 places"):
        adjust("fifo.sv", FIFO + FIFO)


@pytest.mark.parametrize("name", sorted(ADJUSTMENTS))
def test_every_adjustment_has_a_reason(name: str) -> None:
    assert all(len(adjustment.reason) > 20 for adjustment in ADJUSTMENTS[name])
