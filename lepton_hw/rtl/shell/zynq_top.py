"""The whole fabric of a Zynq-7000 without a block design: processor, bridge, shell, accelerator.

For open tools; Vivado makes the same of a block design. Writes text only; it runs no tool.
"""

from lepton_hw.rtl.shell.wrapper import HERE, TOP

ZYNQ_TOP = "lepton_zynq"
#: Beside the wrapper's.
SOURCES = (HERE / "axi3_lite.sv",)

#: Ports of PS7 that are used: direction, width, name; UG585 names the signals.
_PS7 = (
    ("output", 4, "FCLKCLK"), ("output", 4, "FCLKRESETN"), ("input", 4, "FCLKCLKTRIGN"),
    ("input", 1, "MAXIGP0ACLK"), ("input", 1, "SAXIHP0ACLK"),
    ("output", 12, "MAXIGP0AWID"), ("output", 32, "MAXIGP0AWADDR"), ("output", 4, "MAXIGP0AWLEN"),
    ("output", 2, "MAXIGP0AWSIZE"), ("output", 2, "MAXIGP0AWBURST"),
    ("output", 1, "MAXIGP0AWVALID"), ("input", 1, "MAXIGP0AWREADY"),
    ("output", 32, "MAXIGP0WDATA"), ("output", 4, "MAXIGP0WSTRB"), ("output", 1, "MAXIGP0WLAST"),
    ("output", 1, "MAXIGP0WVALID"), ("input", 1, "MAXIGP0WREADY"),
    ("input", 12, "MAXIGP0BID"), ("input", 2, "MAXIGP0BRESP"), ("input", 1, "MAXIGP0BVALID"),
    ("output", 1, "MAXIGP0BREADY"),
    ("output", 12, "MAXIGP0ARID"), ("output", 32, "MAXIGP0ARADDR"), ("output", 4, "MAXIGP0ARLEN"),
    ("output", 2, "MAXIGP0ARSIZE"), ("output", 2, "MAXIGP0ARBURST"),
    ("output", 1, "MAXIGP0ARVALID"), ("input", 1, "MAXIGP0ARREADY"),
    ("input", 12, "MAXIGP0RID"), ("input", 32, "MAXIGP0RDATA"), ("input", 2, "MAXIGP0RRESP"),
    ("input", 1, "MAXIGP0RLAST"), ("input", 1, "MAXIGP0RVALID"), ("output", 1, "MAXIGP0RREADY"),
    ("input", 6, "SAXIHP0AWID"), ("input", 32, "SAXIHP0AWADDR"), ("input", 4, "SAXIHP0AWLEN"),
    ("input", 2, "SAXIHP0AWSIZE"), ("input", 2, "SAXIHP0AWBURST"), ("input", 2, "SAXIHP0AWLOCK"),
    ("input", 4, "SAXIHP0AWCACHE"), ("input", 3, "SAXIHP0AWPROT"), ("input", 4, "SAXIHP0AWQOS"),
    ("input", 1, "SAXIHP0AWVALID"), ("output", 1, "SAXIHP0AWREADY"),
    ("input", 6, "SAXIHP0WID"), ("input", 64, "SAXIHP0WDATA"), ("input", 8, "SAXIHP0WSTRB"),
    ("input", 1, "SAXIHP0WLAST"), ("input", 1, "SAXIHP0WVALID"), ("output", 1, "SAXIHP0WREADY"),
    ("input", 1, "SAXIHP0WRISSUECAP1EN"), ("input", 1, "SAXIHP0RDISSUECAP1EN"),
    ("output", 2, "SAXIHP0BRESP"), ("output", 1, "SAXIHP0BVALID"), ("input", 1, "SAXIHP0BREADY"),
    ("input", 6, "SAXIHP0ARID"), ("input", 32, "SAXIHP0ARADDR"), ("input", 4, "SAXIHP0ARLEN"),
    ("input", 2, "SAXIHP0ARSIZE"), ("input", 2, "SAXIHP0ARBURST"), ("input", 2, "SAXIHP0ARLOCK"),
    ("input", 4, "SAXIHP0ARCACHE"), ("input", 3, "SAXIHP0ARPROT"), ("input", 4, "SAXIHP0ARQOS"),
    ("input", 1, "SAXIHP0ARVALID"), ("output", 1, "SAXIHP0ARREADY"),
    ("output", 64, "SAXIHP0RDATA"), ("output", 2, "SAXIHP0RRESP"), ("output", 1, "SAXIHP0RLAST"),
    ("output", 1, "SAXIHP0RVALID"), ("input", 1, "SAXIHP0RREADY"),
)  # fmt: skip
_HP_CHANNELS = {
    "AW": ("ADDR", "LEN", "BURST", "LOCK", "CACHE", "PROT", "VALID", "READY"),
    "W": ("DATA", "STRB", "LAST", "VALID", "READY"),
    "B": ("RESP", "VALID", "READY"),
    "AR": ("ADDR", "LEN", "BURST", "LOCK", "CACHE", "PROT", "VALID", "READY"),
    "R": ("DATA", "RESP", "LAST", "VALID", "READY"),
}
_BRIDGE = {
    "aw": ("id", "addr", "len", "size", "burst", "valid", "ready"),
    "w": ("data", "strb", "last", "valid", "ready"),
    "b": ("id", "resp", "valid", "ready"),
    "ar": ("id", "addr", "len", "size", "burst", "valid", "ready"),
    "r": ("id", "data", "resp", "last", "valid", "ready"),
}
_LITE = {
    "aw": ("addr", "valid", "ready"), "w": ("data", "strb", "valid", "ready"),
    "b": ("resp", "valid", "ready"), "ar": ("addr", "valid", "ready"),
    "r": ("data", "resp", "valid", "ready"),
}  # fmt: skip
_WIDTHS = {"addr": 0, "data": 32, "strb": 4, "resp": 2, "valid": 1, "ready": 1}


def zynq_text(address_bits: int = 18) -> str:
    """The module ``lepton_zynq``, without a pin: PS7 and ``lepton_top`` with AXI3 ports.

    The design runs at FCLK0. `address_bits` are those of lepton_top's register port.
    """
    wires = [_wire(width, f"ps_{name}") for way, width, name in _PS7 if way == "output"]
    wires += [_wire(width, f"to_{name}") for way, width, name in _PS7 if way == "input"]
    for channel, fields in _LITE.items():
        wires += [_wire(_WIDTHS[f] or address_bits, f"lite_{channel}{f}") for f in fields]
    return "\n".join([
        "// Generated; change the flow, not this file.",
        *_blackboxes(),
        f"module {ZYNQ_TOP} ();",
        *wires,
        "  wire clk, resetn, rst;",
        "  reg [3:0] reset_chain = 4'd0;",
        "  BUFG clock (.I(ps_FCLKCLK[0]), .O(clk));",
        "  always @(posedge clk) reset_chain <= {reset_chain[2:0], ps_FCLKRESETN[0]};",
        "  assign resetn = reset_chain[3];",
        "  assign rst = !resetn;",
        *_constants(),
        _instance("PS7", "ps7", [(n, f"{'ps' if w == 'output' else 'to'}_{n}")
                                 for w, _, n in _PS7]),
        _instance(f"axi3_lite #(.ADDRESS_BITS({address_bits}))", "bridge",
                  _bridge_joins(address_bits)),
        _instance(TOP, "accelerated", _top_joins()),
        "endmodule",
        "",
    ])  # fmt: skip


def _blackboxes() -> list[str]:
    ports = ", ".join(f"{way} {_range(width)}{name}" for way, width, name in _PS7)
    return [
        f"(* blackbox, keep *) module PS7 ({ports}); endmodule",
        "(* blackbox *) module BUFG (input I, output O); endmodule",
    ]


def _constants() -> list[str]:
    """What the fabric tells the processor's ports all the time."""
    fixed = {
        "FCLKCLKTRIGN": "4'd0", "MAXIGP0ACLK": "clk", "SAXIHP0ACLK": "clk",
        "SAXIHP0AWID": "6'd0", "SAXIHP0WID": "6'd0", "SAXIHP0ARID": "6'd0",
        "SAXIHP0AWSIZE": "2'd3", "SAXIHP0ARSIZE": "2'd3",  # words of 64 bits
        "SAXIHP0AWQOS": "4'd0", "SAXIHP0ARQOS": "4'd0",
        "SAXIHP0WRISSUECAP1EN": "1'b0", "SAXIHP0RDISSUECAP1EN": "1'b0",
    }  # fmt: skip
    return [f"  assign to_{name} = {value};" for name, value in fixed.items()]


def _bridge_joins(address_bits: int) -> list[tuple[str, str]]:
    joins = [("clk", "clk"), ("rst", "rst")]
    for channel, fields in _BRIDGE.items():
        for field in fields:
            name = f"MAXIGP0{channel}{field}".upper()
            side = "ps" if ("output", name) in {(way, n) for way, _, n in _PS7} else "to"
            bits = f"[{address_bits - 1}:0]" if field == "addr" else ""
            joins.append((f"s_{channel}{field}", f"{side}_{name}{bits}"))
    for channel, fields in _LITE.items():
        joins += [(f"m_{channel}{field}", f"lite_{channel}{field}") for field in fields]
    return joins


def _top_joins() -> list[tuple[str, str]]:
    joins = [("aclk", "clk"), ("aresetn", "resetn"), ("s_axi_awprot", "3'd0"),
             ("s_axi_arprot", "3'd0")]  # fmt: skip
    for channel, fields in _LITE.items():
        joins += [(f"s_axi_{channel}{field}", f"lite_{channel}{field}") for field in fields]
    for channel, names in _HP_CHANNELS.items():
        for name in names:
            whole = f"SAXIHP0{channel}{name}"
            side = "ps" if ("output", whole) in {(way, n) for way, _, n in _PS7} else "to"
            joins.append((f"m_axi_{channel.lower()}{name.lower()}", f"{side}_{whole}"))
    # One ID each: answers come in order, and need none.
    return [*joins, ("m_axi_bid", "1'b0"), ("m_axi_rid", "1'b0")]


def _instance(module: str, name: str, joins: list[tuple[str, str]]) -> str:
    return f"  {module} {name} (\n" + ",\n".join(f"    .{p}({n})" for p, n in joins) + "\n  );"


def _wire(width: int, name: str) -> str:
    return f"  wire {_range(width)}{name};"


def _range(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""
