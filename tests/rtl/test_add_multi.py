"""Our add_multi beside FINN's: same sum in every cycle, for every shape of tree and depth."""

import re
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest

from lepton_hw.rtl.finn_sources import HERE
from lepton_hw.sim import build
from lepton_hw.sim.port_model import PortModel

#: Argument width, lowest and highest value (0, 0: the whole unsigned range).
RANGES = [(2, -1, 1), (5, 0, 0), (7, -64, 63), (6, -3, 20)]
ADDENDS = (1, 2, 3, 5, 8, 9)
DEPTHS = range(6)

PAIR = """
  if (1) begin : pair{index}
    logic [{width}-1:0] arg[{n}];
    wire [{sum}-1:0] ours, finns;
    add_multi #(.N({n}), .DEPTH({depth}), .ARG_WIDTH({width}), .ARG_LO({low}), .ARG_HI({high}))
      a (.clk(ap_clk), .rst(!ap_rst_n), .en(en), .arg(arg), .sum(ours));
    add_multi_finn #(.N({n}), .DEPTH({depth}), .ARG_WIDTH({width}), .ARG_LO({low}),
      .ARG_HI({high})) b (.clk(ap_clk), .rst(!ap_rst_n), .en(en), .arg(arg), .sum(finns));
    always_ff @(posedge ap_clk) for (int i = 0; i < {n}; i++) arg[i] <= {value};
    assign differs[{index}] = ours != finns;
    assign nonzero[{index}] = ours != 0;
  end
"""


def finns_own(library: Path) -> str:
    """FINN's text with its constant function moved where Verilator takes it, nothing else."""
    text = (library / "mvu" / "add_multi.sv").read_text()
    match = re.search(r"\t*typedef int unsigned  leaf_load_t.*?endfunction[^\n]*\n", text, re.S)
    assert match
    text = text.replace(match[0], "").replace(
        "\tuwire [SUM_WIDTH-1:0]  sum0;", match[0] + "\tuwire [SUM_WIDTH-1:0]  sum0;"
    )
    return text.replace("add_multi", "add_multi_finn")


def bench() -> tuple[str, int]:
    pairs = []
    for index, (n, depth, (width, low, high)) in enumerate(product(ADDENDS, DEPTHS, RANGES)):
        span = (high - low + 1) if high else 1 << width
        pairs.append(
            PAIR.format(
                index=index, n=n, depth=depth, width=width, low=low, high=high,
                sum=f"mvu_pkg::sumwidth({n}, {width}, {low}, {high})",
                value=f"{width}'({low} + int'($urandom % {span}))",
            )
        )  # fmt: skip
    head = f"""module bench (
  input ap_clk, input ap_rst_n, input en,
  output [{len(pairs) - 1}:0] differs, output [{len(pairs) - 1}:0] nonzero
);
"""
    return head + "".join(pairs) + "endmodule\n", len(pairs)


def test_same_sum_in_every_cycle(tmp_path: Path) -> None:
    finn = find_spec("finn")
    if finn is None or finn.origin is None:
        pytest.skip("FINN is not installed")
    library = Path(finn.origin).parent / "finn-rtllib"
    (tmp_path / "original.sv").write_text(finns_own(library))
    text, pairs = bench()
    (tmp_path / "bench.sv").write_text(text)
    recipe = build.Recipe(
        "bench",
        (library / "mvu" / "mvu_pkg.sv", HERE / "add_multi.sv", tmp_path / "original.sv",
         tmp_path / "bench.sv"),
        (),
        harness=build.HERE / "ports.cpp",
    )  # fmt: skip
    model = PortModel(build.library(recipe, tmp_path / "cache", shared=build.default_cache()))
    port = model.ports
    ever = 0
    for cycle in range(200):
        port["ap_rst_n"].value = int(cycle > 3 and cycle % 61 != 0)
        port["en"].value = int(cycle % 7 not in (3, 4))
        port["ap_clk"].value = 1
        model.evaluate()
        port["ap_clk"].value = 0
        model.evaluate()
        assert port["differs"].value == 0, f"cycle {cycle}: {port['differs'].value:b}"
        ever |= port["nonzero"].value
    assert ever == (1 << pairs) - 1
    model.close()
