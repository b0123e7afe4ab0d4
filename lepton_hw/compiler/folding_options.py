"""The foldings that a layer of FINN's graph offers, each with its cycles and resources.

Asks FINN's operators (and our kernels) for their own estimates; chooses nothing.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.compiler.folding_costs import Cost, layer_cost
from lepton_hw.compiler.folding_limits import WINDOW, can_be_built, no_folding
from lepton_hw.compiler.folding_timing_of import Layer, layer_of, streams_into
from lepton_hw.compiler.kernels.dot_formats import LUT_MEMORY_DEPTH, narrowest

#: Layers that read a depthwise sliding window, whose SIMD must equal their PE.
DEPTHWISE = ("VVAU", "Pool")
#: Activation bits times weight bits from which DSPs can save LUTs; see `folding_costs`.
DSP_WORTH = 12
#: Words up to which FINN's weight streamer may stand in LUTs.
SHALLOW = 64

#: Attributes by name, as a folding file has them.
Attributes = dict[str, int | str]


class Stream(NamedTuple):
    """Bits of a beat: in whole bytes, which the wires have, and without that."""

    width: int
    bits: int


@dataclass(frozen=True)
class Option:
    """One folding of a group of layers: attributes by node, cycles per frame, resources, first
    input and output stream; `read` reads `layers` off the graph.
    """

    attributes: dict[str, Attributes]
    cycles: int
    cost: Cost
    stream_in: Stream
    stream_out: Stream
    read: Callable[[], dict[str, Layer]] = field(default=dict, repr=False, compare=False)

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """What each node is in the model of latency; slow to read, and a rate needs it of few."""
        return self.read()


def depthwise_reader(model: ModelWrapper, node: Any) -> Any | None:
    """The layer behind a depthwise sliding window, which is folded like it; None otherwise."""
    if not node.op_type.startswith(WINDOW):
        return None
    consumers = model.find_consumers(node.output[0]) or []
    if len(consumers) == 1 and consumers[0].op_type.startswith(DEPTHWISE):
        return consumers[0]
    return None


def options_of(
    model: ModelWrapper, nodes: list[Any], part: str, *, dsp: bool = True
) -> list[Option]:
    """All foldings of one layer, or of a depthwise window and its reader; leaves them as found.

    `dsp`: whether units of DSPs may be among them. Raises `StageError` where there is none.
    """
    ops = {node.name: getCustomOp(node) for node in nodes}
    types = _weight_types(model, nodes)
    found = []
    for choice in _choices(model, nodes, ops, part, dsp):
        folded = partial(_folded, ops, choice, types)
        with folded():
            if all(can_be_built(op) for op in ops.values()):
                found.append(_option(model, ops, choice, part, folded))
    if not found:
        raise no_folding(ops[nodes[0].name])
    return found


def present(model: ModelWrapper, nodes: list[Any], part: str) -> Option:
    """The folding that the nodes have."""
    ops = {node.name: getCustomOp(node) for node in nodes}
    return _option(model, ops, {name: {} for name in ops}, part, nullcontext)


def copy_of(value: Any) -> Any:
    """An independent copy of a part of an ONNX graph."""
    new = type(value)()
    new.CopyFrom(value)
    return new


@contextmanager
def _folded(
    ops: dict[str, Any], choice: dict[str, Attributes], types: dict[str, str]
) -> Iterator[None]:
    """The operators with these attributes; behind it as they were."""
    before = [(op.onnx_node, copy_of(op.onnx_node)) for op in ops.values()]
    for name, attributes in choice.items():
        for key, value in attributes.items():
            ops[name].set_nodeattr(key, value)
        if "resType" in attributes:
            ops[name].set_nodeattr("weightDataType", types[str(attributes["resType"])])
    yield
    for node, old in before:
        node.CopyFrom(old)


def _option(
    model: ModelWrapper,
    ops: dict[str, Any],
    choice: dict[str, Attributes],
    part: str,
    folded: Callable[[], AbstractContextManager[None]],
) -> Option:
    """The operators as they are folded now, which `folded` does again."""

    def read() -> dict[str, Layer]:
        with folded():
            return {name: layer_of(model, op) for name, op in ops.items()}

    first, last = next(iter(ops.values())), next(reversed(ops.values()))
    costs = np.sum([layer_cost(op, part) for op in ops.values()], axis=0)
    lut, bram18, uram, dsp = (float(x) for x in costs)
    number = streams_into(model, first.onnx_node)[0]
    return Option(
        attributes=choice,
        cycles=max(int(op.get_exp_cycles()) for op in ops.values()),
        cost=(lut, bram18, uram, dsp),
        stream_in=Stream(first.get_instream_width_padded(0), first.get_instream_width(number)),
        stream_out=Stream(last.get_outstream_width_padded(0), last.get_outstream_width(0)),
        read=read,
    )


def _choices(
    model: ModelWrapper, nodes: list[Any], ops: dict[str, Any], part: str, dsp: bool
) -> Iterator[dict[str, Attributes]]:
    last = nodes[-1]
    units = list(_units(model, last, ops[last.name], part, dsp))
    for folding in _foldings(last, ops[last.name]):
        for unit in units:
            for style in _styles(ops[last.name], folding, unit):
                choice: Attributes = {**folding, **unit, **style}
                if len(nodes) == 1:
                    yield {last.name: choice}
                    continue
                parallel = int(folding.get("SIMD", 1) > 1)
                beside = {"SIMD": folding["PE"], "parallel_window": parallel}
                for ram in ("distributed", "block"):
                    yield {nodes[0].name: {**beside, "ram_style": ram}, last.name: choice}


def _units(model: ModelWrapper, node: Any, op: Any, part: str, dsp: bool) -> Iterator[Attributes]:
    """What a matrix unit can be made of: LUTs (ours) or DSPs (FINN's), where both can be."""
    if not node.op_type.startswith("MVAU") or not _is_free(model, node, op):
        yield {}
        return
    writable = op.get_nodeattr("runtime_writeable_weights")
    yield {"resType": "lut", "mem_mode": f"internal_{'decoupled' if writable else 'embedded'}"}
    if dsp and _dsp_can(model, node, op, part):
        yield {"resType": "dsp", "mem_mode": "internal_decoupled"}


def _is_free(model: ModelWrapper, node: Any, op: Any) -> bool:
    """Whether the search may choose the unit: plain layers with constant weights."""
    plain = op.get_nodeattr("noActivation") and op.get_nodeattr("TH") == 1
    inside = op.get_nodeattr("mem_mode") in ("internal_embedded", "internal_decoupled")
    return bool(plain and inside and model.get_initializer(node.input[1]) is not None)


def _dsp_can(model: ModelWrapper, node: Any, op: Any, part: str) -> bool:
    """Whether FINN's DSP-based unit takes this layer and may be cheaper than LUTs."""
    from finn.util.basic import get_dsp_block, get_dsp_datapath_limits
    from qonnx.core.datatype import DataType

    if op.get_nodeattr("resType") != "lut":
        return True
    kind, activation = op.get_input_datatype(1), op.get_input_datatype(0)
    if op.get_nodeattr("binaryXnorMode") or not kind.signed() or activation.bitwidth() < 2:
        return False
    most_act, most_weight, most_sum = get_dsp_datapath_limits(get_dsp_block(part))
    wide = DataType[_weight_types(model, [node])["dsp"]].bitwidth()
    fits = (
        activation.bitwidth() - int(activation.signed()) < most_act
        and wide <= most_weight
        and op.get_output_datatype().bitwidth() <= most_sum
    )
    return bool(fits and activation.bitwidth() * kind.bitwidth() >= DSP_WORTH)


def _weight_types(model: ModelWrapper, nodes: list[Any]) -> dict[str, str]:
    """Weight type of the matrix unit at the end by `resType`, as FINN's steps will set it."""
    from qonnx.core.datatype import DataType

    node = nodes[-1]
    weights = model.get_initializer(node.input[1]) if node.op_type.startswith("MVAU") else None
    if weights is None:
        return {}
    op = getCustomOp(node)
    activation, stated = op.get_input_datatype(0).name, op.get_input_datatype(1).name
    if op.get_nodeattr("binaryXnorMode") or activation == stated == "BIPOLAR":
        return {"lut": stated, "dsp": stated}
    lut = narrowest(weights, keep_sum=activation == "BIPOLAR")
    if op.get_nodeattr("runtime_writeable_weights"):
        lut = stated  # weights to come need all of it
    kind = DataType[lut]
    if kind.bitwidth() == 1 or lut == "TERNARY":
        return {"lut": lut, "dsp": "INT2"}
    # The packed multiplier needs signed weights above the minimum of their type.
    wider = int(not kind.signed() or weights.min() <= kind.min())
    return {"lut": lut, "dsp": f"INT{kind.bitwidth() + wider}"}


def _styles(op: Any, folding: dict[str, int], unit: Attributes) -> Iterator[Attributes]:
    """Where a layer's memory can stand. In our units `auto` means LUTs, as far as they are meant
    for it: Yosys refuses a read-only memory that must be `distributed`.
    """
    known, kind = op.get_nodeattr_types(), op.onnx_node.op_type
    if kind.startswith(WINDOW):
        yield {"ram_style": "distributed"}
        yield {"ram_style": "block"}
    elif not kind.startswith(("MVAU", "VVAU")) or "ram_style" not in known:
        yield {}
    else:
        words = _words(op, folding)
        mode = unit.get("mem_mode", op.get_nodeattr("mem_mode"))
        ours = unit.get("resType", op.get_nodeattr("resType")) == "lut"
        if ours and mode == "internal_embedded":
            if words <= LUT_MEMORY_DEPTH:
                yield {"ram_style": "auto"}
            if words > 1:
                yield {"ram_style": "block"}
        elif mode == "internal_decoupled":
            yield {"ram_style": "block"}
            if words <= SHALLOW:
                yield {"ram_style": "distributed"}
        else:
            yield {}


def _words(op: Any, folding: dict[str, int]) -> int:
    """Depth of the weight memory."""
    lanes = folding["PE"] * folding["SIMD"]
    if "MW" in op.get_nodeattr_types():
        return int(op.get_nodeattr("MW") * op.get_nodeattr("MH") // lanes)
    return int(np.prod(op.get_nodeattr("Kernel")) * op.get_nodeattr("Channels") // lanes)


def _foldings(node: Any, op: Any) -> Iterator[dict[str, int]]:
    """The attributes that fold this kind of layer, all values that FINN accepts."""
    known = op.get_nodeattr_types()
    kind = node.op_type
    if "MW" in known and "MH" in known:
        for simd, pe in itertools.product(
            divisors(op.get_nodeattr("MW")), divisors(op.get_nodeattr("MH"))
        ):
            yield {"PE": pe, "SIMD": simd}
    elif kind.startswith("VVAU"):
        channels = op.get_nodeattr("Channels")
        yield from ({"PE": pe, "SIMD": 1} for pe in divisors(channels))
        window = int(np.prod(op.get_nodeattr("Kernel")))
        yield from ({"PE": channels, "SIMD": simd} for simd in divisors(window) if simd > 1)
    elif kind.startswith(WINDOW):
        channels = op.get_nodeattr("IFMChannels")
        yield from ({"SIMD": simd, "parallel_window": 0} for simd in divisors(channels))
        # Where there is but one window, FINN fails to write a parallel one (log2 of 0).
        if not op.get_nodeattr("depthwise") and math.prod(op.get_nodeattr("OFMDim")) > 1:
            yield {"SIMD": channels, "parallel_window": 1}
    elif "SIMD" in known:
        yield from ({"SIMD": simd} for simd in divisors(_channels(op)))
    elif "PE" in known:
        yield from ({"PE": pe} for pe in divisors(_channels(op)))
    else:
        yield {}


def _channels(op: Any) -> int:
    known = op.get_nodeattr_types()
    if "ChannelsPerStream" in known:  # a concat or split folds all its streams alike
        return math.gcd(*(int(n) for n in op.get_nodeattr("ChannelsPerStream")))
    for name in ("NumChannels", "Channels", "Labels"):
        if name in known:
            return int(op.get_nodeattr(name))
    return int(op.get_normal_output_shape()[-1])


def divisors(number: int) -> list[int]:
    """All divisors in ascending order."""
    return [n for n in range(1, number + 1) if number % n == 0]
