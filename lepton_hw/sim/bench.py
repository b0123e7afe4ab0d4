"""The generated part of a simulator: a SystemVerilog bench around the design and a C++ table.

The bench registers everything that it drives, so that one evaluation per clock edge settles the
whole design; the table tells the fixed harness (``harness.cpp``) where each signal is. Nothing
here runs a tool.
"""

from dataclasses import dataclass

from lepton_hw.design import Design, Node

TOP = "lepton_bench"


@dataclass(frozen=True)
class Plan:
    """Which stream every observed entry is, in the order that lets the harness use vectors.

    Entries are: the input of every FIFO, the output of every FIFO, the first input and the first
    output of every other node that has both, then streams that are in none of these. A stream
    may be two entries. `more` lists further (node, entry, is_input) of nodes with several
    inputs or outputs. `taps` are the streams whose data can be recorded.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    entries: tuple[str, ...]
    fifos: tuple[Node, ...]
    nodes: tuple[Node, ...]
    more: tuple[tuple[int, int, bool], ...]
    taps: tuple[str, ...]

    def entry(self, stream: str) -> int:
        """The first entry that is this stream."""
        return self.entries.index(stream)


def make_plan(design: Design, taps: tuple[str, ...]) -> Plan:
    """Lays out the observation of a design; `taps` are names of streams."""
    fifos = tuple(
        node
        for node in design.nodes
        if node.depth > 0 and len(node.inputs) == 1 and len(node.outputs) == 1
    )
    nodes = tuple(
        node for node in design.nodes if node not in fifos and node.inputs and node.outputs
    )
    entries = [node.inputs[0] for node in fifos] + [node.outputs[0] for node in fifos]
    entries += [node.inputs[0] for node in nodes] + [node.outputs[0] for node in nodes]
    entries += [stream.name for stream in design.streams if stream.name not in set(entries)]
    more = [
        (index, entries.index(name), is_input)
        for index, node in enumerate(nodes)
        for names, is_input in ((node.inputs[1:], True), (node.outputs[1:], False))
        for name in names
    ]
    return Plan(
        design.inputs, design.outputs, tuple(entries), fifos, nodes, tuple(more), tuple(taps)
    )


def bench_text(design: Design, plan: Plan) -> str:
    """The SystemVerilog bench: ports i*_ and o*_ of the doors, v*, r*, d* of observed streams."""
    ports = ["  input logic clk", "  input logic reset_n"]
    body = ["  logic ap_rst_n = 0;", "  always_ff @(posedge clk) ap_rst_n <= reset_n;"]
    joins = ["    .ap_clk(clk)", "    .ap_rst_n(ap_rst_n)"]
    for index, name in enumerate(plan.inputs):
        bits = f"[{design.stream(name).width - 1}:0]"
        ports += [f"  input logic i{index}_valid", f"  input logic {bits} i{index}_data"]
        body += [
            f"  logic {bits} in{index}_data;",
            f"  logic in{index}_valid = 0;",
            f"  wire in{index}_ready;",
            f"  always_ff @(posedge clk) in{index}_valid <= i{index}_valid;",
            f"  always_ff @(posedge clk) in{index}_data <= i{index}_data;",
        ]
        joins += [f"    .{name}_t{part}(in{index}_{part})" for part in ("data", "valid", "ready")]
    for index, name in enumerate(plan.outputs):
        bits = f"[{design.stream(name).width - 1}:0]"
        ports += [f"  input logic o{index}_ready", f"  output logic {bits} o{index}_data"]
        body += [
            f"  logic out{index}_ready = 0;",
            f"  wire out{index}_valid;",
            f"  always_ff @(posedge clk) out{index}_ready <= o{index}_ready;",
        ]
        joins += [
            f"    .{name}_tdata(o{index}_data)",
            f"    .{name}_tvalid(out{index}_valid)",
            f"    .{name}_tready(out{index}_ready)",
        ]
    for memory in design.weights:  # nobody writes weights here
        joins += [
            f"    .{memory.port}_{end}('0)" for inwards, _, end in memory.signals() if inwards
        ]
    for index, name in enumerate(dict.fromkeys(plan.entries)):
        ports += [f"  output logic v{index}", f"  output logic r{index}"]
        body += [
            f"  assign v{index} = dut.{name}_tvalid;",
            f"  assign r{index} = dut.{name}_tready;",
        ]
    for index, name in enumerate(plan.taps):
        ports.append(f"  output logic [{design.stream(name).width - 1}:0] d{index}")
        body.append(f"  assign d{index} = dut.{name}_tdata;")
    head = f"module {TOP} (\n" + ",\n".join(ports) + "\n);\n"
    dut = f"  {design.top} dut (\n" + ",\n".join(joins) + "\n  );\n"
    return head + "\n".join(body) + "\n" + dut + "endmodule\n"


def table_text(plan: Plan) -> str:
    """The C++ header of sizes and accessors that ``harness.cpp`` includes as ``table.h``."""
    signal = {name: index for index, name in enumerate(dict.fromkeys(plan.entries))}
    observe = [
        f"  v[{entry}] = m.v{signal[name]}; r[{entry}] = m.r{signal[name]};"
        for entry, name in enumerate(plan.entries)
    ]
    fifos, nodes = len(plan.fifos), len(plan.nodes)
    base = 2 * fifos
    stalls = [
        f"  stall[{node}] |= {'s' if is_input else 'b'}[{entry}];"
        + f" {'begun' if is_input else 'done'}[{node}] |= h[{entry}]; moved[{node}] |= h[{entry}];"
        for node, entry, is_input in plan.more
    ]

    def switch(name: str, kind: str, prefix: str, count: int, suffix: str) -> str:
        cases = "".join(
            f" case {index}: return reinterpret_cast<{kind}>(&m.{prefix}{index}{suffix});"
            for index in range(count)
        )
        return (
            f"static inline {kind} {name}(Model& m, unsigned index) {{\n"
            f"  switch (index) {{{cases} }}\n  return nullptr;\n}}\n"
        )

    ins, outs, taps = len(plan.inputs), len(plan.outputs), len(plan.taps)
    return "\n".join(
        [
            "// Generated by lepton_hw.sim.bench.",
            "#pragma once",
            f"constexpr unsigned INPUTS = {ins}, OUTPUTS = {outs}, TAPS = {taps};",
            f"constexpr unsigned ENTRIES = {len(plan.entries)}, FIFOS = {fifos}, NODES = {nodes};",
            _array("INPUT_ENTRY", [plan.entry(name) for name in plan.inputs]),
            _array("OUTPUT_ENTRY", [plan.entry(name) for name in plan.outputs]),
            _array("TAP_ENTRY", [plan.entry(name) for name in plan.taps]),
            _widths("INPUT_BYTES", "i", ins, "_data"),
            _widths("OUTPUT_BYTES", "o", outs, "_data"),
            _widths("TAP_BYTES", "d", taps, ""),
            switch("input_data", "uint8_t*", "i", ins, "_data"),
            switch("input_valid", "CData*", "i", ins, "_valid"),
            switch("output_data", "uint8_t*", "o", outs, "_data"),
            switch("output_ready", "CData*", "o", outs, "_ready"),
            switch("tap_data", "uint8_t*", "d", taps, ""),
            "static inline void observe(const Model& m, uint8_t* v, uint8_t* r) {",
            *observe,
            "}",
            "static inline void more_ports(const uint8_t* h, const uint8_t* b, const uint8_t* s,",
            "    uint8_t* stall, uint8_t* begun, uint8_t* done, uint8_t* moved) {",
            *stalls,
            "}",
            f"constexpr unsigned NODE_IN = {base}, NODE_OUT = {base + nodes};",
            "",
        ]
    )


def _array(name: str, values: list[int]) -> str:
    inside = ", ".join(map(str, values)) or "0"
    return f"constexpr unsigned {name}[] = {{{inside}}};"


def _widths(name: str, prefix: str, count: int, suffix: str) -> str:
    inside = ", ".join(f"sizeof(Model::{prefix}{index}{suffix})" for index in range(count)) or "0"
    return f"constexpr size_t {name}[] = {{{inside}}};"
