"""The drawing of the network on the report's page, and the words for steps and names."""

import re
from typing import Any

import pytest
from test_report_page import CONTRACT

from lepton_hw.compiler.graph import Graph, Kernel, Pin
from lepton_hw.design import Edge
from lepton_hw.reporting import drawing, facts, words


def _kernel(name: str, inputs: str, outputs: str) -> Kernel:
    pins = [tuple(Pin(port=t, tensor=t) for t in tensors) for tensors in (inputs, outputs)]
    return Kernel(
        name=name, op=name, module=name, files=(), library=(), inputs=pins[0], outputs=pins[1]
    )


def _graph(*rows: tuple[str, str, str]) -> Graph:
    kernels = tuple(_kernel(*row) for row in rows)
    tensors = sorted({t for _, ins, outs in rows for t in ins + outs})
    makers = {t: name for name, _, outs in rows for t in outs}
    takers = {t: name for name, ins, _ in rows for t in ins}
    edges = tuple(
        Edge(
            tensor=t, producer=makers.get(t, ""), consumer=takers.get(t, ""), dtype="UINT8",
            bits=8, width=8, shape=(1,), folded_shape=(1, 1),
        )
        for t in tensors
    )  # fmt: skip
    inputs = tuple(t for t in tensors if t not in makers)
    outputs = tuple(t for t in tensors if t not in takers)
    return Graph(kernels=kernels, edges=edges, inputs=inputs, outputs=outputs)


def test_edges_skip_fifos_and_keep_branches() -> None:
    graph = _graph(
        ("fifo0", "a", "b"), ("Fork", "b", "cd"), ("fifo1", "c", "e"), ("fifo2", "e", "f"),
        ("Conv", "f", "g"), ("Add", "gd", "h"), ("fifo3", "h", "i"),
    )  # fmt: skip
    assert facts.layer_edges(graph, ["Fork", "Conv", "Add"]) == (
        ("", "Fork"), ("Fork", "Conv"), ("Fork", "Add"), ("Conv", "Add"), ("Add", ""),
    )  # fmt: skip


def _corners(svg: str) -> list[tuple[int, int]]:
    return [(int(x), int(y)) for x, y in re.findall(r'<rect x="(\d+)" y="(\d+)"', svg)]


def test_the_drawing_wraps_and_keeps_boxes_apart() -> None:
    names = ["in", "fork", "left", "right", "join", "out"]
    boxes = [drawing.Box(name, (name, "<8>"), "compute", name == "left") for name in names]
    edges = [("in", "fork"), ("fork", "left"), ("fork", "right"), ("left", "join"),
             ("right", "join"), ("fork", "join"), ("join", "out")]  # fmt: skip
    svg = drawing.draw(boxes, edges, 3, "A & B")
    corners = dict(zip(names, _corners(svg), strict=True))
    assert corners["left"][0] == corners["right"][0] > corners["fork"][0]
    assert corners["right"][1] >= corners["left"][1] + drawing.HIGH
    assert corners["join"][1] > corners["right"][1] + drawing.HIGH  # the fourth: a new row
    assert corners["join"][0] == corners["in"][0]
    assert svg.count('class="wire"') == len(edges)
    assert svg.count("marked") == 1
    assert "&lt;8&gt;" in svg
    width, height = map(int, re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0])
    assert all(x + drawing.WIDE < width and y + drawing.HIGH < height for x, y in corners.values())


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"op": "quantise", "scale": 0.0625, "dtype": "INT4"},
         "quantise: round(value / 0.0625) to INT4"),
        ({"op": "mul", "value": [0.1, 0.2, 0.3, 0.4, 0.5]},
         "mul (value 0.1, 0.2, 0.3, 0.4, … (5 values))"),
        ({"op": "decode", "mode": "CMYK"}, "decode (mode CMYK)"),
        ({"op": "flatten"}, "flatten"),
    ],
)  # fmt: skip
def test_host_steps_in_words(step: dict[str, Any], said: str) -> None:
    contract = CONTRACT.model_copy(update={"host_before": (step,)})
    assert words.before(contract) == [said]


def test_names_in_words() -> None:
    assert words.short("ConvolutionInputGenerator_rtl_0") == "ConvolutionInputGenerator_0"
    assert words.short("my_rtlish_rtl_12") == "my_rtlish_12"
    assert words.shape((1, 8, 8, 16)) == "8×8×16"
    assert words.shape((10,)) == "10"
    assert words.operator("Strange") == "Strange"
