"""Vivado's reports and messages as the tests need them: AMD's formats, with made-up numbers."""

from textwrap import dedent

RULE = "-" * 96


def timing_report(
    wns: float = 0.412, whs: float = 0.031, wpws: float = 3.75, second_clock: bool = False
) -> str:
    """A ``report_timing_summary`` of a design at 100 MHz whose worst paths have these slacks."""
    met = min(wns, whs) >= 0
    failing = 0 if wns >= 0 else 17
    tns = min(0.0, wns * failing)
    row = (
        f"{wns:9.3f} {tns:12.3f} {failing:23d} {4321:21d} {whs:12.3f} {min(0.0, whs):12.3f}"
        f" {0 if whs >= 0 else 1:22d} {4321:20d} {wpws:12.3f} {0.0:12.3f} {0:23d} {2345:21d}"
    )
    head = "    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)"
    other = "  clk_slow  {0.000 20.000}     40.000          25.000\n" if second_clock else ""
    other_row = (
        f"  clk_slow {30.5:9.3f} {0.0:9.3f} {0:9d} {12:9d} {0.1:9.3f} {0.0:9.3f} {0:9d} {12:9d}"
    )
    return "\n".join([
        "Copyright 1986-2022 Xilinx, Inc. All Rights Reserved.", RULE,
        "| Tool Version      : Vivado v.2022.2 (lin64)", "| Design            : system_wrapper",
        "| Device            : 7z020-clg400", RULE, "", "Timing Summary Report", "",
        RULE, "| Design Timing Summary", "| ---------------------", RULE, "",
        head, "    -------      -------  ---------------------", f"  {row}", "", "",
        "All user specified timing constraints are met." if met else
        "Timing constraints are not met.", "",
        RULE, "| Clock Summary", "| -------------", RULE, "",
        "Clock       Waveform(ns)       Period(ns)      Frequency(MHz)",
        "-----       ------------       ----------      --------------",
        f"clk_fpga_0  {{0.000 5.000}}      10.000          100.000         \n{other}", "",
        RULE, "| Intra Clock Table", "| -----------------", RULE, "",
        f"Clock   {head}", "-----             -------      -------",
        f"clk_fpga_0 {row}", *([other_row] if second_clock else []), "",
        RULE, "| Timing Details", "| --------------", RULE, "", "Max Delay Paths", RULE,
        timing_path(wns, "Setup"), "", "Min Delay Paths", RULE, timing_path(whs, "Hold"), "",
    ])  # fmt: skip


def timing_path(slack: float, kind: str) -> str:
    """One path of the report's details."""
    verdict = "MET" if slack >= 0 else "VIOLATED"
    corner = "Max at Slow Process Corner" if kind == "Setup" else "Min at Fast Process Corner"
    return dedent(f"""\
        Slack ({verdict}) :{slack:15.3f}ns  (required time - arrival time)
          Source:                 system_i/lepton/accelerator/{kind}_from_reg[3]/C
                                    (rising edge-triggered cell FDRE clocked by clk_fpga_0)
          Destination:            system_i/lepton/accelerator/{kind}_to_reg[7]/D
          Path Group:             clk_fpga_0
          Path Type:              {kind} ({corner})
          Requirement:            10.000ns  (clk_fpga_0 rise@10.000ns - clk_fpga_0 rise@0.000ns)
          Data Path Delay:        9.600ns  (logic 2.400ns (25.000%)  route 7.200ns (75.000%))
          Logic Levels:           9  (CARRY4=4 LUT5=2 LUT6=3)""")


def utilisation_7(lut: int = 12345, bram: float = 3.5, dsp: int = 4) -> str:
    """A ``report_utilization`` of a 7 series part, of before the column Prohibited."""
    return dedent(f"""\
        1. Slice Logic
        --------------

        +----------------------------+-------+-------+-----------+-------+
        |          Site Type         |  Used | Fixed | Available | Util% |
        +----------------------------+-------+-------+-----------+-------+
        | Slice LUTs                 | {lut} |     0 |     53200 | 23.20 |
        |   LUT as Logic             | 11000 |     0 |     53200 | 20.68 |
        |     LUT as Distributed RAM |   100 |     0 |           |       |
        | Slice Registers            | 20000 |     0 |    106400 | 18.80 |
        +----------------------------+-------+-------+-----------+-------+

        3. Memory
        | Block RAM Tile    |  {bram} |     0 |       140 |  2.50 |
        |   RAMB36/FIFO*    |    3 |     0 |       140 |  2.14 |
        4. DSP
        | DSPs           |    {dsp} |     0 |       220 |  1.82 |
        """)


def utilisation_us() -> str:
    """A ``report_utilization`` of an UltraScale+ part, with the column Prohibited and URAM."""
    return dedent("""\
        | Site Type                  |  Used | Fixed | Prohibited | Available | Util% |
        | CLB LUTs*                  | 40000 |     0 |          0 |    117120 | 34.15 |
        | CLB Registers              | 50000 |     0 |          0 |    234240 | 21.35 |
        | Block RAM Tile    |  60.5 |     0 |          0 |       144 | 42.01 |
        | URAM              |     8 |     0 |          0 |        64 | 12.50 |
        | DSPs           |  200 |     0 |          0 |      1248 | 16.03 |
        """)


def power_report(confidence: str = "Medium") -> str:
    """A ``report_power``."""
    return dedent(f"""\
        | Design           : system_wrapper
        | Device           : xc7z020clg400-1
        | Design State     : routed
        | Grade            : commercial
        | Process          : typical
        | Characterization : Production

        1. Summary
        +--------------------------+--------------+
        | Total On-Chip Power (W)  | 1.623        |
        | Design Power Budget (W)  | Unspecified* |
        | Power Budget Margin (W)  | NA           |
        | Dynamic (W)              | 1.479        |
        | Device Static (W)        | 0.144        |
        | Effective TJA (C/W)      | 11.5         |
        | Max Ambient (C)          | 66.3         |
        | Junction Temperature (C) | 43.7         |
        | Confidence Level         | {confidence}       |
        +--------------------------+--------------+

        1.1 On-Chip Components
        | PS7                      |     1.260 |        1 |       --- |             --- |
        2.1 Environment
        | Ambient Temp (C)      | 25.0                     |
        """)


def all_reports() -> dict[str, str]:
    """Those of a design that meets its timing and fits."""
    return {
        "timing": timing_report(), "power": power_report(), "utilization": utilisation_7(),
    }  # fmt: skip


LICENCE = (
    "Attempting to get a license for feature 'Synthesis' and/or device 'xczu7ev'\n"
    "WARNING: [Common 17-348] Failed to get the license for feature 'Synthesis' and/or device"
    " 'xczu7ev'\n"
    "ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis' and/or device"
    " 'xczu7ev'. Please run the Vivado License Manager for assistance\n"
)
FULL = (
    "ERROR: [Place 30-640] Place Check : This design requires more Slice LUTs cells than are"
    " available in the target device. This design requires 69733 of such cell types but only 53200"
    " compatible sites are available in the target device.\n"
)
FULL_DRC = (
    "ERROR: [DRC UTLZ-1] Resource utilization: DSPs over-utilized in Top Level Design (This design"
    " requires more DSPs cells than are available in the target device. This design requires 301 of"
    " such cell types but only 220 compatible sites are available in the target device.\n"
)
