"""The part of ``lepton_top`` that leads register accesses to memories of weights: Verilog text.

Only designs whose weights can be rewritten have it; for all others it gives nothing.
"""

from collections.abc import Iterable, Sequence

from lepton_hw.design import WeightMemory

#: Signals that each target has for itself, and their bits.
_TARGET = {
    "awvalid": 1, "awready": 1, "wvalid": 1, "wready": 1, "bresp": 2, "bvalid": 1, "bready": 1,
    "arvalid": 1, "arready": 1, "rdata": 32, "rresp": 2, "rvalid": 1, "rready": 1,
}  # fmt: skip
#: Signals that all targets share.
_SHARED = {"awaddr": "m_addr", "araddr": "m_addr", "wdata": "m_wdata", "wstrb": "m_wstrb"}


def shell_net(port: str) -> str:
    """What joins the shell's port (``s_axi_awaddr``): target 0 of the splitter."""
    return _net(0, port.removeprefix("s_axi_"), 18)


def splitter_text(memories: Sequence[WeightMemory], address_bits: int) -> list[str]:
    """Lines that declare the splitter's nets and instantiate it."""
    if not memories:
        return []
    count = len(memories)
    nets = [
        f"  wire [{address_bits - 1}:0] m_addr;", "  wire [31:0] m_wdata;", "  wire [3:0] m_wstrb;",
        *(f"  wire [{bits * (count + 1) - 1}:0] m_{end};" for end, bits in _TARGET.items()),
    ]  # fmt: skip
    joins = [".clk(aclk)", ".resetn(aresetn)", ".acc_resetn(acc_resetn)"]
    joins += [f".s_{end}(s_axi_{end})" for end in (*_SHARED, *_TARGET)]
    joins += [f".m_{end}(m_{end})" for end in ("addr", "wdata", "wstrb", *_TARGET)]
    parameters = {
        "ADDRESS_BITS": str(address_bits),
        "WINDOWS": str(count),
        "BASE": _words(memory.offset for memory in memories),
        "BYTES": _words(memory.span for memory in memories),
    }
    return [
        *nets,
        "  axil_windows #(",
        ",\n".join(f"    .{name}({value})" for name, value in parameters.items()),
        "  ) windows (",
        ",\n".join(f"    {join}" for join in joins),
        "  );",
    ]


def accelerator_joins(memories: Sequence[WeightMemory]) -> list[str]:
    """Connections of the accelerator's ports of weights."""
    return [
        f"    .{memory.port}_{end}({_net(index, end, width)})"
        for index, memory in enumerate(memories, 1)
        for _, width, end in memory.signals()
    ]


def _net(target: int, end: str, address_bits: int) -> str:
    if end.endswith("prot"):
        return "3'b000"
    if end in _SHARED:
        high = f"[{address_bits - 1}:0]" if end.endswith("addr") else ""
        return f"{_SHARED[end]}{high}"
    bits = _TARGET[end]
    place = str(target) if bits == 1 else f"{bits * target + bits - 1}:{bits * target}"
    return f"m_{end}[{place}]"


def _words(values: Iterable[int]) -> str:
    return "{" + ", ".join(f"32'h{value:08X}" for value in reversed([*values])) + "}"
