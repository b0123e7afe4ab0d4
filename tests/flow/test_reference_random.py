"""The integer path equals FINN's own execution on random graphs, tensor by tensor.

``LEPTON_EXAMPLES`` sets the number of graphs (30 if unset).
"""

import os
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from lepton_hw import reference
from lepton_hw.compiler.world import finn_world
from lepton_hw.reference.reference import Reference

from .random_layers import RandomGraph

FRAMES = 4
#: The same graphs every time, and no shrinking.
examples = settings(
    max_examples=int(os.environ.get("LEPTON_EXAMPLES", "30")),
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@st.composite
def graphs(draw: Any) -> RandomGraph:
    return RandomGraph(draw)


@examples
@given(graphs())
def test_any_graph_is_exact(tmp_path_factory: pytest.TempPathFactory, graph: RandomGraph) -> None:
    assume(graph.nodes)
    folder = tmp_path_factory.mktemp("graph")
    file, frames = folder / "finn.onnx", graph.frames(FRAMES)
    with finn_world(folder / "finn", folder / "log"):
        from qonnx.custom_op.registry import getCustomOp

        model = graph.model()
        for node in model.graph.node:
            getCustomOp(node).set_nodeattr("exec_mode", "cppsim" if "_rtl" in node.op_type else "")
        model.save(str(file))
        expected = golden(model, graph, frames)
    whole = reference.read(file)
    made = {name for node in whole.nodes for name in node.outputs} & expected.keys()
    assert graph.state.name in made
    run = Reference(whole, batch=3)
    if torch.cuda.is_available():
        card = Reference(whole, "cuda", batch=3)
        assert np.array_equal(card.infer(frames), run.infer(frames)), describe(graph)
    found, end = run.taps(frames, tuple(made)), graph.state.name
    assert np.array_equal(run.infer(frames), found[end]), describe(graph)
    for name in made:
        values, tensor = found[name], whole.tensors[name]
        wrong = int((values.reshape(expected[name].shape) != expected[name]).sum())
        assert not wrong, f"{wrong} of {values.size} differ in {name}: {describe(graph)}"
        assert tensor.low <= values.min() and values.max() <= tensor.high, name


def golden(model: Any, graph: RandomGraph, frames: Any) -> dict[str, Any]:
    from finn.core.onnx_exec import execute_onnx

    rows: dict[str, list[Any]] = {}
    for frame in frames:
        feed = {graph.start.name: frame[None].astype(np.float32)}
        context = execute_onnx(model, feed, return_full_exec_context=True)
        for name in graph.values:
            if context.get(name) is not None:
                rows.setdefault(name, []).append(np.asarray(context[name], np.float64)[0])
    return {name: np.rint(np.stack(row)).astype(np.int64) for name, row in rows.items()}


def describe(graph: RandomGraph) -> str:
    return "; ".join(f"{node.op_type} {list(node.output)}" for node in graph.nodes)
