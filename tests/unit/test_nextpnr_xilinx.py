"""nextpnr's report and log, as version 0.11.1 wrote them, and what is made of them."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from lepton_hw.errors import StageError
from lepton_hw.tools import nextpnr_report, nextpnr_xilinx, open_tools
from lepton_hw.tools.nextpnr_report import Clock
from lepton_hw.tools.nextpnr_xilinx import Nextpnr, Routed

REPORT = {
    "critical_paths": [],
    "fmax": {
        "clk": {"achieved": 247.77, "constraint": 100},
        "aux": {"achieved": 90.5, "constraint": 100},
    },
    "utilization": {
        "SLICE_LUTX": {"available": 106400, "used": 133},
        "RAMB36E1_RAMB36E1": {"available": 140, "used": 1},
        "RAMB18E1_RAMB18E1": {"available": 280, "used": 3},
    },
}
#: From the log of a design with 40 memories of 18 kb; names shortened.
LOG = """Info: Device utilisation:
Info: \t          SLICE_LUTX:       0/ 106400     0%
Info: \t   RAMB18E1_RAMB18E1:      40/    280    14%
Info:  critical path
Info: 2 Hold/min time violations (showing 10 worst paths):

Warning: Hold/min time violation for clock 'posedge clk':
Info:       type curr  total name
Info:   clk-to-q  0.30  0.30 Source $auto$ff.cc:337:slice$4096.Q
Info:    routing  0.31  0.61 Net g[22].a[6] (57,97) -> (59,98)
Info:                          Sink g[22].m.0.0.DIADI6
Info:       hold -0.67 -0.05 Source g[22].m.0.0.DIADI6
Info: -0.37 ns logic, 0.31 ns routing

Warning: Hold/min time violation for clock 'posedge clk':
Info:       hold -0.67 -0.02 Source g[30].m.0.0.DIADI15
Info: Max frequency for clock 'clk': 247.77 MHz (PASS at 100.00 MHz)
"""
FULL = """Info: \t          SLICE_LUTX:       0/ 106400     0%
Info: \t           SLICE_FFX:      64/ 106400     0%
Info: \t   RAMB36E1_RAMB36E1:     160/    140   114%
ERROR: Unable to place cell 'g[54].m.0.0', no BELs remaining to implement cell type 'RAMB36E1_RAMB36E1'
0 warnings, 1 error
"""  # noqa: E501
UNKNOWN = """Info: \t          SLICE_LUTX:       0/ 106400     0%
ERROR: Unable to place cell 'w', no BELs remaining to implement cell type 'WEIRD'
"""
CROWDED = """Info: \t          SLICE_LUTX:  104000/ 106400    97%
Info: \t          PSEUDO_GND:       1/      1   100%
ERROR: Unable to find legal placement for all cells, design is probably at utilisation limit.
"""


def test_the_clock_is_the_one_that_was_reached() -> None:
    clocks, used = nextpnr_xilinx.parse_report(json.dumps(REPORT))
    assert clocks == (Clock("aux", 90.5, 100.0), Clock("clk", 247.77, 100.0))
    routed = Routed(1, clocks, used, 0, Path("x"), luts=71)
    assert routed.mhz == 90.5
    assert routed.resources == {"lut": 71.0, "ff": 0.0, "carry4": 0.0, "bram36": 2.5, "dsp": 0.0}
    assert Routed(1, (), {}, 0, Path("x")).mhz == 0.0


@pytest.mark.parametrize(
    "change",
    [
        {"fmax": None}, {"fmax": {"clk": {"achieved": None, "constraint": 1}}}, {"utilization": 3},
        {"fmax": {"clk": {"achieved": -1.0, "constraint": 1}}}, {"fmax": {"clk": {}}},
    ],
)  # fmt: skip
def test_a_report_that_is_none(change: dict[str, Any]) -> None:
    with pytest.raises(StageError, match="report cannot be understood"):
        nextpnr_xilinx.parse_report(json.dumps({**REPORT, **change}))
    with pytest.raises(StageError, match="report cannot be understood"):
        nextpnr_xilinx.parse_report(json.dumps(REPORT)[:-9])


def test_both_halves_of_a_lut_are_one() -> None:
    fasm = """CLBLM_R_X21Y143.SLICEM_X0.ALUT.INIT[63:0] = 64'b01
CLBLM_R_X21Y143.SLICEM_X0.ALUT.RAM
CLBLM_R_X21Y143.SLICEM_X0.AOUTMUX.O5
CLBLM_R_X21Y143.SLICEL_X1.ALUT.INIT[31:0] = 32'b01
CLBLM_R_X21Y143.SLICEM_X0.DLUT.INIT[63:0] = 64'b10
"""
    assert nextpnr_xilinx.luts(fasm) == 3


def test_hold_violations_are_counted_and_named() -> None:
    assert nextpnr_xilinx.hold_violations(LOG) == (2, "g[22].m.0.0.DIADI6 by 0.05 ns")
    assert nextpnr_xilinx.hold_violations(FULL) == (0, "")


def test_the_best_seed() -> None:
    def routed(seed: int, *mhz: float, hold: int = 0) -> Routed:
        clocks = tuple(Clock(str(n), each, 200.0) for n, each in enumerate(mhz))
        return Routed(seed, clocks, {}, hold, Path(), 0, "x.D by 0.05 ns" if hold else "")

    runs = [routed(1, 100, 300), routed(2, 120, 130), routed(3, 500, 500, hold=1), routed(4, 120)]
    assert nextpnr_report.best(runs).seed == 2
    assert nextpnr_report.best(runs[::-1]).seed == 2
    with pytest.raises(StageError, match=r"each of 2 seeds .* at least 1: x\.D by 0\.05 ns"):
        nextpnr_report.best([routed(5, 10, hold=4), routed(6, 10, hold=1)])
    with pytest.raises(StageError, match="each of 0 seeds"):
        nextpnr_report.best([])


@pytest.mark.parametrize(
    ("log", "says"),
    [
        (FULL, "does not fit: it needs 160 RAMB36E1_RAMB36E1; expected at most 140; fold it more"),
        (UNKNOWN, "knows no cell WEIRD; expected cells of Xilinx's 7 series"),
        (CROWDED, r"cannot be placed although it would fit \(98% of SLICE_LUTX\)"),
        ("ERROR: FIXME: unconstrained IO not supported (pad o)\n",
         r"nextpnr failed: FIXME: unconstrained IO not supported \(pad o\); .* read x\.log"),
        ("Info: x\n  what():  Assertion failure: y (z.h:3)\n", r"Assertion failure: y \(z\.h:3\)"),
        ("", "exit code 7 and no error message"),
    ],
)  # fmt: skip
def test_why_a_design_was_refused(log: str, says: str) -> None:
    with pytest.raises(StageError, match=says):
        raise nextpnr_xilinx.refusal(log, 7, Path("x.log"))


def test_arguments_of_a_run(tmp_path: Path) -> None:
    given = nextpnr_xilinx.arguments(
        Path("/n t/top.json"), Path("/top.xdc"), "xc7z020clg400-1", Path("/c.bin"), 100.0, 3,
        Path("/o.fasm"), Path("/o.json"),
    )  # fmt: skip
    assert given == [
        "--device", "xc7z020clg400-1", "--chipdb", "/c.bin", "--json", "/n t/top.json",
        "-o", "xdc=/top.xdc", "-o", "fasm=/o.fasm", "--freq", "100", "--seed", "3",
        "--timing-allow-fail", "--placer-heap-alpha", "0.3", "--report", "/o.json",
    ]  # fmt: skip


FAKE = """#!{python}
import json, os, sys
print({log!r})
given = dict(zip(sys.argv[1:], sys.argv[2:]))
outputs = [a.split('=', 1) for a in sys.argv if '=' in a]
if {code} == 0:
    open(dict(outputs)['fasm'], 'w').write('A.B\\n')
    open(given['--report'], 'w').write({report!r})
sys.exit({code})
"""


def fake(folder: Path, log: str, code: int) -> Nextpnr:
    program = folder / "nextpnr"
    program.write_text(
        FAKE.format(python=sys.executable, log=log, code=code, report=json.dumps(REPORT))
    )
    program.chmod(0o755)
    return Nextpnr(open_tools.Program("nextpnr", (str(program),), "0.11.1"))


def test_a_run_reads_what_the_program_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_tools, "chipdb", lambda part: Path("/c.bin"))
    given = (tmp_path / "n.json", tmp_path / "x.xdc", "xc7z020clg400-1", 100.0, 5, tmp_path)
    routed = fake(tmp_path, LOG, 0).run(*given)
    assert (routed.seed, routed.hold, routed.fasm) == (5, 2, "seed5.fasm")
    assert "Hold" in (tmp_path / "seed5.log").read_text()
    with pytest.raises(StageError, match="needs 160 RAMB36E1"):
        fake(tmp_path, FULL, 125).run(*given)
    assert not (tmp_path / "seed5.fasm").exists()
