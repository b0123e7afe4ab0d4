"""The bridge between a Zynq-7000's processor and the registers, with AXI models that are not ours.

``LEPTON_EXAMPLES`` sets the number of batches (20 if unset).
"""

import os
from pathlib import Path

import pytest

from lepton_hw.rtl.shell import wrapper
from tests.rtl.cocotb_run import simulate

#: The model drives AXI4's widths of length and size; bursts of at most 16 words fit AXI3.
BENCH = """
module axi3_bench (
    input clk, input rst,
    {ports}
);
    axi3_lite bridge (
        .s_awlen(s_awlen[3:0]), .s_arlen(s_arlen[3:0]),
        .s_awsize(s_awsize[1:0]), .s_arsize(s_arsize[1:0]), .*
    );
endmodule
"""
IN = {
    "s_awid": 12, "s_awaddr": 18, "s_awlen": 8, "s_awsize": 3, "s_awburst": 2, "s_awvalid": 1,
    "s_wdata": 32, "s_wstrb": 4, "s_wlast": 1, "s_wvalid": 1, "s_bready": 1,
    "s_arid": 12, "s_araddr": 18, "s_arlen": 8, "s_arsize": 3, "s_arburst": 2, "s_arvalid": 1,
    "s_rready": 1, "m_awready": 1, "m_wready": 1, "m_bresp": 2, "m_bvalid": 1, "m_arready": 1,
    "m_rdata": 32, "m_rresp": 2, "m_rvalid": 1,
}  # fmt: skip
OUT = {
    "s_awready": 1, "s_wready": 1, "s_bid": 12, "s_bresp": 2, "s_bvalid": 1, "s_arready": 1,
    "s_rid": 12, "s_rdata": 32, "s_rresp": 2, "s_rlast": 1, "s_rvalid": 1, "m_awaddr": 18,
    "m_awvalid": 1, "m_wdata": 32, "m_wstrb": 4, "m_wvalid": 1, "m_bready": 1, "m_araddr": 18,
    "m_arvalid": 1, "m_rready": 1,
}  # fmt: skip


def bench(folder: Path, bridge: Path) -> list[Path]:
    ports = [f"{way} [{width - 1}:0] {name}" for way, names in (("input", IN), ("output", OUT))
             for name, width in names.items()]  # fmt: skip
    top = folder / "axi3_bench.sv"
    top.write_text(BENCH.format(ports=",\n    ".join(ports)))
    return [bridge, top]


def test_random_transfers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = wrapper.HERE / "axi3_lite.sv"
    simulate(tmp_path, monkeypatch, bench(tmp_path, source), "axi3_bench", "axi3_cocotb")


@pytest.mark.skipif("LEPTON_EXAMPLES" not in os.environ, reason="in make test-nightly")
def test_a_bridge_that_forgets_a_burst_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (wrapper.HERE / "axi3_lite.sv").read_text()
    wrong = tmp_path / "axi3_lite.sv"
    right = "ADDRESS_BITS'(1) << size"
    assert right in text
    wrong.write_text(text.replace(right, "ADDRESS_BITS'(4)"))
    with pytest.raises(AssertionError):
        simulate(tmp_path, monkeypatch, bench(tmp_path, wrong), "axi3_bench", "axi3_cocotb")
