"""Our adjusted copies of FINN's modules beside FINN's own: same handshakes and data every cycle.

Both get the same random beats, with gaps and back-pressure in phases that fill and drain them.
"""

import re
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from lepton_hw.rtl.finn_sources import adjust
from lepton_hw.sim import build
from lepton_hw.sim.port_model import PortModel

#: Eighths of the cycles in which a beat is offered and taken, for a phase each.
PHASES = ((8, 8), (8, 1), (1, 8), (5, 5), (8, 0), (0, 8), (8, 4))

PAIR = """
  if (1) begin : pair{index}
    logic ivld = 0, ordy = 0;
    logic [{width}-1:0] idat = 0;
    wire irdy_a, irdy_b, ovld_a, ovld_b;
    wire [{out}-1:0] odat_a, odat_b;
    {module} #({parameters}) a (.clk, .rst, .idat, .ivld, .irdy(irdy_a), .odat(odat_a),
      .ovld(ovld_a), .ordy{more});
    {module}_finn #({parameters}) b (.clk, .rst, .idat, .ivld, .irdy(irdy_b), .odat(odat_b),
      .ovld(ovld_b), .ordy{more});
    always_ff @(posedge clk) begin
      if (rst) ivld <= 0;
      else if (!ivld || irdy_a) begin
        ivld <= 4'($urandom & 7) < offer;
        idat <= {width}'({{$urandom, $urandom, $urandom}});
      end
      ordy <= 4'($urandom & 7) < take;
    end
    assign differs[{index}] =
      irdy_a != irdy_b || ovld_a != ovld_b || (ovld_a && odat_a != odat_b);
    assign moved[{index}] = ovld_a && ordy;
    assign stopped[{index}] = ivld && !irdy_a;
  end
"""


def finns_own(name: str) -> str:
    """FINN's file as it is installed."""
    finn = find_spec("finn")
    if finn is None or finn.origin is None:
        pytest.skip("FINN is not installed")
    return next((Path(finn.origin).parent / "finn-rtllib").glob(f"*/hdl/{name}")).read_text()


def compare(
    folder: Path, name: str, own: str, pairs: list[dict[str, object]], cycles: int
) -> tuple[int, int]:
    """Runs all pairs; returns how many of them ever delivered, and ever stopped their input."""
    module = Path(name).stem
    (folder / "adjusted.sv").write_text(adjust(name, finns_own(name)))
    (folder / "own.sv").write_text(re.sub(rf"\b{module}\b", f"{module}_finn", own))
    last = len(pairs) - 1
    body = "".join(PAIR.format(index=i, module=module, **pair) for i, pair in enumerate(pairs))
    (folder / "bench.sv").write_text(
        f"module bench (input clk, rst, input [3:0] offer, take, output [{last}:0] differs, moved,"
        f" stopped);\n{body}endmodule\n"
    )
    sources = tuple(folder / file for file in ("adjusted.sv", "own.sv", "bench.sv"))
    recipe = build.Recipe("bench", sources, (), harness=build.HERE / "ports.cpp")
    model = PortModel(build.library(recipe, folder / "cache", shared=build.default_cache()))
    port, ever, stops = model.ports, 0, 0
    for cycle in range(cycles):
        port["rst"].value = int(cycle < 3 or cycle % (cycles // 3) == 7)
        offer, take = PHASES[cycle * len(PHASES) // cycles]
        port["offer"].value, port["take"].value = offer, take
        for clock in (1, 0):
            port["clk"].value = clock
            model.evaluate()
        different = [i for i in range(len(pairs)) if port["differs"].value >> i & 1]
        assert not different, f"cycle {cycle}: {pairs[different[0]]['parameters']}"
        ever |= port["moved"].value
        stops |= port["stopped"].value
    model.close()
    return ever.bit_count(), stops.bit_count()


def fifo_as_finns(text: str) -> str:
    """FINN's FIFO for Verilator, which takes no constant function that returns a structure.

    The function's arithmetic is written out in constants; nothing else is touched.
    """
    function = r"\ttypedef struct \{\s*int unsigned\s+lo;.*?localparam abits_t\s+ABITS[^\n]*\n"
    constants = """
\tlocalparam int unsigned  WHOLE = $clog2(DEPTH_REQ);
\tlocalparam int unsigned  REST = WHOLE > MIN_ABITS? $clog2(DEPTH_REQ - 2**(WHOLE-1)) : WHOLE;
\tlocalparam bit  SPLIT = (WHOLE > MIN_ABITS) && (REST < WHOLE - 1);
\tlocalparam int unsigned  ABITS_lo = SPLIT? WHOLE - 1 : WHOLE;
\tlocalparam int unsigned  ABITS_hi = !SPLIT? 0 : REST < 1? 1 : REST;
"""
    text, times = re.subn(function, lambda _: constants, text, flags=re.S)
    assert times == 1
    return re.sub(r"\bABITS\.(lo|hi)\b", r"ABITS_\1", text)


@pytest.mark.parametrize("style", ["auto", "block", "distributed"])
def test_fifo(tmp_path: Path, style: str) -> None:
    pairs: list[dict[str, object]] = [
        {"parameters": f'.DEPTH({depth}), .DATA_WIDTH({width}), .RAM_STYLE("{style}")',
         "width": width, "out": width, "more": ", .count(), .maxcount()"}
        for depth in (2, 4, 5, 6, 9, 32, 33, 40, 64, 65, 130, 257, 258, 514)
        for width in (3, 12)
        if style == "auto" or depth > 33
    ]  # fmt: skip
    # More than 512 words are two memories; both are filled and drained.
    pairs += [
        {"parameters": f'.DEPTH({depth}), .DATA_WIDTH(8), .RAM_STYLE("{style}")', "width": 8,
         "out": 8, "more": ", .count(), .maxcount()"}
        for depth in (700, 1030, 1100)
        if style == "block"
    ]  # fmt: skip
    own = fifo_as_finns(finns_own("fifo.sv"))
    delivered, stopped = compare(tmp_path, "fifo.sv", own, pairs, 12_000)
    assert (delivered, stopped) == (len(pairs), len(pairs))


def test_a_fifo_that_differs_is_noticed(tmp_path: Path) -> None:
    own = fifo_as_finns(finns_own("fifo.sv")).replace("DEPTH > 4? DEPTH-1 : 4", "DEPTH - 2")
    pair: dict[str, object] = {
        "parameters": ".DEPTH(9), .DATA_WIDTH(8)", "width": 8, "out": 8,
        "more": ", .count(), .maxcount()",
    }  # fmt: skip
    with pytest.raises(AssertionError, match=r"cycle \d+: .DEPTH\(9\)"):
        compare(tmp_path, "fifo.sv", own, [pair], 700)


def test_width_converter(tmp_path: Path) -> None:
    pairs: list[dict[str, object]] = []
    for n, pi, po in [(6, 1, 1), (4, 4, 1), (4, 1, 4), (6, 3, 2), (6, 2, 3), (5, 2, 3), (12, 8, 3),
                      (7, 7, 2), (16, 4, 2), (5, 1, 2)]:  # fmt: skip
        for relaxed in (0, 1):
            pairs.append(
                {"parameters": f".W(3), .N({n}), .PI({pi}), .PO({po}),"
                 f" .RELAX_THROUGHPUT({relaxed})",
                 "width": 3 * pi, "out": 3 * po, "more": ""}
            )  # fmt: skip
    delivered, stopped = compare(tmp_path, "vpc.sv", finns_own("vpc.sv"), pairs, 3_000)
    assert (delivered, stopped) == (len(pairs), len(pairs))


@pytest.mark.parametrize("deep", [0, 1])
def test_thresholding(tmp_path: Path, deep: int) -> None:
    rng = np.random.default_rng(3)
    pairs: list[dict[str, object]] = []
    for index, (count, fold, pe, signed) in enumerate(
        product((1, 2, 3, 6, 7, 15, 21), (1, 3, 4), (1, 2), (0, 1))
    ):
        bits = 6
        path = tmp_path / f"{index}_"
        low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
        thresholds = np.sort(rng.choice(np.arange(low, high), (fold, pe, count)), axis=2)
        _write_thresholds(path, thresholds, bits)
        out = count.bit_length()
        pairs.append(
            {"parameters": f".K({bits}), .N({count}), .C({fold * pe}), .PE({pe}),"
             f' .SIGNED({signed}), .THRESHOLDS_PATH("{path}"), .USE_CONFIG(0),'
             f" .DEEP_PIPELINE({deep})",
             "width": bits * pe, "out": out * pe,
             "more": ", .iset(1'b0), .cfg_en(1'b0), .cfg_we(1'b0), .cfg_a('0), .cfg_d('0),"
             " .cfg_rack(), .cfg_q()"}
        )  # fmt: skip
    own = finns_own("thresholding.sv")
    delivered, stopped = compare(tmp_path, "thresholding.sv", own, pairs, 1_500)
    assert (delivered, stopped) == (len(pairs), len(pairs))


def _write_thresholds(path: Path, thresholds: np.ndarray, bits: int) -> None:
    """Files as FINN writes them: of each stage of the search the thresholds it compares with."""
    fold, lanes, count = thresholds.shape
    stages = count.bit_length()
    top = (1 << stages) - 1
    padded = np.concatenate(
        [thresholds, np.full((fold, lanes, top - count), thresholds.max())], axis=2
    )
    for lane in range(lanes):
        for stage in range(stages):
            step = 1 << stages - stage
            words = padded[:, lane, step // 2 - 1 :: step].reshape(-1)
            text = "".join(f"{word & (1 << bits) - 1:x}\n" for word in words)
            Path(f"{path}threshs_{lane}_{stage}.dat").write_text(text)
