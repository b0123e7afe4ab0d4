"""Joins the shell and a stitched design in one top module of plain Verilog, ready for Vivado.

Writes text only; it runs no tool.
"""

from collections.abc import Mapping
from pathlib import Path

from lepton_hw.artifacts import digest, file_digest
from lepton_hw.design import Design, Stream
from lepton_hw.errors import StageError
from lepton_hw.rtl.shell import windows
from lepton_hw.rtl.shell.address_map import SEGMENTS, Segment

TOP = "lepton_top"
HERE = Path(__file__).parent
#: In compilation order.
SOURCES = tuple(
    HERE / f"{name}.sv"
    for name in (
        "shell_pkg", "shell_fifo", "byte_gearbox", "axil_regs", "dma_control", "dma_read",
        "dma_write", "shell_counters", "shell_regs", "shell", "axil_windows",
    )
)  # fmt: skip

_SHELL_BITS = 18
_LITE_BACK = {"b": ("resp:2",), "r": ("data:32", "resp:2")}


def design_digest(folder: Path, design: Design) -> bytes:
    """SHA-256 over the names and contents of the design's sources and memory contents, 32 bytes."""
    files = (*design.sources, *design.data_files)
    return bytes.fromhex(digest({name: file_digest(folder / name) for name in files}))


def wrapper_text(design: Design, digest: bytes, *, axi3: bool = True, max_burst: int = 16) -> str:
    """The module ``lepton_top``: AXI-Lite slave ``s_axi``, DMA port ``m_axi``, one clock.

    `digest` are the 32 bytes that software reads back; `axi3` for the ports of Zynq-7000, AXI4
    otherwise; `max_burst` in words of 8 bytes, a power of two.

    A design whose weights can be rewritten gets a wider address and a splitter in front of the
    shell (``axil_windows.sv``); without one nothing of that is there.

    Raises `StageError` for a design with more than one input or output.
    """
    if len(design.inputs) != 1 or len(design.outputs) != 1:
        raise StageError(
            f"the design has {len(design.inputs)} inputs and {len(design.outputs)} outputs",
            "one of each, as the shell has one DMA engine of each kind",
            "join them within the network",
        )
    source, sink = design.stream(design.inputs[0]), design.stream(design.outputs[0])
    ports = top_ports(address_bits(design), axi3=axi3)
    parameters = {
        "AXI3": f"1'b{int(axi3)}",
        "MAX_BURST": max_burst,
        "IN_BYTES": source.width // 8,
        "OUT_BYTES": sink.width // 8,
        "IN_BEATS": source.beats,
        "OUT_BEATS": sink.beats,
        "DIGEST": f"256'h{digest.hex()}",
    }
    joins = ["    .clk(aclk)", "    .resetn(aresetn)"]
    joins += [f"    .{name}({_shell_side(design, name)})" for _, _, name in ports]
    joins.append("    .acc_resetn(acc_resetn)")
    for way in ("in", "out"):
        joins += [f"    .{way}_t{part}({way}_t{part})" for part in ("data", "valid", "ready")]
    lines = [
        "// The shell and the accelerator. Generated; change the flow, not this file.",
        f"module {TOP} (",
        '    (* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF s_axi:m_axi,'
        ' ASSOCIATED_RESET aresetn" *)',
        "    input wire aclk,",
        "    input wire aresetn,",
        ",\n".join(f"    {way} wire {_range(width)}{name}" for way, width, name in ports),
        ");",
        "  wire acc_resetn;",
        *_wires("in", source),
        *_wires("out", sink),
        *windows.splitter_text(design.weights, address_bits(design)),
        "  shell #(",
        ",\n".join(f"    .{name}({value})" for name, value in parameters.items()),
        "  ) shell (",
        ",\n".join(joins),
        "  );",
        f"  {design.top} accelerator (",
        "    .ap_clk(aclk),",
        "    .ap_rst_n(acc_resetn),",
        ",\n".join(
            [_join(source, "in"), _join(sink, "out"), *windows.accelerator_joins(design.weights)]
        ),
        "  );",
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


def top_ports(address: int, *, axi3: bool) -> list[tuple[str, int, str]]:
    """Direction, width and name of each port of ``lepton_top`` but clock and reset."""
    return _axi_lite(address) + _axi(axi3)


def address_bits(design: Design) -> int:
    """Bits of the register port's address: 18, or more where there are windows of weights."""
    ends = [memory.offset + memory.size for memory in design.weights]
    return (max([1 << _SHELL_BITS, *ends]) - 1).bit_length()


def segments(design: Design) -> tuple[Segment, ...]:
    """The address map, relative to the base: the shell's segments, then one for each weight layer.

    A segment's name is what the block is called in a hardware description (``.hwh``).
    """
    return (*SEGMENTS, *(Segment(m.layer, m.offset, m.size) for m in design.weights))


def _shell_side(design: Design, port: str) -> str:
    """What joins a port of the shell: the same port outside, or the splitter in front of it."""
    return windows.shell_net(port) if design.weights and port.startswith("s_axi_") else port


def _axi_lite(address: int) -> list[tuple[str, int, str]]:
    request = (f"addr:{address}", "prot:3")
    ahead = {"aw": request, "ar": request, "w": ("data:32", "strb:4")}
    return _channels("s_axi", ahead, "input") + _channels("s_axi", _LITE_BACK, "output")


def _axi(axi3: bool) -> list[tuple[str, int, str]]:
    request = (
        "id:1", "addr:32", f"len:{4 if axi3 else 8}", "size:3", "burst:2",
        f"lock:{2 if axi3 else 1}", "cache:4", "prot:3",
    )  # fmt: skip
    data = ("data:64", "strb:8", "last:1")
    ahead = {"aw": request, "w": ("id:1", *data) if axi3 else data, "ar": request}
    back = {"b": ("id:1", "resp:2"), "r": ("id:1", "data:64", "resp:2", "last:1")}
    return _channels("m_axi", ahead, "output") + _channels("m_axi", back, "input")


def _channels(
    bus: str, channels: Mapping[str, tuple[str, ...]], way: str
) -> list[tuple[str, int, str]]:
    back = "input" if way == "output" else "output"
    found = []
    for channel, fields in channels.items():
        for field in fields:
            name, width = field.split(":")
            found.append((way, int(width), f"{bus}_{channel}{name}"))
        found += [(way, 1, f"{bus}_{channel}valid"), (back, 1, f"{bus}_{channel}ready")]
    return found


def _range(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _wires(way: str, stream: Stream) -> list[str]:
    return [f"  wire [{stream.width - 1}:0] {way}_tdata;", f"  wire {way}_tvalid, {way}_tready;"]


def _join(stream: Stream, way: str) -> str:
    parts = ("data", "valid", "ready")
    return ",\n".join(f"    .{stream.name}_t{part}({way}_t{part})" for part in parts)
