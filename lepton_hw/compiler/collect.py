"""Gathers what FINN generated into one movable folder and one plain `Graph`.

Reads FINN's own interface metadata; copies files, never edits the RTL beyond the paths in it.
"""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.compiler.folding_costs import layer_cost
from lepton_hw.compiler.graph import Graph, Kernel, Pin
from lepton_hw.compiler.weights import is_writable, memory_of
from lepton_hw.design import Edge
from lepton_hw.errors import StageError

#: Sources of FINN's weight streamer, relative to its RTL library.
STREAMER = ("axi/hdl/axilite.sv", "memstream/hdl/memstream_axi.sv", "memstream/hdl/memstream.sv")
ATTRIBUTES = ("PE", "SIMD", "parallel_window", "mem_mode", "ram_style", "resType")
HEADERS = (".vh", ".svh")
OUR_RTL = (Path(__file__).parents[1] / "rtl").resolve()


def collect(
    model: ModelWrapper, part: str, folder: Path, *, runtime_weights: bool = False
) -> Graph:
    """Copies every kernel's RTL below ``folder/rtl`` and describes the graph.

    Args:
        model: FINN's graph after code generation.
        part: FPGA part, for FINN's resource estimates.
        folder: receives ``rtl/<node>/…``, ``rtl/finn/…`` and ``rtl/lepton_hw/…``.
        runtime_weights: whether the ports of weights that FINN made writable are kept.
    """
    kernels = tuple(
        _kernel(model, node, part, folder, runtime_weights) for node in model.graph.node
    )
    edges = tuple(_edges(model))
    return Graph(
        kernels=kernels,
        edges=edges,
        inputs=tuple(value.name for value in model.graph.input),
        outputs=tuple(value.name for value in model.graph.output),
    )


def _kernel(
    model: ModelWrapper, node: Any, part: str, folder: Path, runtime_weights: bool
) -> Kernel:
    op = getCustomOp(node)
    writable = runtime_weights and is_writable(op)
    generated = Path(op.get_nodeattr("code_gen_dir_ipgen"))
    listed = [Path(name) for name in op.get_rtl_file_list(abspath=True)]
    streamer = _streamer(op, generated)
    if streamer is not None:
        listed += [streamer, *(library_root() / name for name in STREAMER)]
    own = [path for path in listed if path.is_relative_to(generated)]
    shared = [path for path in listed if not path.is_relative_to(generated)]
    counts = op.get_op_and_param_counts()
    interfaces = op.get_verilog_top_module_intf_names()
    return Kernel(
        name=node.name,
        op=node.op_type,
        module=op.get_nodeattr("gen_top_module"),
        files=tuple(_copy_own(own, generated, folder, node.name)),
        library=tuple(_copy_shared(shared, folder)),
        inputs=_pins(interfaces["s_axis"], _stream_inputs(model, node), node.name),
        outputs=_pins(interfaces["m_axis"], list(node.output), node.name),
        weights=streamer.stem if streamer is not None else "",
        weights_width=op.get_instream_width_padded(1) if streamer is not None else 0,
        memory=memory_of(model, op) if writable else None,
        depth=op.get_nodeattr("depth") if node.op_type == "StreamingFIFO_rtl" else 0,
        cycles=int(op.get_exp_cycles()),
        parameters=sum(int(v) for k, v in counts.items() if k.startswith("param_")),
        attributes=_attributes(op),
        **resources(op, part)._asdict(),
    )


def library_root() -> Path:
    """Where FINN's RTL library lies."""
    from finn.util.settings import get_settings

    return Path(get_settings().finn_rtllib)


def _streamer(op: Any, generated: Path) -> Path | None:
    if "mem_mode" not in op.get_nodeattr_types():
        return None
    if op.get_nodeattr("mem_mode") != "internal_decoupled":
        return None
    return next(iter(sorted(generated.glob("*_memstream_wrapper.v"))), None)


def _stream_inputs(model: ModelWrapper, node: Any) -> list[str]:
    return [name for name in node.input if name and model.get_initializer(name) is None]


def _pins(interfaces: list[tuple[str, int]], tensors: list[str], node: str) -> tuple[Pin, ...]:
    if len(interfaces) != len(tensors):
        raise StageError(
            f"layer {node} has {len(interfaces)} stream interfaces for {len(tensors)} tensors",
            "one stream for each tensor",
            "report this layer, its kind is new to the stitcher",
        )
    return tuple(Pin(port=port, tensor=t) for (port, _), t in zip(interfaces, tensors, strict=True))


def _copy_own(files: list[Path], generated: Path, folder: Path, node: str) -> list[str]:
    target = folder / "rtl" / node
    target.mkdir(parents=True, exist_ok=True)
    for data in sorted(generated.glob("*.dat")):
        shutil.copyfile(data, target / data.name)
    names = []
    for path in files:
        # FINN writes absolute paths of data files; relative ones let the folder be moved.
        text = path.read_text()
        for prefix in {f"{generated}/", f"{generated.resolve()}/"}:
            text = text.replace(prefix, f"rtl/{node}/")
        (target / path.name).write_text(text)
        names.append(f"rtl/{node}/{path.name}")
    return names


def _copy_shared(files: list[Path], folder: Path) -> list[str]:
    names = []
    for path in files:
        source = path.resolve()
        library = "lepton_hw" if source.is_relative_to(OUR_RTL) else "finn"
        target = folder / "rtl" / library / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.read_bytes() != source.read_bytes():
            raise StageError(
                f"the RTL library has two different files named {source.name}",
                "one file a name",
                "report this design",
            )
        shutil.copyfile(source, target)
        names.append(f"rtl/{library}/{source.name}")
    return names


def _attributes(op: Any) -> dict[str, int | str]:
    known = op.get_nodeattr_types()
    return {name: op.get_nodeattr(name) for name in ATTRIBUTES if name in known}


class Resources(NamedTuple):
    """The estimate for one kernel: FINN's or our own, and what it leaves out."""

    lut: int
    bram18: int
    uram: int
    dsp: int


def resources(op: Any, part: str) -> Resources:
    """What a node needs on a part by the estimate that the folding search uses, too."""
    return Resources(*(round(amount) for amount in layer_cost(op, part)))


def _edges(model: ModelWrapper) -> list[Edge]:
    edges = []
    for node in model.graph.node:
        op = getCustomOp(node)
        for index, tensor in enumerate(node.input):
            if tensor in [value.name for value in model.graph.input]:
                shape = op.get_normal_input_shape(index), op.get_folded_input_shape(index)
                width = op.get_instream_width_padded(index)
                kind = op.get_input_datatype(index)
                edges.append(_edge(tensor, "", node.name, kind, shape, width))
        for index, tensor in enumerate(node.output):
            consumers = model.find_consumers(tensor) or []
            if len(consumers) > 1:
                raise StageError(
                    f"the output of layer {node.name} goes to {len(consumers)} layers",
                    "a DuplicateStreams layer at every fork",
                    "report this network",
                )
            consumer = consumers[0].name if consumers else ""
            shape = op.get_normal_output_shape(index), op.get_folded_output_shape(index)
            width = op.get_outstream_width_padded(index)
            kind = op.get_output_datatype(index)
            edges.append(_edge(tensor, node.name, consumer, kind, shape, width))
    return edges


def _edge(tensor: str, producer: str, consumer: str, kind: Any, shapes: Any, width: int) -> Edge:
    shape, folded = shapes
    return Edge(
        tensor=tensor,
        producer=producer,
        consumer=consumer,
        dtype=kind.name,
        bits=kind.bitwidth(),
        width=int(width),
        shape=tuple(int(n) for n in shape),
        folded_shape=tuple(int(n) for n in folded),
    )
