"""The report's page, from facts made by hand: what it says, and that nothing breaks out of it."""

import dataclasses
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from lepton_hw.board import Board, known_boards, load_board
from lepton_hw.certificate import Agreement, Certificate, Divergence, LayerCheck
from lepton_hw.contract import InputContract, Port
from lepton_hw.errors import StageError
from lepton_hw.flow import Flow
from lepton_hw.reporting import facts
from lepton_hw.reporting.facts import Built, Counters, Facts, FifoFacts, LayerFacts, Training, Use
from lepton_hw.reporting.page import render
from lepton_hw.sim.result import NodeStats
from lepton_hw.training.metrics import ClassMetrics, Metrics

CONTRACT = InputContract(
    input=Port(name="in", dtype="UINT8", shape=(8, 8, 1), layout="NHWC"),
    output=Port(name="out", dtype="INT16", shape=(2,), layout="NC", scale=(0.25,), bias=(-1.0,)),
    host_before=({"op": "decode", "mode": "L"}, {"op": "resize", "width": 8, "height": 6}),
    host_after=("argmax",),
)
FLOW: dict[str, Any] = {
    "name": "tiny",
    "title": "Tiny network",
    "data": {"set": "digits", "augment": ({"op": "rotate", "degrees": 10.0},)},
    "model": {"name": "cnn_small", "weight_bits": 4, "act_bits": 3},
    "train": {"epochs": 2, "seed": 7},
    "compile": {"target_fps": 1000},
}


def board() -> Board:
    """Any board, at 100 MHz, so that cycles are easy to convert."""
    return load_board(known_boards()[0]).model_copy(update={"clock": 100.0})


def layer(name: str, op: str, cycles_rtl: float, cycles: int) -> LayerFacts:
    return LayerFacts(
        name, op, (1, 8, 8, 16), "UINT8", "INT14", 1, 9, 144, cycles_rtl, cycles, 70, 0.5, 0, 9
    )


def certificate(mismatches: int = 0) -> Certificate:
    first = Divergence(
        executor="rtl", reference="finn", layer="MVAU_rtl_0", op="MVAU", frame=3, index=(0, 1),
        expected=-4, got=7,
    )  # fmt: skip
    return Certificate(
        exact=not mismatches,
        reference="torch",
        executors={
            "torch": Agreement(vectors=5, mismatches=0),
            "rtl": Agreement(vectors=5, mismatches=mismatches),
        },
        layers=LayerCheck(frames=4, streams=9, exact=not mismatches),
        first_divergence=first if mismatches else None,
        cycles_per_frame=1100,
        digests={"model": "a1" * 32, "rtl": "b2" * 32, "vectors": "c3" * 32},
        input_contract=CONTRACT,
        versions={"torch": "2.13.0"},
    )


def training(names: tuple[str, ...] = ("cat", "dog")) -> Training:
    size = len(names)
    rows = tuple(ClassMetrics(name=n, precision=0.9, recall=0.8, f1=0.85, support=5) for n in names)
    confusion = tuple(tuple(4 if i == j else int(j == 0) for j in range(size)) for i in range(size))
    metrics = Metrics(
        accuracy=0.9, precision=0.9, recall=0.8, f1=0.85, classes=rows, confusion=confusion
    )
    epoch = {"loss": 1.5, "train_accuracy": 0.5, "accuracy": 0.6}
    return Training(metrics, (epoch, {**epoch, "loss": 0.01}), 1234)


def some_facts(**changes: Any) -> Facts:
    whole = Facts(
        flow=Flow.model_validate(FLOW),
        board=board(),
        training=training(),
        contract=CONTRACT,
        certificate=certificate(),
        layers=(
            layer("FMPadding_rtl_0", "FMPadding", 100, 100),
            layer("MVAU_rtl_0", "MVAU", 1034, 1000),
        ),
        edges=(("", "FMPadding_rtl_0"), ("FMPadding_rtl_0", "MVAU_rtl_0"), ("MVAU_rtl_0", "")),
        uses=(Use("LUT", 500, 1000), Use("BRAM36", 90, 100), Use("DSP", 18, 220)),
        fifos=(FifoFacts("StreamingFIFO_rtl_0", "MVAU_rtl_0", 4, 5, 3.5),),
        images=5,
        cycles_rtl=1100,
        latency_rtl=2608,
        best_rtl=1050.0,
        cycles=1000,
        latency_estimate=3000,
        bottleneck_estimate="MVAU_rtl_0",
        fifo_bits=32,
        kernels=4,
        sim_rate=500_000.0,
        version="0.1.0",
    )
    return dataclasses.replace(whole, **changes)


class _Text(HTMLParser):
    """Collects the visible text and the tags; refuses tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br", "rect", "path", "use"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("path", "rect", "use"):
            return
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).replace("\u00a0", " ").split())


def text_of(**changes: Any) -> str:
    return _Text(render(some_facts(**changes))).text


def test_the_headline_says_what_was_proven_and_how_fast() -> None:
    text = text_of()
    for sentence in (
        "Bit-exact: 5 of 5 images in PyTorch, RTL: every output integer is equal.",
        "90.00 % accuracy PyTorch, 10 held-out images",
        "90,909 frames/s RTL at 100 MHz",  # 100 MHz / 1100 cycles
        "26.1 µs latency, first frame RTL",  # 2608 cycles
        "MVAU_0 slowest layer RTL 1,034 cycles a frame",
        "Fits fullest: BRAM36, 90 % estimate",
        "That is 10.0 % more than the 1,000 cycles of the slowest layer estimate ( MVAU_0 ).",
        "With FIFOs of any depth it would take 1,050 RTL .",
    ):
        assert sentence.replace(" ", "") in text.replace(" ", ""), sentence


def some_bitstream() -> Built:
    return Built(
        toolchain="open", clock=50.0, achieved=56.25, seed=2,
        uses=(Use("LUT", 1_234_567, 2_000_000), Use("BRAM36", 3.5, 140)), netlist=3, features=1000,
        untimed={"PS7": 1}, slack={}, power={}, power_corner="", seconds={"synthesis": 12.5},
        tools={"nextpnr": "0.11"},
    )  # fmt: skip


def test_with_a_bitstream_its_clock_and_resources_count() -> None:
    text = text_of(built=some_bitstream())
    assert "45,455 frames/s" in text  # 50 MHz / 1,100 cycles
    assert "52.2 µs latency" in text
    assert "at 50 MHz placed" in text
    assert "fullest: LUT, 62 % placed" in text
    assert "Bit-exact: 5 of 5 images" in text  # the netlist ran fewer, and is not in the headline
    assert "Netlist, synthesised 3 0" in text
    assert "50 MHz; place and route reaches 56.25 of 100 asked with seed 2" in text
    assert "all 1,000 features" in text
    assert "pins of 1 PS7: the clock is optimistic" in text
    assert "1,234,567 of 2,000,000" in render(some_facts(built=some_bitstream()))
    plain = text_of()
    assert "placed" not in plain
    assert "Bitstream" not in plain


def test_deeper_fifos_are_named_only_where_they_would_help() -> None:
    assert "With FIFOs of any depth" in text_of(best_rtl=1000.0)
    assert "With FIFOs of any depth" not in text_of(best_rtl=1102.0)


def test_the_contract_is_told_in_words() -> None:
    text = text_of()
    assert "decode (grey, 8 bits a pixel); then resize to 8×6, bilinear" in text
    assert "UINT8, integers from 0 to 255; 8×8×1 (height × width × channels, order NHWC)" in text
    assert "INT16, integers from −32,768 to 32,767; 2 values a frame" in text
    assert "a code c stands for 0.25 · c − 1" in text
    assert "take the index of the largest output as the class" in text


def test_a_divergence_is_the_first_thing_said() -> None:
    text = text_of(certificate=certificate(2))
    assert "NO, not bit-exact: 3 of 5 images agree at the output, in PyTorch, RTL." in text
    assert "9 streams of the RTL were compared with FINN's graph on the first 4 images" in text
    assert "RTL and FINN graph first differ in vector 3 at the output of layer MVAU_rtl_0" in text
    assert "RTL has 7, expected -4." in text
    assert "Bit-exact:" not in text
    assert "All executors were given the same input integers" in text
    assert "same classes" not in text


def test_a_design_that_is_too_large_is_not_called_fitting() -> None:
    uses = (Use("LUT", 500, 1000), Use("BRAM36", 1, 100), Use("DSP", 230, 220))
    assert "Does not fit fullest: DSP, 105 %" in text_of(uses=uses)


def test_a_model_from_elsewhere_has_no_accuracy() -> None:
    flow = Flow(name="own", model_file="any.onnx", compile={"target_fps": 10})  # type: ignore[arg-type]
    text = text_of(training=None, flow=flow)
    assert "Bit-exact: 5 of 5 random vectors" in text
    assert "QONNX file any.onnx" in text
    assert "ccuracy" not in text


def test_nothing_from_outside_becomes_markup() -> None:
    evil = "<script>alert('x')</script> & $x_1$"
    flow = Flow.model_validate({**FLOW, "title": evil})
    page = render(some_facts(flow=flow, training=training((evil, "ok"))))
    parsed = _Text(page)
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert parsed.text.count(evil) >= 3


def test_the_file_needs_no_network_and_its_ids_are_unique() -> None:
    page = render(some_facts(built=some_bitstream()))
    parsed = _Text(page)
    links = [v for _, a in parsed.tags for k, v in a.items() if k in ("href", "src", "xlink:href")]
    assert all(str(link).startswith("#") for link in links)
    assert "@import" not in page
    assert set(re.findall(r"url\((.)", page)) <= {"#"}
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {str(link)[1:] for link in links} <= set(ids)


def test_the_same_facts_give_the_same_bytes() -> None:
    import matplotlib as mpl

    first = render(some_facts())
    with mpl.rc_context({"font.size": 30.0, "axes.grid": False}):
        assert render(some_facts()) == first


def test_many_classes_stay_readable() -> None:
    names = tuple(f"class {n}" for n in range(200))
    text = text_of(training=training(names))
    assert "The 20 of 200 classes with the lowest F1." in text
    assert "true class" not in text  # the matrix, which nobody could read
    assert len(render(some_facts(training=training(names[:64])))) < 1_000_000


def test_the_slowest_of_equals_is_finns() -> None:
    layers = (layer("A_rtl_0", "MVAU", 1001, 990), layer("B_rtl_0", "MVAU", 1000, 1000))
    found = some_facts(layers=layers, bottleneck_estimate="B_rtl_0")
    assert (found.slowest.name, len(found.as_slow)) == ("B_rtl_0", 2)
    found = some_facts(layers=(*layers, layer("C_rtl_0", "MVAU", 1200, 5)))
    assert (found.slowest.name, len(found.as_slow)) == ("C_rtl_0", 1)


def test_work_is_the_smaller_count_and_a_missing_layer_is_refused() -> None:
    nodes = {"A": NodeStats(busy=1000, moving=700), "B": NodeStats(busy=300, moving=700)}
    counters = Counters(cycles=2000, frames=10, streams={}, fifos={}, nodes=nodes)
    assert [facts.work_cycles(counters, name) for name in "AB"] == [70, 30]
    with pytest.raises(StageError, match="no counters of layer C"):
        facts.work_cycles(counters, "C")
