"""The whole fabric of a Zynq-7000 as a netlist in Verilator: what is placed is what is proven.

The processor is taken out of the netlist, and its two ports are joined to the register master and
the memory that drive the shell's RTL elsewhere; so frames go in and out through DMA. There is no
timing.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.design import Design
from lepton_hw.netlist import Netlist
from lepton_hw.netlist_box import FROM, TO, opened
from lepton_hw.rtl.shell import wrapper
from lepton_hw.sim import build, shell_batch
from lepton_hw.sim.netlist import SHORT, Proof, define, first_wrong, netlist_sources, wrong_frames
from lepton_hw.sim.shell_model import ShellModel

#: Cycles that a frame may take at most, beside what the RTL took: a netlist that hangs is an error.
_PATIENCE = 100_000


def prove(
    modules: dict[str, Netlist],
    top: str,
    design: Design,
    images: NDArray[Any],
    expected: NDArray[np.int64],
    *,
    unknown: tuple[str, ...] = ("0", "1"),
    cycles: int = 0,
    cache: Path | None = None,
) -> list[Proof]:
    """Runs a batch through the netlist of `top`, once for each meaning of undefined bits.

    Args:
        modules: as `netlist.read_modules` gives them, PS7 among them as a black box.
        cycles: about how many the batch takes; a short one is not worth an optimised model.
        images: codes, shape (frames, *shape of the input); expected: int64, (frames, *output).

    Raises `StageError` where the netlist stops or complains; a wrong integer is only in the result.
    """
    fabric = opened(modules[top], modules["PS7"])
    quick = cycles < SHORT
    return [_prove(fabric, design, images, expected, value, quick, cache) for value in unknown]


def _prove(
    fabric: Netlist,
    design: Design,
    images: NDArray[Any],
    expected: NDArray[np.int64],
    unknown: str,
    quick: bool,
    cache: Path | None,
) -> Proof:
    began = time.monotonic()
    with _library(fabric, design, unknown, quick, cache) as (library, folder):
        built = time.monotonic() - began
        memory = np.zeros(shell_batch.room(design, len(images))[1], np.uint8)
        limit = 1 << wrapper.address_bits(design)
        with ShellModel(library, folder, memory, limit=limit) as shell:
            shell.allow(shell.base, memory.size)
            began = time.monotonic()
            outputs, cycles = shell_batch.infer(
                shell, design, images, _PATIENCE * (len(images) + 10)
            )
    return Proof(
        unknown=unknown,
        frames=len(expected),
        mismatches=wrong_frames(expected, outputs),
        first=first_wrong(expected, outputs),
        same_cycles=None,
        cycles=cycles,
        seconds=time.monotonic() - began,
        build_seconds=built,
    )


@contextmanager
def _library(
    fabric: Netlist, design: Design, unknown: str, quick: bool, cache: Path | None
) -> Iterator[tuple[Path, Path]]:
    with netlist_sources(define(fabric, unknown), "xc7", unknown) as folder:
        recipe = build.Recipe(
            wrapper.TOP,
            tuple(sorted(folder.iterdir())),
            (("wrapper.sv", _bench_text(fabric, design)), ("variant.h", "#define LEPTON_AXI3\n")),
            harness=build.HERE / "shell.cpp",
            quick=quick,
        )
        yield build.library(recipe, cache), folder


def _bench_text(fabric: Netlist, design: Design) -> str:
    """``lepton_top`` as the shell's harness knows it, around the netlist without its processor."""
    address = wrapper.address_bits(design)
    ports = ["  input wire aclk", "  input wire aresetn"]
    ports += [
        f"  {way} wire [{width - 1}:0] {name}"
        for way, width, name in wrapper.top_ports(address, axi3=True)
    ]
    joins = _processor(address) | {"FCLKCLK": "{3'b0, aclk}", "FCLKRESETN": "{3'b0, aresetn}"}
    lines, pins = [], []
    for port in fabric.ports:
        width = f"[{len(port.bits) - 1}:0] "
        name = port.name
        pins.append(f"    .{name}({name})")
        if port.direction == "input":
            value = joins.get(name.removeprefix(FROM), "'0")
            lines.append(f"  wire {width}{name} = {value};")
        else:
            lines.append(f"  wire {width}{name};")
    lines += [f"  assign {name} = {value};" for name, value in _shell_side().items()]
    body = [f"  {fabric.top} fabric (", ",\n".join(pins), "  );", "endmodule", ""]
    return "\n".join([f"module {wrapper.TOP} (", ",\n".join(ports), ");", *lines, *body])


def _processor(address: int) -> dict[str, str]:
    """What the processor drives: registers as single transfers, memory as it answers."""
    gp = {
        "AWADDR": f"{{{32 - address}'d0, s_axi_awaddr}}", "AWVALID": "s_axi_awvalid",
        "AWSIZE": "2'd2", "AWBURST": "2'd1", "WDATA": "s_axi_wdata", "WSTRB": "s_axi_wstrb",
        "WLAST": "1'b1", "WVALID": "s_axi_wvalid", "BREADY": "s_axi_bready",
        "ARADDR": f"{{{32 - address}'d0, s_axi_araddr}}", "ARVALID": "s_axi_arvalid",
        "ARSIZE": "2'd2", "ARBURST": "2'd1", "RREADY": "s_axi_rready",
    }  # fmt: skip
    hp = {
        "AWREADY": "m_axi_awready", "WREADY": "m_axi_wready", "BRESP": "m_axi_bresp",
        "BVALID": "m_axi_bvalid", "ARREADY": "m_axi_arready", "RDATA": "m_axi_rdata",
        "RRESP": "m_axi_rresp", "RLAST": "m_axi_rlast", "RVALID": "m_axi_rvalid",
    }  # fmt: skip
    return {
        **{f"MAXIGP0{name}": value for name, value in gp.items()},
        **{f"SAXIHP0{name}": value for name, value in hp.items()},
    }


def _shell_side() -> dict[str, str]:
    """What the harness sees, from what the fabric drives."""
    gp = ("AWREADY", "WREADY", "BRESP", "BVALID", "ARREADY", "RDATA", "RRESP", "RVALID")
    hp = ("AWADDR", "AWLEN", "AWBURST", "AWLOCK", "AWCACHE", "AWPROT", "AWVALID", "WDATA", "WSTRB",
          "WLAST", "WVALID", "BREADY", "ARADDR", "ARLEN", "ARBURST", "ARLOCK", "ARCACHE", "ARPROT",
          "ARVALID", "RREADY")  # fmt: skip
    return {
        **{f"s_axi_{name.lower()}": f"{TO}MAXIGP0{name}" for name in gp},
        **{f"m_axi_{name.lower()}": f"{TO}SAXIHP0{name}" for name in hp},
        "m_axi_awsize": f"{{1'b0, {TO}SAXIHP0AWSIZE}}",
        "m_axi_arsize": f"{{1'b0, {TO}SAXIHP0ARSIZE}}",
        "m_axi_awid": "1'b0", "m_axi_arid": "1'b0", "m_axi_wid": "1'b0",
    }  # fmt: skip
