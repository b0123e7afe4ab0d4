"""What a kernel's module needs, as plain values, and the Verilog wrapper made from them.

Every parameter is checked here, by name and range, so that no bad value reaches a Verilog compiler.
The wrapper is Verilog-2001, which Vivado's block design demands of a module reference.
"""

from dataclasses import dataclass, field
from pathlib import Path

from lepton_hw.errors import StageError

#: Where our SystemVerilog lies.
RTL = Path(__file__).parents[2] / "rtl"


@dataclass(frozen=True)
class Parameter:
    """An integer parameter of a module; it must also divide `divides`, unless that is 0."""

    name: str
    value: int
    low: int
    high: int
    divides: int = 0


@dataclass(frozen=True)
class Stream:
    """One AXI-Stream of `bits` (padded) at FINN's `port` (``in0_V``), joined to the module's `bus`.

    An empty port leaves the bus unused: no data ever comes.
    """

    port: str
    bus: str
    bits: int
    is_input: bool


@dataclass(frozen=True)
class Spec:
    """One instance of a module: `sources` are files in ``lepton_hw/rtl``, packages first.

    `texts` are string parameters; `files` maps names of data files to their text, and a string
    parameter that equals such a name becomes its path. `vectors` are parameters of 32-bit words,
    the first in the lowest bits.
    """

    module: str
    sources: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    streams: tuple[Stream, ...]
    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    vectors: dict[str, tuple[int, ...]] = field(default_factory=dict)


def check(spec: Spec, node: str) -> None:
    """Raises `StageError` for the first parameter out of its range."""
    check_parameters(spec.parameters, spec.module, node)


def check_parameters(parameters: tuple[Parameter, ...], module: str, node: str) -> None:
    """The same for some parameters, before anything is computed from them."""
    for parameter in parameters:
        found = f"parameter {parameter.name} of layer {node} ({module}) is {parameter.value}"
        if not parameter.low <= parameter.value <= parameter.high:
            raise StageError(
                found,
                f"{parameter.low} to {parameter.high}",
                "change the layer's folding or its data types",
            )
        if parameter.divides and parameter.divides % parameter.value:
            raise StageError(
                found,
                f"a divisor of {parameter.divides}",
                "change the layer's folding",
            )


def wrapper_text(spec: Spec, name: str, folder: Path) -> str:
    """Verilog of module `name`, which holds the kernel behind FINN's port names."""
    connected = [stream for stream in spec.streams if stream.port]
    doors = [line for stream in connected for line in _door(stream)]
    ports = ":".join(stream.port for stream in connected)
    values = [f".{p.name}({p.value})" for p in spec.parameters]
    values += [f'.{key}("{_path(spec, text, folder)}")' for key, text in spec.texts.items()]
    values += [f".{key}({_words(words)})" for key, words in spec.vectors.items()]
    lines = [
        f"// {spec.module} with FINN's port names.",
        "// Generated; change the layer's attributes, not this file.",
        f"module {name} (",
        f'    (* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF {ports}, ASSOCIATED_RESET ap_rst_n" *)',
        '    (* X_INTERFACE_INFO = "xilinx.com:signal:clock:1.0 ap_clk CLK" *)',
        "    input  wire ap_clk,",
        '    (* X_INTERFACE_PARAMETER = "POLARITY ACTIVE_LOW" *)',
        "    input  wire ap_rst_n,",
        ",\n".join(doors),
        ");",
        "",
        f"    {spec.module} #(",
        ",\n".join(f"        {value}" for value in values),
        "    ) kernel (",
        "        .clk(ap_clk),",
        "        .rst(!ap_rst_n),",
        ",\n".join(f"        {line}" for bus in _buses(spec) for line in _joined(spec, bus)),
        "    );",
        "",
        "endmodule",
        "",
    ]
    return "\n".join(lines)


def _words(words: tuple[int, ...]) -> str:
    return "{" + ", ".join(f"32'd{word}" for word in reversed(words)) + "}"


def _path(spec: Spec, text: str, folder: Path) -> str:
    return str(folder / text) if text in spec.files else text


def _door(stream: Stream) -> list[str]:
    ahead, back = ("input  wire", "output wire")
    if not stream.is_input:
        ahead, back = back, ahead
    return [
        f"    {ahead} [{stream.bits - 1}:0] {stream.port}_TDATA",
        f"    {ahead} {stream.port}_TVALID",
        f"    {back} {stream.port}_TREADY",
    ]


def _buses(spec: Spec) -> list[str]:
    return list(dict.fromkeys(stream.bus for stream in spec.streams))


def _joined(spec: Spec, bus: str) -> list[str]:
    members = [stream for stream in spec.streams if stream.bus == bus]
    if not all(stream.port for stream in members):
        bits = sum(stream.bits for stream in members)
        return [f".{bus}_data({{{bits}{{1'b0}}}})", f".{bus}_valid(1'b0)", f".{bus}_ready()"]
    parts = []
    for end in ("data", "valid", "ready"):
        wires = ", ".join(f"{stream.port}_T{end.upper()}" for stream in reversed(members))
        parts.append(f".{bus}_{end}({{{wires}}})" if len(members) > 1 else f".{bus}_{end}({wires})")
    return parts
