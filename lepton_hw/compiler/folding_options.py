"""The foldings that a layer of FINN's graph offers, each with its cycles and resources.

Asks FINN's operators (and our kernels) for their own estimates; chooses nothing.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

#: FINN's bound on a weight stream; wider ones elaborate but do not route well.
MAX_STREAM_BITS = 8192
WINDOW = "ConvolutionInputGenerator"
#: Layers that read a depthwise sliding window, whose SIMD must equal their PE.
DEPTHWISE = ("VVAU", "Pool")


@dataclass(frozen=True)
class Option:
    """One folding of a group of layers: attributes by node, cycles per frame, resources.

    `width_in`, `width_out`: bits of its first input and output stream.
    """

    attributes: dict[str, dict[str, int]]
    cycles: int
    cost: tuple[float, ...]
    width_in: int
    width_out: int


def depthwise_reader(model: ModelWrapper, node: Any) -> Any | None:
    if not node.op_type.startswith(WINDOW):
        return None
    consumers = model.find_consumers(node.output[0]) or []
    if len(consumers) == 1 and consumers[0].op_type.startswith(DEPTHWISE):
        return consumers[0]
    return None


def options_of(nodes: list[Any], part: str) -> list[Option]:
    ops = {node.name: getCustomOp(node) for node in nodes}
    before = {name: _current(op) for name, op in ops.items()}
    found = []
    for choice in _choices(nodes, ops):
        for name, attributes in choice.items():
            for key, value in attributes.items():
                ops[name].set_nodeattr(key, value)
        if any(_too_wide(op) for op in ops.values()):
            continue
        found.append(
            Option(
                attributes=choice,
                cycles=max(int(op.get_exp_cycles()) for op in ops.values()),
                cost=tuple(np.sum([_cost(op, part) for op in ops.values()], axis=0)),
                width_in=ops[nodes[0].name].get_instream_width_padded(0),
                width_out=ops[nodes[-1].name].get_outstream_width_padded(0),
            )
        )
    for name, attributes in before.items():
        for key, value in attributes.items():
            ops[name].set_nodeattr(key, value)
    return found


def _current(op: Any) -> dict[str, int]:
    known = op.get_nodeattr_types()
    names = [name for name in ("PE", "SIMD", "parallel_window") if name in known]
    return {name: op.get_nodeattr(name) for name in names}


def _cost(op: Any, part: str) -> tuple[float, ...]:
    estimate = op.node_res_estimation(part)
    return tuple(float(estimate[n]) for n in ("LUT", "BRAM_18K", "URAM", "DSP"))


def _too_wide(op: Any) -> bool:
    return "MW" in op.get_nodeattr_types() and op.get_instream_width(1) > MAX_STREAM_BITS


def _choices(nodes: list[Any], ops: dict[str, Any]) -> Iterator[dict[str, dict[str, int]]]:
    if len(nodes) == 2:
        window, reader = nodes
        for choice in _node_choices(reader, ops[reader.name]):
            parallel = int(choice.get("SIMD", 1) > 1)
            beside = {"SIMD": choice["PE"], "parallel_window": parallel}
            yield {window.name: beside, reader.name: choice}
        return
    name = nodes[0].name
    for choice in _node_choices(nodes[0], ops[name]):
        yield {name: choice}


def _node_choices(node: Any, op: Any) -> Iterator[dict[str, int]]:
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
        if not op.get_nodeattr("depthwise"):
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
