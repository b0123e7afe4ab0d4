"""Windows in the order that is quickest to copy, where nobody looks at them.

FINN's depthwise layers read windows in the order of their streams, a few channels of all taps at a
time; copying that is slow. The results do not depend on the order.
"""

from dataclasses import replace

from lepton_hw.reference.graph import Graph, Node
from lepton_hw.reference.ir import Depthwise, Pool, Reshape, Window


def plain_windows(graph: Graph) -> Graph:
    """The same function with all channels of a tap side by side; windows' tensors differ."""
    changed: dict[int, Node] = {}
    for node in graph.nodes:
        if not isinstance(node.op, Window):
            continue
        channels = graph.tensors[node.inputs[0]].shape[2]
        if node.op.group == channels:
            continue
        readers = _readers(graph, node)
        if readers is None or any(op.group != node.op.group for _, op in readers):
            continue
        for each, op in ((node, node.op), *readers):
            changed[id(each)] = replace(each, op=replace(op, group=channels))
    return replace(graph, nodes=tuple(changed.get(id(node), node) for node in graph.nodes))


def _readers(graph: Graph, window: Node) -> list[tuple[Node, Depthwise | Pool]] | None:
    """The depthwise layers that read the windows, through FIFOs; None if others see them."""
    found: list[tuple[Node, Depthwise | Pool]] = []
    tensors = list(window.outputs)
    for tensor in tensors:
        if tensor in graph.outputs:
            return None
        for node in graph.nodes:
            if tensor not in node.inputs:
                continue
            if isinstance(node.op, Reshape) and node.op.shape == graph.tensors[tensor].shape:
                tensors += node.outputs
            elif isinstance(node.op, Depthwise | Pool):
                found.append((node, node.op))
            else:
                return None
    return found
