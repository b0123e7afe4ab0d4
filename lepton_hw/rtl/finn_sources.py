"""What our copies of FINN's RTL differ in from FINN's own, and why.

Each adjustment is a small change of text that keeps the hardware the same; one that no longer
finds its place stops the build, because FINN has changed. FINN's installed files stay untouched.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath

from lepton_hw.errors import StageError

HERE = Path(__file__).parent
FINN_VERSION = "1.6.1"


@dataclass(frozen=True)
class Adjustment:
    """Replaces what `pattern` matches, `times` times, by `text`; `reason` says why."""

    pattern: str
    text: str | Callable[[], str]
    reason: str
    times: int = 1

    def apply(self, file_name: str, source: str) -> str:
        """The adjusted text; raises `StageError` unless the pattern is there `times` times."""
        text = self.text if isinstance(self.text, str) else self.text()
        adjusted, times = re.subn(self.pattern, lambda _: text, source, flags=re.S | re.M)
        if times != self.times:
            wanted = "one" if self.times == 1 else str(self.times)
            raise StageError(
                f"FINN's {file_name} has {times} places to adjust because {self.reason}",
                f"exactly {wanted}, as in finn-plus {FINN_VERSION}",
                f"install finn-plus {FINN_VERSION}",
            )
        return adjusted


_WATCHDOG = Adjustment(
    r"\tif\(1\) begin : blkRecoveryWatch\n.*?\tend : blkRecoveryWatch\n",
    "",
    "its start-up watchdog waits 100 ns, which only a simulator with delays can do; it warns and"
    " computes nothing",
)

_NETTYPE = Adjustment(
    r"^`default_nettype (?:none|wire)\n",
    "",
    "it has compiler directives inside a module, which the language forbids and Yosys refuses",
    times=2,
)

ADJUSTMENTS: dict[str, tuple[Adjustment, ...]] = {
    "add_multi.sv": (
        Adjustment(
            r"\A.*module add_multi import mvu_pkg::\*; #\(.*DEPTH.*endmodule : add_multi\s*\Z",
            (HERE / "add_multi.sv").read_text,
            "it defines a constant function inside a generate block",
        ),
    ),
    "mvu.sv": (
        _WATCHDOG,
        Adjustment(
            r"// synthesis translate off\n\s*\(B1 === '0\) \|\| \(AD1 === '0\)\? 0 :\n"
            r"// synthesis translate on\n",
            "",
            "it tests every factor for zero, for the sake of unknown values that our simulator"
            " does not have and synthesis does not read; each test costs simulation speed",
        ),
    ),
    "mvu_vvu_axi.sv": (
        Adjustment(
            r"localparam int unsigned  MAX_IN_FLIGHT = CORE_PIPELINE_DEPTH;",
            # From a full output register to the input's stop: one beat that waits in the queue,
            # the core's pipeline on its way, and one more because OLock is a register; the queue
            # holds MAX_IN_FLIGHT + 1. CORE_PIPELINE_DEPTH is below PIPELINE_DEPTH of mvu.sv for
            # some SIMD, and for every DSP58 that does not use the 8-bit core.
            """localparam int unsigned  SOFT_DEPTH = 4 + $clog2(SIMD) + (SIMD == 1);
		localparam int unsigned  MAX_IN_FLIGHT =
			1 + (CORE_PIPELINE_DEPTH > SOFT_DEPTH? CORE_PIPELINE_DEPTH : SOFT_DEPTH);""",
            "its output queue overflows, and output beats are lost, when a layer whose weights"
            " fit one fold (MW = SIMD) meets back-pressure",
        ),
    ),
    "mvu_vvu_8sx9_dsp58.sv": (_WATCHDOG,),
    "dwc_axi.sv": (
        Adjustment(
            r"\.N\(IBITS \* OBITS\)",
            # One wide beat is one vector then, for which vpc.sv has shift registers.
            ".N(IBITS % OBITS == 0? IBITS : OBITS % IBITS == 0? OBITS : IBITS * OBITS)",
            "it builds a barrel of multiplexers even where one width divides the other: 1,175 LUTs"
            " instead of 177 from 160 to 10 bits",
        ),
    ),
    "swg_common.sv": (
        Adjustment(
            r"assign shift_out = Out_reg;(?=.*Ram \[DEPTH-1:0\])",
            "assign shift_out = DEPTH == 0? shift_in : Out_reg;",
            "its line buffer of no words keeps one, so that parallel windows on images as wide as"
            " the kernel hold wrong pixels",
        ),
        Adjustment(
            r"Ram \[DEPTH-1:0\];",
            "Ram [(DEPTH > 1? DEPTH : 1)-1:0];",
            "a line buffer of no words is an array of no size",
        ),
        Adjustment(
            r"Out_reg <= Ram\[Addr_r\];",
            "Out_reg <= DEPTH <= 1? shift_in : Ram[Addr_r];",
            "its line buffer of a single word reads a second one that it does not have, so that"
            " parallel windows on images one pixel wider than the kernel hold wrong pixels",
        ),
    ),
    "vpc.sv": (_NETTYPE,),
    "thresholding.sv": (
        Adjustment(
            r"\? 1 : p\.ptr\[M-1:SN\+1\] < 2\*\*stage - SCOPE_REDUCE;",
            # At stage 0, where SN is M-1, SCOPE_REDUCE is 0 for every N, so that the value of
            # the comparison never counts.
            "? 1 : (p.ptr[M-1:0] >> (SN+1)) < 2**stage - SCOPE_REDUCE;",
            "its comparison at stage 0 selects bits M-1 to M, a range the wrong way round, which"
            " Yosys refuses",
        ),
    ),
    "fifo.sv": (
        _NETTYPE,
        Adjustment(
            r"typedef struct \{(?=\s*int unsigned\s+lo;\s*int unsigned\s+hi;\s*\} abits_t;)",
            "typedef struct packed {",
            "a constant function returns an unpacked structure",
        ),
        Adjustment(
            r"automatic abits_t  abits = '\{ lo: \$clog2\(DEPTH_REQ\), hi: 0 \};",
            "automatic abits_t  abits = '0;\n\t\tabits.lo = $clog2(DEPTH_REQ);",
            "a constant function initialises a structure by field names",
        ),
        Adjustment(
            r'DEPTH <= 33\?                      "shift" :',
            'DEPTH <= 33? (DEPTH > 5 && DATA_WIDTH >= 12? "distributed" : "shift") :',
            "its shallow queues are shift registers, which ECP5 does not have and nextpnr cannot"
            " place beside memories: they end as flip-flops, one a bit",
        ),
    ),
}


def adjust(file_name: str, text: str) -> str:
    """The text of a FINN source as we use it; unchanged where nothing needs adjusting.

    `file_name` is a path or a bare name. Raises `StageError` where FINN has changed.
    """
    for adjustment in ADJUSTMENTS.get(PurePath(file_name).name, ()):
        text = adjustment.apply(file_name, text)
    return text
