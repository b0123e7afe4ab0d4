"""A synthesised netlist as a plain value: ports, cells, and the nets that join them.

It is read from the JSON that place and route gets, so that what is simulated is what is placed.
Nothing here runs a tool or knows what a cell does.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_hw.errors import InputError

#: A net's number, or a constant: ``"0"``, ``"1"``, ``"x"`` or ``"z"``.
Bit = int | str
_BITS = re.compile(r"[01xz]+")


@dataclass(frozen=True)
class Port:
    """A port of a module; `bits` from the lowest on."""

    name: str
    direction: str
    bits: tuple[Bit, ...]


@dataclass(frozen=True)
class Cell:
    """One instance; a parameter is a string of 0, 1, x and z, highest bit first, or a text.

    `connections` maps the cell's ports to nets, lowest bit first.
    """

    name: str
    type: str
    parameters: Mapping[str, str]
    connections: Mapping[str, tuple[Bit, ...]]


@dataclass(frozen=True)
class Netlist:
    """One module; `is_box` where it is a black box, of which only the ports are known."""

    top: str
    ports: tuple[Port, ...]
    cells: tuple[Cell, ...]
    is_box: bool = False

    def count(self) -> Counter[str]:
        """Cells by type."""
        return Counter(cell.type for cell in self.cells)


def read_netlist(path: Path, top: str) -> Netlist:
    """Module `top` of what `read_modules` reads; raises `InputError` where it is not there."""
    modules = read_modules(path)
    if top not in modules:
        raise InputError(
            f"{path} has no module {top}", f"one of {', '.join(modules)}", "name another one"
        )
    return modules[top]


def read_modules(path: Path) -> dict[str, Netlist]:
    """All modules of the JSON that Yosys's ``write_json`` writes; raises `InputError`."""
    try:
        modules = json.loads(path.read_text())["modules"]
        return {name: _module(name, module) for name, module in modules.items()}
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not a netlist ({type(error).__name__}: {error})",
            "the JSON that Yosys wrote",
            "synthesise the design again",
        ) from None


def _module(name: str, module: Mapping[str, Any]) -> Netlist:
    return Netlist(
        top=name,
        ports=tuple(
            Port(port, known["direction"], tuple(known["bits"]))
            for port, known in module["ports"].items()
        ),
        cells=tuple(
            Cell(
                name=label,
                type=cell["type"],
                parameters={key: str(value) for key, value in cell["parameters"].items()},
                connections={pin: tuple(bits) for pin, bits in cell["connections"].items()},
            )
            for label, cell in module["cells"].items()
        ),
        is_box=bool({"blackbox", "whitebox"} & set(module["attributes"])),
    )


def black_box(netlist: Netlist) -> str:
    """The module as Verilog without contents, for a design that is synthesised around it."""
    ports = ", ".join(
        f"{port.direction} [{len(port.bits) - 1}:0] {_name(port.name)}" for port in netlist.ports
    )
    return f"(* blackbox *) module {netlist.top} ({ports}); endmodule\n"


def joined(whole: dict[str, Any], part: dict[str, Any], name: str) -> dict[str, Any]:
    """Yosys's JSON `whole` with the module `name` of `part` in place of the black box in it."""
    module = part["modules"][name]
    attributes = {key: value for key, value in module["attributes"].items() if key != "top"}
    modules = {**whole["modules"], name: {**module, "attributes": attributes}}
    return {**whole, "modules": modules}


def verilog(netlist: Netlist) -> str:
    """The netlist as a Verilog module, one instance a cell; nets are n<number>.

    Raises `InputError` for a port that is both input and output.
    """
    ports, joins = [], []
    for port in netlist.ports:
        if port.direction == "inout":
            raise InputError(
                f"port {port.name} of {netlist.top} is an inout",
                "inputs and outputs, since simulation has two states",
                "simulate the module inside it",
            )
        width = f"[{len(port.bits) - 1}:0] " if len(port.bits) > 1 else ""
        ports.append(f"  {port.direction} wire {width}{_name(port.name)}")
        whole = _joined(port.bits)
        pair = (whole, _name(port.name)) if port.direction == "input" else (port.name, whole)
        joins.append(f"  assign {pair[0]} = {pair[1]};")
    nets = sorted(
        {bit for port in netlist.ports for bit in port.bits if isinstance(bit, int)}.union(
            bit
            for cell in netlist.cells
            for bits in cell.connections.values()
            for bit in bits
            if isinstance(bit, int)
        )
    )
    lines = [f"module {netlist.top} (", ",\n".join(ports), ");"]
    lines += [f"  wire n{net};" for net in nets]
    lines += joins
    lines += [_instance(index, cell) for index, cell in enumerate(netlist.cells)]
    return "\n".join([*lines, "endmodule", ""])


def _instance(index: int, cell: Cell) -> str:
    values = ", ".join(f".{key}({_value(value)})" for key, value in cell.parameters.items())
    pins = ", ".join(
        f".{_name(pin)}({_joined(bits)})" for pin, bits in cell.connections.items() if bits
    )
    return f"  {_name(cell.type)} #({values}) c{index} ({pins});"


def _value(value: str) -> str:
    if _BITS.fullmatch(value):
        return f"{len(value)}'b{value}"
    # A text that would read as bits ends with a blank in Yosys's JSON.
    return f'"{value[:-1] if _BITS.fullmatch(value.rstrip(" ")) else value}"'


def _joined(bits: tuple[Bit, ...]) -> str:
    words = [f"n{bit}" if isinstance(bit, int) else f"1'b{bit}" for bit in reversed(bits)]
    return words[0] if len(words) == 1 else f"{{{', '.join(words)}}}"


def _name(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else f"\\{name} "
