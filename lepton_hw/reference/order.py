"""The same function in fewer and quicker steps, where nobody looks at the tensors between.

FINN's depthwise layers read windows in the order of their streams, a few channels of all taps at a
time; copying that is slow, and the results do not depend on it. FIFOs and width converters compute
nothing.
"""

from dataclasses import replace

from lepton_hw.reference.graph import Graph, Node
from lepton_hw.reference.ir import Depthwise, Pool, Reshape, Window


def quickest(graph: Graph) -> Graph:
    """The same function of the graph's inputs; tensors between may differ or be missing."""
    return without_copies(plain_windows(graph))


def without_copies(graph: Graph) -> Graph:
    """Without the nodes that give what they are given, such as FIFOs."""
    source: dict[str, str] = {}
    kept = []
    for node in graph.nodes:
        inputs = tuple(source.get(name, name) for name in node.inputs)
        if _copies(graph, node):
            source[node.outputs[0]] = inputs[0]
        else:
            kept.append(replace(node, inputs=inputs))
    return replace(graph, nodes=tuple(kept))


def _copies(graph: Graph, node: Node) -> bool:
    is_same = isinstance(node.op, Reshape) and node.op.shape == graph.tensors[node.inputs[0]].shape
    return is_same and node.outputs[0] not in graph.outputs


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
            if _copies(graph, node):
                tensors += node.outputs
            elif isinstance(node.op, Depthwise | Pool):
                found.append((node, node.op))
            else:
                return None
    return found
