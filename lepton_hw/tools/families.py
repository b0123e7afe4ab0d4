"""The device families that Yosys maps to: its commands for them, and how their cells are counted.

Values and sums only; it runs nothing.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True)
class Family:
    """How Yosys synthesises for a family, and what each of its cells takes.

    `luts`: LUTs a cell occupies; `registers`: flip-flops; `bram18`: block RAMs of 18 kbit;
    `multipliers`: DSP slices; `carries`: carry cells. `contents` maps cells to a parameter without
    which their initial contents or function are lost. `library` and `models`: folder and files of
    the simulation models below Yosys's share.
    """

    name: str
    command: str
    luts: Mapping[str, int]
    registers: tuple[str, ...]
    bram18: Mapping[str, int]
    multipliers: tuple[str, ...]
    carries: tuple[str, ...]
    contents: Mapping[str, str]
    library: str
    models: tuple[str, ...]

    def options(
        self, dsp: bool, pads: bool, clock_buffers: bool, shift_registers: bool
    ) -> list[str]:
        """Options of `command`; ECP5 needs neither pads nor buffers from Yosys."""
        chosen = [] if dsp else ["-nodsp"]
        if self.name == "xc7":
            chosen += ["-flatten"] + ["-noiopad"] * (not pads)
            chosen += ["-noclkbuf"] * (not clock_buffers) + ["-nosrl"] * (not shift_registers)
        return chosen


@dataclass(frozen=True)
class Cells:
    """What a module takes.

    `lut` (LUT6, or LUT4 on ECP5) includes memories of LUTs, and ECP5's carry cells, which are two
    LUTs each; `bram18` is in blocks of 18 kbit, `carry` in CARRY4 or CCU2C. `inverters` are cells
    of xc7 that become one more LUT each unless place and route absorbs them.
    """

    lut: int
    ff: int
    bram18: int
    dsp: int
    carry: int
    inverters: int = 0

    def __add__(self, other: Self) -> Self:
        """The cells of both."""
        return type(self)(
            **{name: value + getattr(other, name) for name, value in asdict(self).items()}
        )


def count(cells: Mapping[str, int], family: Family) -> Cells:
    """Sums over cells by type."""
    return Cells(
        lut=sum(number * cells.get(name, 0) for name, number in family.luts.items()),
        ff=sum(cells.get(name, 0) for name in family.registers),
        bram18=sum(number * cells.get(name, 0) for name, number in family.bram18.items()),
        dsp=sum(cells.get(name, 0) for name in family.multipliers),
        carry=sum(cells.get(name, 0) for name in family.carries),
        inverters=cells.get("INV", 0),
    )


_XC7 = Family(
    name="xc7",
    command="synth_xilinx -family xc7",
    # AMD UG474: distributed RAM and shift registers.
    luts={
        **{f"LUT{n}": 1 for n in range(1, 7)},
        "RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM32X1S": 1,
        "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "SRL16E": 1, "SRLC32E": 1,
    },
    registers=("FDRE", "FDSE", "FDCE", "FDPE"),
    bram18={"RAMB18E1": 1, "RAMB36E1": 2},
    multipliers=("DSP48E1",),
    carries=("CARRY4",),
    contents={
        **{f"LUT{n}": "INIT" for n in range(1, 7)},
        **dict.fromkeys(("FDRE", "FDSE", "FDCE", "FDPE"), "INIT"),
        "RAMB18E1": "INIT_00", "RAMB36E1": "INIT_00", "RAM32M": "INIT_A", "RAM64M": "INIT_A",
    },
    library="xilinx",
    models=("cells_sim.v",),
)  # fmt: skip

_ECP5 = Family(
    name="ecp5",
    command="synth_ecp5",
    # Lattice FPGA-TN-02204: 16 x 4 bits are two slices of LUTs, and the two of a third one that
    # carries the write port.
    luts={"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6},
    registers=("TRELLIS_FF",),
    bram18={"DP16KD": 1},
    multipliers=("MULT18X18D", "ALU54B"),
    carries=("CCU2C",),
    contents={
        "LUT4": "INIT", "CCU2C": "INIT0", "TRELLIS_FF": "REGSET", "DP16KD": "INITVAL_00",
        "TRELLIS_DPR16X4": "INITVAL",
    },
    library="lattice",
    models=("common_sim.vh", "ccu2c_sim.vh", "cells_sim_ecp5.v"),
)  # fmt: skip

FAMILIES = {"xc7": _XC7, "ecp5": _ECP5}
