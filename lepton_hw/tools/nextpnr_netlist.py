"""Netlists for nextpnr: what version 0.11.1 would lose of a Zynq-7000 design is written otherwise.

Each change leaves the function of the design as it is. It reads and makes the JSON of Yosys as
plain values, and runs nothing.
"""

from typing import Any

from lepton_hw.errors import InputError, StageError

SHIFT_REGISTERS = ("SRL16E", "SRLC32E")
#: Single-port memories that nextpnr does not know or crashes on → dual-port ones, address bits.
DUAL = {"RAM32X1S": ("RAM32X1D", 5), "RAM64X1S": ("RAM64X1D", 6)}
UNTIMED = ("RAMB36E1", "PS7")
MEMORIES = ("RAMB18E1", "RAMB36E1")
DATA_PINS = ("DIADI", "DIBDI", "DIPADIP", "DIPBDIP")
FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE")
#: Tiles around a net in which router2 looks for a way before it looks everywhere; its own is 3.
MARGINS = {"router2/bbMargin/x": 60, "router2/bbMargin/y": 110}


def prepared(netlist: dict[str, Any]) -> dict[str, Any]:
    """The netlist with distributed memories as nextpnr takes them, with their contents.

    It looks for the parameters INITA to INITD of RAM64M, which Xilinx and Yosys call INIT_A to
    INIT_D, and takes zeros without a word; on those of RAM32M it crashes, so that each such memory
    with contents becomes two RAM64M. Single-port memories become dual-port ones whose second port
    is open. The contents of shift registers it writes in a wrong order; only zeros are right in
    any. Raises `InputError` for a file that is no netlist and
    `StageError` for a shift register that starts with ones.
    """
    shifting: list[str] = []
    try:
        modules = {}
        for module_name, module in netlist["modules"].items():
            cells: dict[str, Any] = {}
            for name, cell in module.get("cells", {}).items():
                cells |= _with_contents(name, cell)
                if cell["type"] in SHIFT_REGISTERS and "1" in _parameter(cell, "INIT"):
                    shifting.append(name)
            modules[module_name] = {**module, "cells": cells}
    except (KeyError, TypeError, AttributeError):
        raise InputError(
            "the netlist has no modules with cells", "JSON as Yosys writes it", "synthesise again"
        ) from None
    if shifting:
        raise StageError(
            f"{len(shifting)} shift registers start with ones (first {shifting[0]})",
            "zeros, since nextpnr 0.11 writes their contents in a wrong order",
            "synthesise with 'synth_xilinx -nosrl'",
        )
    return {**netlist, "modules": modules}


def _with_contents(name: str, cell: dict[str, Any]) -> dict[str, Any]:
    """The cell, or what takes its place, by name."""
    contents = {port: _parameter(cell, f"INIT_{port}") for port in "ABCD"}
    if cell["type"] in DUAL:
        return {name: _dual(cell)}
    if cell["type"] == "RAM64M":
        more = {f"INIT{port}": bits for port, bits in contents.items() if bits}
        return {name: {**cell, "parameters": {**cell.get("parameters", {}), **more}}}
    if cell["type"] != "RAM32M" or not any("1" in bits for bits in contents.values()):
        return {name: cell}
    return {f"{name}$bit{bit}": _half(cell, contents, bit) for bit in range(2)}


def _dual(cell: dict[str, Any]) -> dict[str, Any]:
    kind, width = DUAL[cell["type"]]
    wires = dict(cell["connections"])
    wires |= {f"DPRA{n}": wires[f"A{n}"] for n in range(width)}
    if "O" in wires:
        wires["SPO"] = wires.pop("O")
    directions = {pin: "output" if pin in ("SPO", "DPO") else "input" for pin in wires}
    return {**cell, "type": kind, "connections": wires, "port_directions": directions}


def _half(cell: dict[str, Any], contents: dict[str, str], bit: int) -> dict[str, Any]:
    """A RAM64M with one of the two data bits of a RAM32M; its upper half repeats the lower one.

    Word n of a port is at bits 2n and 2n + 1 of its contents (AMD UG953, RAM32M).
    """
    wires = dict(cell["connections"])
    parameters = {"IS_WCLK_INVERTED": _parameter(cell, "IS_WCLK_INVERTED") or "0"}
    for port, bits in contents.items():
        if f"ADDR{port}" in wires:
            wires[f"ADDR{port}"] = [*wires[f"ADDR{port}"], "0"]
        for pins in (f"DI{port}", f"DO{port}"):
            if pins in wires:
                wires[pins] = wires[pins][bit : bit + 1]
        words = bits.rjust(64, "0")[::-1][bit::2][::-1]  # text is written from the highest bit
        parameters[f"INIT{port}"] = words + words
    return {**cell, "type": "RAM64M", "parameters": parameters, "connections": wires}


def _parameter(cell: dict[str, Any], name: str) -> str:
    return str(cell.get("parameters", {}).get(name, ""))


def slowed(netlist: dict[str, Any]) -> dict[str, Any]:
    """The netlist with a LUT behind each flip-flop that feeds the data of a block RAM.

    Such an input must stay for 0.67 ns after the clock, which is longer than a flip-flop and a
    short wire take, and nextpnr lengthens no path. One LUT serves all memories that a flip-flop
    feeds; the function stays. For a netlist that `prepared` has accepted.
    """
    modules = {name: _slowed(module) for name, module in netlist["modules"].items()}
    return {**netlist, "modules": modules}


def _slowed(module: dict[str, Any]) -> dict[str, Any]:
    cells: dict[str, Any] = dict(module.get("cells", {}))
    fast = {
        bit
        for cell in cells.values()
        if cell["type"] in FLIP_FLOPS
        for bit in cell["connections"].get("Q", ())
    }
    wires = [wire for cell in cells.values() for bits in cell["connections"].values()
             for wire in bits if isinstance(wire, int)]  # fmt: skip
    free = max(wires, default=1) + 1
    behind: dict[int, int] = {}
    for name, cell in tuple(cells.items()):
        if cell["type"] not in MEMORIES:
            continue
        connections = dict(cell["connections"])
        for pin in DATA_PINS:
            bits = connections.get(pin, [])
            for bit in bits:
                if bit in fast and bit not in behind:
                    behind[bit] = free + len(behind)
            connections[pin] = [behind.get(bit, bit) for bit in bits]
        cells[name] = {**cell, "connections": connections}
    for bit, slow in behind.items():
        cells[f"$hold${bit}"] = {
            "hide_name": 1, "type": "LUT1", "parameters": {"INIT": "10"}, "attributes": {},
            "port_directions": {"I0": "input", "O": "output"},
            "connections": {"I0": [bit], "O": [slow]},
        }  # fmt: skip
    return {**module, "cells": cells}


def with_margins(netlist: dict[str, Any]) -> dict[str, Any]:
    """The netlist with a setting for nextpnr's router: look far from the start.

    PS7 counts as one place, but its pins are spread over 50 rows. With the router's own margin the
    way to nearly every pin lies outside what it searches first, and it searches all of that, for
    seconds, before it looks further.
    """
    settings = {name: format(value, "032b") for name, value in MARGINS.items()}
    modules = {
        name: {**module, "settings": settings} for name, module in netlist["modules"].items()
    }
    return {**netlist, "modules": modules}


def untimed(netlist: dict[str, Any]) -> dict[str, int]:
    """Cells of the netlist with pins that nextpnr leaves out of its timing, by type.

    They are the data and address pins of 36 kb memories, whose model names a clock pin that the
    cell does not have (those of 18 kb are timed), and all pins of the processor: neither a path
    nor a hold violation there is in the report.
    """
    counts: dict[str, int] = {}
    for module in netlist["modules"].values():
        for cell in module.get("cells", {}).values():
            if cell["type"] in UNTIMED:
                counts[cell["type"]] = counts.get(cell["type"], 0) + 1
    return counts
