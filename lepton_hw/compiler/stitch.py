"""Joins the generated kernels into one readable top module, without Vivado's block design.

Works on the plain `Graph` only. Every path in what it writes is relative to the design's folder.
"""

import re
import shutil
from pathlib import Path

from lepton_hw.artifacts import write_atomically
from lepton_hw.compiler.graph import Graph, Kernel, fixed_weights
from lepton_hw.compiler.module_ports import has_module, ports
from lepton_hw.design import FILE, Design, Edge, Node, Stream, placed
from lepton_hw.errors import StageError
from lepton_hw.rtl.finn_sources import adjust

TOP = "accelerator"
PACKAGE = re.compile(r"^\s*package\s+\w+\s*;", re.MULTILINE)
CLOCKS = {"ap_clk": "ap_clk", "ap_clk2x": "1'b0", "ap_rst_n": "ap_rst_n"}


def stitch(graph: Graph, compiled: Path, folder: Path) -> Design:
    """Writes ``design.sv``, ``design.f``, ``design.json`` and ``rtl/`` into `folder`.

    Args:
        graph: kernels and edges.
        compiled: folder that holds the kernels' files, as named in the graph.
        folder: the design's folder; may be moved afterwards.
    """
    sources = _copy_sources(graph, compiled, folder)
    streams = {edge.tensor: _stream(graph, edge) for edge in graph.edges}
    weights = [_weight_stream(kernel) for kernel in graph.kernels if kernel.weights]
    nodes = [node for kernel in graph.kernels for node in _nodes(graph, kernel, streams)]
    memories = placed(kernel.memory for kernel in graph.kernels if kernel.memory is not None)
    text = _top(graph, folder, streams, weights)
    write_atomically(folder / "design.sv", text)
    design = Design(
        top=TOP,
        sources=(*sources, "design.sv"),
        data_files=tuple(sorted(_data_files(folder))),
        inputs=tuple(streams[name].name for name in graph.inputs),
        outputs=tuple(streams[name].name for name in graph.outputs),
        streams=(*streams.values(), *weights),
        nodes=tuple(nodes),
        weights=memories,
        fixed_weights=fixed_weights(graph),
    )
    write_atomically(folder / "design.f", "\n".join(design.sources) + "\n")
    write_atomically(folder / FILE, design.model_dump_json(indent=2) + "\n")
    return design


def _copy_sources(graph: Graph, compiled: Path, folder: Path) -> list[str]:
    names: dict[str, None] = {}
    for kernel in graph.kernels:
        names.update(dict.fromkeys((*kernel.library, *kernel.files)))
    packages = []
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        text = adjust(Path(name).name, (compiled / name).read_text())
        target.write_text(text)
        if PACKAGE.search(text):
            packages.append(name)
    for data in compiled.glob("rtl/*/*.dat"):
        shutil.copyfile(data, folder / data.relative_to(compiled))
    return packages + [name for name in names if name not in packages]


def _data_files(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.glob("rtl/*/*.dat")]


def _stream(graph: Graph, edge: Edge) -> Stream:
    name = re.sub(r"\W", "_", edge.tensor)
    if edge.tensor in graph.inputs:
        name = f"s_axis_{graph.inputs.index(edge.tensor)}"
    elif edge.tensor in graph.outputs:
        name = f"m_axis_{graph.outputs.index(edge.tensor)}"
    return Stream(name=name, **edge.model_dump())


def _weight_stream(kernel: Kernel) -> Stream:
    width = kernel.weights_width
    return Stream(
        name=f"{kernel.name}_weights",
        tensor="",
        producer=f"{kernel.name}_streamer",
        consumer=kernel.name,
        dtype=f"UINT{width}",
        bits=width,
        width=width,
        shape=(1,),
        folded_shape=(1, 1),
    )


def _nodes(graph: Graph, kernel: Kernel, streams: dict[str, Stream]) -> list[Node]:
    inputs = [streams[pin.tensor].name for pin in kernel.inputs]
    nodes = []
    if kernel.weights:
        weights = f"{kernel.name}_weights"
        inputs.append(weights)
        streamer = f"{kernel.name}_streamer"
        nodes.append(
            Node(
                name=streamer,
                op="WeightStreamer",
                module=kernel.weights,
                inputs=(),
                outputs=(weights,),
                layer=kernel.name,
            )
        )
    outputs = tuple(streams[pin.tensor].name for pin in kernel.outputs)
    nodes.append(
        Node(
            name=kernel.name,
            op=kernel.op,
            module=kernel.module,
            inputs=tuple(inputs),
            outputs=outputs,
            depth=kernel.depth,
            layer=_layer(graph, kernel),
            cycles_estimate=kernel.cycles,
        )
    )
    return nodes


def _layer(graph: Graph, kernel: Kernel) -> str:
    """The compute layer that a FIFO or width converter feeds; itself for all others."""
    current = kernel
    while current.op.startswith(("StreamingFIFO", "StreamingDataWidthConverter")):
        edge = next(e for e in graph.edges if e.tensor == current.outputs[0].tensor)
        if not edge.consumer:
            return kernel.name
        current = next(k for k in graph.kernels if k.name == edge.consumer)
    return current.name


def _top(graph: Graph, folder: Path, streams: dict[str, Stream], weights: list[Stream]) -> str:
    doors = [(streams[name], "input") for name in graph.inputs]
    doors += [(streams[name], "output") for name in graph.outputs]
    lines = [
        f"// {len(graph.kernels)} kernels joined by AXI-Streams.",
        "// Generated; change the flow, not this file.",
        "`default_nettype none",
        "",
        f"module {TOP} (",
        "    input  wire ap_clk,",
        "    input  wire ap_rst_n,",
        ",\n".join([*(_door(stream, way) for stream, way in doors), *_weight_doors(graph)]),
        ");",
        "",
    ]
    inner = [s for s in streams.values() if s.producer and s.consumer] + weights
    for stream in inner:
        lines.append(f"  wire [{stream.width - 1}:0] {stream.name}_tdata;")
        lines.append(f"  wire {stream.name}_tvalid, {stream.name}_tready;")
    for kernel in graph.kernels:
        lines += ["", *_instance(kernel, folder, streams)]
    lines += ["", "endmodule", "", "`default_nettype wire", ""]
    return "\n".join(lines)


def _door(stream: Stream, way: str) -> str:
    ahead, back = (
        ("input  wire", "output wire") if way == "input" else ("output wire", "input  wire")
    )
    return (
        f"    {ahead} [{stream.width - 1}:0] {stream.name}_tdata,\n"
        f"    {ahead} {stream.name}_tvalid,\n"
        f"    {back} {stream.name}_tready"
    )


def _weight_doors(graph: Graph) -> list[str]:
    return [
        f"    {'input ' if is_input else 'output'} wire [{width - 1}:0] {memory.port}_{end}"
        for memory in (kernel.memory for kernel in graph.kernels)
        if memory is not None
        for is_input, width, end in memory.signals()
    ]


def _instance(kernel: Kernel, folder: Path, streams: dict[str, Stream]) -> list[str]:
    pins = {pin.port: streams[pin.tensor].name for pin in (*kernel.inputs, *kernel.outputs)}
    lines = []
    if kernel.weights:
        pins["in1_V"] = f"{kernel.name}_weights"
        streamer = {"m_axis_0": f"{kernel.name}_weights"}
        lines += _one_instance(kernel, kernel.weights, f"{kernel.name}_streamer", streamer, folder)
        lines.append("")
    return lines + _one_instance(kernel, kernel.module, kernel.name, pins, folder)


def _one_instance(
    kernel: Kernel, module: str, name: str, pins: dict[str, str], folder: Path
) -> list[str]:
    texts = [(folder / file).read_text() for file in kernel.files]
    text = next((t for t in texts if has_module(t, module)), "")
    known = ports(text, module)
    wires = {
        f"{port}_{part.upper() if port.endswith('_V') else part}": f"{stream}_{part}"
        for port, stream in pins.items()
        for part in ("tdata", "tvalid", "tready")
    }
    if kernel.memory is not None and module == kernel.weights:
        ends = [end for _, _, end in kernel.memory.signals()]
        wires |= {f"s_axilite_{end.upper()}": f"{kernel.memory.port}_{end}" for end in ends}
    missing = sorted(set(wires) - set(known))
    if missing:
        raise StageError(
            f"module {module} of layer {kernel.name} has no port {missing[0]}",
            f"one of {', '.join(known)}",
            "report this kernel",
        )
    connections = []
    for port, direction in known.items():
        # Left over are control ports (AXI-Lite, fill counters): inputs rest at zero.
        rest = "'0" if direction == "input" else ""
        connections.append(f"      .{port}({CLOCKS.get(port, wires.get(port, rest))})")
    return [f"  {module} {name} (", ",\n".join(connections), "  );"]
