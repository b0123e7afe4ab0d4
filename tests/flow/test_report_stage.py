"""The report stage on artifacts made by hand: what it takes from which artifact."""

import json
from pathlib import Path
from typing import Any

import pytest

from lepton_hw.artifacts import Artifact, load, save
from lepton_hw.board import known_boards, load_board
from lepton_hw.certificate import Agreement, Certificate, LayerCheck
from lepton_hw.compiler.graph import Graph, Kernel, Pin
from lepton_hw.contract import InputContract, Port
from lepton_hw.design import Design, Edge, Node
from lepton_hw.errors import StageError
from lepton_hw.flow import Flow
from lepton_hw.stages import report
from lepton_hw.stages.certify import Certified
from lepton_hw.stages.compile import Compiled, Layer
from lepton_hw.stages.export import Exported
from lepton_hw.stages.simulate import Simulated
from lepton_hw.stages.stitch import Stitched

CONTRACT = InputContract(
    input=Port(name="a", dtype="UINT8", shape=(4,), layout="NC"),
    output=Port(name="c", dtype="INT8", shape=(4,), layout="NC"),
)
COUNTERS: dict[str, Any] = {
    "cycles": 900,
    "frames": 10,
    "streams": {"s_axis_0": {"beats": 40, "blocked": 3, "starved": 2}},
    "fifos": {"Fifo": {"depth": 8, "max_fill": 3, "mean_fill": 1.5, "fill": 0}},
    "nodes": {"MVAU_rtl_0": {"busy": 777, "moving": 801}},
}


def _edge(tensor: str, producer: str, consumer: str) -> Edge:
    return Edge(
        tensor=tensor, producer=producer, consumer=consumer, dtype="UINT8", bits=8, width=8,
        shape=(1, 4), folded_shape=(1, 4, 1),
    )  # fmt: skip


def _kernel(name: str, op: str, source: str, sink: str) -> Kernel:
    pins = (Pin(port="in0_V", tensor=source),), (Pin(port="out0_V", tensor=sink),)
    return Kernel(
        name=name, op=op, module=name, files=(), library=(), inputs=pins[0], outputs=pins[1]
    )


def _keep(artifact: Artifact, folder: Path, files: dict[str, str]) -> Any:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    save(artifact, folder, "key", 0.0)
    return load(type(artifact), folder)


def _artifacts(folder: Path, counters: dict[str, Any]) -> tuple[Any, ...]:
    layer = Layer(
        name="MVAU_rtl_0", op="MVAU", shape=(1, 4), input_type="UINT8", output_type="INT8",
        folding={"PE": 2, "SIMD": 4}, parameters=16, cycles=70, lut=300, bram18=3, uram=0, dsp=5,
    )  # fmt: skip
    compiled = Compiled(
        contract=CONTRACT, layers=(layer,), bottleneck="MVAU_rtl_0", cycles=70, latency_cycles=99,
        interval=75.0, lut=345, bram36=2, uram=0, dsp=5, fifo_bits=64,
    )  # fmt: skip
    graph = Graph(
        kernels=(
            _kernel("MVAU_rtl_0", "MVAU_rtl", "a", "b"),
            _kernel("Fifo", "StreamingFIFO_rtl", "b", "c"),
        ),
        edges=(
            _edge("a", "", "MVAU_rtl_0"),
            _edge("b", "MVAU_rtl_0", "Fifo"),
            _edge("c", "Fifo", ""),
        ),
        inputs=("a",),
        outputs=("c",),
    )
    fifo = Node(
        name="Fifo", op="StreamingFIFO_rtl", module="Fifo", inputs=("b",), outputs=("c",), depth=8
    )
    design = Design(
        top="design", sources=(), data_files=(), inputs=("a",), outputs=("c",), streams=(),
        nodes=(fifo,),
    )  # fmt: skip
    certificate = Certificate(
        exact=True,
        reference="qonnx",
        executors={name: Agreement(vectors=10, mismatches=0) for name in ("qonnx", "finn", "rtl")},
        layers=LayerCheck(frames=4, streams=2, exact=True),
        first_divergence=None,
        cycles_per_frame=80,
        digests={"model": "a1" * 32},
        input_contract=CONTRACT,
        versions={},
    )
    exported = Exported.model_construct(contract=CONTRACT)
    simulated = Simulated(
        images=10, cycles=900, cycles_per_frame=80, latency_cycles=123, cycles_per_second=5e5,
        build_seconds=1.0,
    )  # fmt: skip
    return (
        exported,
        _keep(compiled, folder / "compile", {"graph.json": graph.model_dump_json()}),
        _keep(
            Stitched(rtl_digest="d", kernels=2, streams=3),
            folder / "stitch",
            {"design.json": design.model_dump_json()},
        ),
        _keep(simulated, folder / "simulate", {"streams.json": json.dumps(counters)}),
        Certified(certificate=certificate),
    )


def _run(folder: Path, counters: dict[str, Any]) -> report.Reported:
    board = load_board(known_boards()[0]).model_copy(update={"clock": 100.0})
    flow = Flow(name="own", model_file="any.onnx", compile={"target_fps": 10})  # type: ignore[arg-type]
    return report.run(flow, board, None, *_artifacts(folder, counters), folder)


def test_one_file_with_the_figures_of_every_artifact(tmp_path: Path) -> None:
    done = _run(tmp_path, COUNTERS)
    page = (tmp_path / report.FILE).read_text()
    assert done.bytes == len(page.encode()) < 1_000_000
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [report.FILE]
    plain = page.replace("\u00a0", " ")
    for figure in (
        "Bit-exact: 10 of 10 random vectors",
        "1,250,000",  # frames/s: 100 MHz / 80 cycles
        "1.2 µs",  # 123 cycles
        "<td>78</td><td>70</td>",  # 777 busy cycles in 10 frames, against the estimate
        "<td>300</td><td>1.5</td><td>5</td>",  # the layer's LUT, 3 BRAMs of 18 kbit, DSP
        "<td>45</td><td>0.5</td><td>0</td>",  # what is left for FIFOs and width converters
        "14.3 % more than the 70 cycles",  # 80 / 70
        "3 / 8",  # FIFO occupancy
    ):
        assert figure in plain, figure


def test_counters_of_another_design_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no counters of layer MVAU_rtl_0"):
        _run(tmp_path, {**COUNTERS, "nodes": {}})
    assert not (tmp_path / report.FILE).exists()


def test_counters_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"streams\.json .* cannot be used .*'lepton simulate'"):
        _run(tmp_path, {**COUNTERS, "fifos": {"Fifo": {"depth": 8}}})
