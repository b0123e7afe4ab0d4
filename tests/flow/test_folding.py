"""The folding search: goals, budgets, LUTs or DSPs, and files with the names of others."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.board import LUT4_PER_LUT6, load_board
from lepton_hw.compiler import folding_options
from lepton_hw.compiler.compile import specialize
from lepton_hw.compiler.folding import Choices, Folding, Goal, choices, price, search
from lepton_hw.compiler.folding_costs import stream_cost
from lepton_hw.compiler.folding_latency import modelled_latency
from lepton_hw.compiler.folding_options import Option, Stream
from lepton_hw.compiler.folding_program import Problem, pick
from lepton_hw.compiler.folding_published import own_folding
from lepton_hw.compiler.folding_timing_of import Layer, layer_of, layers_of
from lepton_hw.compiler.steps import FinnSteps
from lepton_hw.compiler.world import finn_world
from lepton_hw.errors import InputError, StageError

from .conftest import Built

BOARD = load_board("pynq_z2")
EVERYTHING = {"lut": 1e9, "bram18": 1e9, "uram": 0.0, "dsp": 1e9}


@pytest.fixture(scope="module")
def graph(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelWrapper]:
    """The digits CNN with its kernels chosen, not folded."""
    folder = tmp_path_factory.mktemp("folding")
    with finn_world(folder / "scratch", folder / "finn.log"):
        steps = FinnSteps(BOARD, folder, folder / "finn.log")
        model, _ = steps.front(ModelWrapper(str(built.exported.path("model.onnx"))))
        yield specialize(steps, model)


@pytest.fixture(scope="module")
def among(graph: ModelWrapper) -> Choices:
    return choices(graph, BOARD)


def within(cost: dict[str, float], budget: dict[str, float]) -> bool:
    return all(cost[name] <= budget[name] + 1e-6 for name in budget)


def test_faster_costs_more_and_the_goal_is_met(graph: ModelWrapper, among: Choices) -> None:
    found = [search(graph, BOARD, Goal(cycles), among=among) for cycles in (500, 2000, 20000)]
    assert all(one.cycles <= goal for one, goal in zip(found, (500, 2000, 20000), strict=True))
    shares = [one.cost["lut"] / 53200 + one.cost["dsp"] / 220 for one in found]
    assert shares == sorted(shares, reverse=True)


def test_a_rate_needs_the_timing_of_the_chosen_alone(
    graph: ModelWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes as long as all else of an option. What is read later leaves the graph as it is."""
    before = graph.model.SerializeToString()
    asked: list[str] = []

    def counted(model: ModelWrapper, op: Any) -> Layer:
        asked.append(op.onnx_node.name)
        return layer_of(model, op)

    monkeypatch.setattr(folding_options, "layer_of", counted)
    among = choices(graph, BOARD)
    assert asked == []
    search(graph, BOARD, Goal(2000), among=among)
    assert sorted(asked) == sorted(node.name for node in graph.graph.node)
    for option in (options[-1] for options in among.groups):
        folded = copy.deepcopy(graph)
        for name, attributes in option.attributes.items():
            op = getCustomOp(folded.get_node_from_name(name))
            for key, value in attributes.items():
                op.set_nodeattr(key, value)
        again = {name: layers_of(folded)[name] for name in option.attributes}
        if not any(
            node.op_type.startswith("MVAU") and node.name in again for node in graph.graph.node
        ):  # whose weights change their type, too
            assert option.layers == again
    assert graph.model.SerializeToString() == before


def test_the_graph_then_costs_what_the_search_said(graph: ModelWrapper, among: Choices) -> None:
    """No attribute that the search counts with is left out of its answer."""
    found = search(graph, BOARD, Goal(1024), among=among)
    model = copy.deepcopy(graph)
    for node in model.graph.node:
        for key, value in found.attributes.get(node.name, {}).items():
            getCustomOp(node).set_nodeattr(key, value)
    priced = price(model, BOARD)
    assert priced.cycles == found.cycles
    # The types of weights follow in FINN's step that minimises them.
    assert priced.cost["dsp"] == found.cost["dsp"]
    assert priced.cost["lut"] == pytest.approx(found.cost["lut"], rel=0.3)


@pytest.mark.parametrize("resource", ["lut", "bram18"])
def test_a_budget_is_kept(graph: ModelWrapper, among: Choices, resource: str) -> None:
    """As fast as with everything, or slower, but never above the budget."""
    free = search(graph, BOARD, Goal(1024), among=among)
    budget = {**EVERYTHING, resource: 0.7 * free.cost[resource]}
    found = search(graph, BOARD, Goal(), budget=budget, among=among)
    assert found.fits
    assert within(found.cost, budget)
    more = search(graph, BOARD, Goal(), budget=EVERYTHING, among=among)
    assert more.cycles <= found.cycles


def test_what_runs_out_is_replaced(graph: ModelWrapper, among: Choices) -> None:
    """Without DSPs the same speed is reached in LUTs."""
    found = search(graph, BOARD, Goal(1024), budget={**EVERYTHING, "dsp": 0.0}, among=among)
    assert (found.fits, found.cost["dsp"]) == (True, 0.0)
    assert found.cycles <= 1024
    used = {a["resType"] for a in found.attributes.values() if "resType" in a}
    assert used == {"lut"}


def test_a_layer_may_be_given(graph: ModelWrapper, among: Choices) -> None:
    given = {"MVAU_rtl_1": {"PE": 2, "SIMD": 1}}
    found = search(graph, BOARD, Goal(), fixed=given, among=among)
    assert (found.attributes["MVAU_rtl_1"]["PE"], found.attributes["MVAU_rtl_1"]["SIMD"]) == (2, 1)
    alone = next(
        option
        for group in among.groups
        for option in group
        if option.attributes.get("MVAU_rtl_1", {}).items() >= given["MVAU_rtl_1"].items()
    )
    assert found.cycles == alone.cycles  # the others keep up, and no more than that


def test_no_folding_is_fast_enough(graph: ModelWrapper, among: Choices) -> None:
    with pytest.raises(StageError, match=r"layer \w+ needs at least [\d,]+ cycles a frame"):
        search(graph, BOARD, Goal(3), among=among)


def option(name: str, width: int, lut: float) -> Option:
    stream = Stream(width, width)
    return Option({name: {"PE": width}}, 10, (lut, 0.0, 0.0, 0.0), stream, stream)


def test_streams_between_layers_count() -> None:
    """Two layers of equal widths beat cheaper ones with a converter between them."""
    groups = [[option("a", 8, 100), option("a", 64, 110)], [option("b", 64, 100)]]
    problem = Problem(groups, [(0, 1)], (1e9, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0))
    chosen = pick(problem, 10, bounded=True)
    assert chosen is not None
    assert [o.stream_out.width for o in chosen] == [64, 64]
    assert stream_cost(64, 64)[0] < stream_cost(8, 64)[0] < stream_cost(24, 64)[0]


def test_nothing_fits_or_is_fast_enough() -> None:
    problem = Problem([[option("a", 8, 100)]], [], (99.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0))
    assert pick(problem, 10, bounded=True) is None
    assert pick(problem, 9, bounded=False) is None
    assert pick(problem, 10, bounded=False) is not None


def translated(graph: ModelWrapper, tmp_path: Path, table: object) -> tuple[Path, list[str]]:
    """The file that is used in the place of this one, and what was said about it."""
    path, said = tmp_path / "published.json", list[str]()
    path.write_text(json.dumps(table))
    return own_folding(graph, BOARD, path, tmp_path / "own.json", said.append), said


def matrix_units(graph: ModelWrapper) -> list[str]:
    return [node.name for node in graph.graph.node if node.op_type.startswith("MVAU")]


@pytest.mark.parametrize("kind", ["MatrixVectorActivation", "StreamingFCLayer_Batch", "MVAU_hls"])
def test_layers_of_a_published_file_are_found(
    graph: ModelWrapper, tmp_path: Path, kind: str
) -> None:
    names = matrix_units(graph)
    table = {f"{kind}_{n}": {"PE": 2, "SIMD": 1, "ram_style": "auto"} for n in range(len(names))}
    path, said = translated(graph, tmp_path, {"LabelSelect_Batch_0": {"PE": 1}, **table})
    written = json.loads(path.read_text())
    assert path.name == "own.json"
    assert {(written[name]["PE"], written[name]["SIMD"]) for name in names} == {(2, 1)}
    assert set(written) == {"Defaults", *(node.name for node in graph.graph.node)}
    assert any("its LabelSelect layers are not those of this graph" in line for line in said)
    assert any(f"{len(names)} MVAU layers found by their order" in line for line in said)


def test_a_file_with_our_names_stays(graph: ModelWrapper, tmp_path: Path) -> None:
    path, said = translated(graph, tmp_path, {"Defaults": {}, "MVAU_rtl_0": {"PE": 2}})
    assert (path.name, said) == ("published.json", [])


def test_a_file_of_another_network(graph: ModelWrapper, tmp_path: Path) -> None:
    count = len(matrix_units(graph))
    with pytest.raises(InputError, match=rf"has 12 MVAU layers; expected {count}, as the network"):
        translated(graph, tmp_path, {"MatrixVectorActivation_11": {"PE": 1, "SIMD": 1}})
    table = {f"MVAU_hls_{n}": {"PE": 7, "SIMD": 1} for n in range(count)}
    with pytest.raises(InputError, match="sets PE of layer 'MVAU_hls_0' to 7; expected a divisor"):
        translated(graph, tmp_path, table)


def test_foldings_are_values(graph: ModelWrapper, among: Choices) -> None:
    """The same question has the same answer, and the graph is left as it was."""
    before = graph.model.SerializeToString()
    first, second = (search(graph, BOARD, Goal(2000), among=among) for _ in range(2))
    assert isinstance(first, Folding)
    assert first == second
    choices(graph, BOARD)
    assert graph.model.SerializeToString() == before


def test_a_board_without_dsp48_gets_units_of_luts_only(
    built: Built, tmp_path: Path, graph: ModelWrapper
) -> None:
    """The same network, whose 4-bit layers take DSPs elsewhere; its supply is in LUT6."""
    board = load_board("ulx3s")
    with finn_world(tmp_path / "scratch", tmp_path / "finn.log"):
        steps = FinnSteps(board, tmp_path, tmp_path / "finn.log")
        model, _ = steps.front(ModelWrapper(str(built.exported.path("model.onnx"))))
        ours = specialize(steps, model)
        among = choices(ours, board)
        found = search(ours, board, Goal(), among=among)
    assert len(matrix_units(ours)) == len(matrix_units(graph)) > 0
    options = [option for group in among.groups for option in group]
    assert {option.cost[3] for option in options} == {0.0}
    types = {a.get("resType") for o in options for a in o.attributes.values() if "resType" in a}
    assert types == {"lut"}
    assert found.fits
    assert found.cost["lut"] <= 0.75 * board.resources.lut / LUT4_PER_LUT6


#: Small enough a choice that a search for latency takes a second.
SOME = {f"MVAU_rtl_{n}": {"resType": "lut", "ram_style": "auto"} for n in range(3)}


@pytest.fixture(scope="module")
def quick(graph: ModelWrapper, among: Choices) -> Folding:
    """The least latency at 2,000 cycles a frame."""
    return search(graph, BOARD, Goal(2000, quick=True), fixed=SOME, among=among)


def test_the_least_latency_at_a_rate(graph: ModelWrapper, among: Choices, quick: Folding) -> None:
    """Within budget and rate; far below the cheapest of that rate, and as the graph then says."""
    cheap = search(graph, BOARD, Goal(2000), fixed=SOME, among=among)
    assert quick.fits
    assert quick.cycles <= 2000
    assert quick.latency < 0.5 * cheap.latency
    model = copy.deepcopy(graph)
    for node in model.graph.node:
        for key, value in quick.attributes[node.name].items():
            getCustomOp(node).set_nodeattr(key, value)
    assert modelled_latency(model) == pytest.approx(quick.latency, abs=5)  # types follow later


def test_a_latency_is_kept_and_costs(graph: ModelWrapper, among: Choices, quick: Folding) -> None:
    limit = 3 * quick.latency
    found = search(graph, BOARD, Goal(5000, limit), fixed=SOME, among=among)
    assert (found.fits, found.latency <= limit, found.cycles <= 5000) == (True, True, True)
    assert found.cost["lut"] < quick.cost["lut"]


def test_no_folding_is_quick_enough(graph: ModelWrapper, among: Choices) -> None:
    """The sentence names a latency that can be asked for."""
    given = {name: {"PE": 2, "SIMD": 1} for name in matrix_units(graph)}
    message = (
        r"one frame takes [\d,.]+ us by estimate at the quickest folding found that fits the "
        r"TUL PYNQ-Z2; expected at most 0.5 us for the target; "
        r"raise compile.target_latency_us to ([\d.]+)\."
    )
    with pytest.raises(StageError, match=message) as raised:
        search(graph, BOARD, Goal(latency=50), fixed=given, among=among)
    named = float(str(raised.value).rsplit(" ", 1)[1][:-1])
    again = Goal(latency=round(named * BOARD.clock))
    found = search(graph, BOARD, again, fixed=given, among=among)
    assert found.latency <= named * BOARD.clock
