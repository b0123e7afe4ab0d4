"""The search for shallower FIFOs and FINN's rule, on designs that are only pretended."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lepton_hw.compiler import fifo_search, fifo_sizing
from lepton_hw.compiler.fifo_search import CHEAP, Trials, shrink
from lepton_hw.compiler.fifo_sizing import Limits, size_fifos
from lepton_hw.compiler.finn_fifos import rounded
from lepton_hw.compiler.graph import Graph, Kernel, Pin
from lepton_hw.design import Edge
from lepton_hw.progress import SILENT, TimeLimit, TimeUp
from lepton_hw.sim.deadlock import Deadlock
from lepton_hw.sim.gauges import needed
from lepton_hw.sim.result import FifoStats


@dataclass
class Result:
    """What the search reads of a simulation."""

    cycles: int
    cycles_per_frame: float
    fifos: dict[str, FifoStats]


@dataclass
class Pretended:
    """Keeps the pace of 100 cycles a frame while every FIFO has its least depth; `stops` if not.

    Each FIFO is filled as far as its depth lets it, at most as far as `fills` says.
    """

    least: dict[str, int]
    fills: dict[str, int] = field(default_factory=dict)
    stops: bool = False
    tried: list[dict[str, int]] = field(default_factory=list)

    def run(self, batch: Any, depths: dict[str, int], **_: Any) -> Result:
        self.tried.append(dict(depths))
        slow = any(depths[name] < least for name, least in self.least.items())
        if slow and self.stops:
            raise Deadlock("why", "blocked", (), 50)
        fifos = {
            name: FifoStats(depth, min(depth, self.fills.get(name, depth)), 0.0, 0)
            for name, depth in depths.items()
        }
        return Result(400, 101.0 if slow else 100.0, fifos)


def search(design: Pretended, depths: dict[str, int]) -> dict[str, int]:
    trials = Trials(design, {}, 100.0, 400, depths, SILENT)  # type: ignore[arg-type]
    shrink(trials, dict.fromkeys(depths, 8))
    return trials.best


@pytest.mark.parametrize("stops", [False, True])
def test_only_what_is_needed_stays_deep(stops: bool) -> None:
    depths = {"a": 2000, "b": 1500, "c": 900, "d": 600, "e": 10}
    found = search(Pretended({"b": 1400}, stops=stops), depths)
    assert found == {"a": CHEAP, "b": 1500, "c": CHEAP, "d": CHEAP, "e": 10}


def test_what_is_left_is_halved() -> None:
    assert search(Pretended({"b": 700}), {"a": 400, "b": 1500}) == {"a": CHEAP, "b": 750}


def test_a_good_run_bounds_every_depth_by_what_it_filled() -> None:
    found = search(Pretended({}, fills={"a": 7}), {"a": 2000, "b": 20})
    assert found == {"a": needed(7), "b": 20}


def test_the_search_ends_with_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fifo_search, "SEARCH_CYCLES", 1000)
    design = Pretended({"a": 2000, "b": 1500})
    assert search(design, {"a": 2000, "b": 1500}) == {"a": 2000, "b": 1500}
    assert len(design.tried) == 2  # a third of 400 cycles would be beyond


@pytest.mark.parametrize(
    ("fill", "depth"), [(0, 2), (2, 2), (3, 32), (33, 33), (256, 256), (257, 512), (4096, 4096)]
)
def test_finns_rule(fill: int, depth: int) -> None:
    assert rounded(fill) == depth


def test_a_time_limit_ends_work_where_it_reports() -> None:
    with TimeLimit(SILENT, None).task("work", 1) as task:
        task.advance()
    short = TimeLimit(SILENT, 1e-9)
    with pytest.raises(TimeUp), short.task("work", 1):
        pass


@pytest.mark.parametrize(("limit", "depths"), [(None, [2, 40]), (8, [2, 8])])
def test_without_time_a_fifo_holds_a_frame_and_no_less_than_finn_builds(
    limit: int | None, depths: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame of one beat behind a layer that is not folded, and one of forty."""
    monkeypatch.setattr(fifo_sizing, "stitch", lambda *_: None)
    monkeypatch.setattr(fifo_sizing, "GaugedDesign", lambda *_: None)
    edges = [stream("one", 1), stream("many", 40)]
    graph = Graph(kernels=tuple(map(fifo, edges)), edges=tuple(edges), inputs=(), outputs=())
    hasty = Limits(depth=limit, seconds=1e-9)
    found = size_fifos(graph, tmp_path, tmp_path / "scratch", lambda *_: graph, hasty)
    assert found.timed_out
    assert list(found.depths.values()) == depths


def stream(tensor: str, beats: int) -> Edge:
    return Edge(
        tensor=tensor, producer="", consumer="", dtype="UINT8", bits=8, width=8,
        shape=(1, beats), folded_shape=(1, beats, 1),
    )  # fmt: skip


def fifo(edge: Edge) -> Kernel:
    pin = Pin(port="out0_V", tensor=edge.tensor)
    return Kernel(
        name=f"fifo_{edge.tensor}", op="StreamingFIFO_rtl", module="fifo", files=(), library=(),
        inputs=(), outputs=(pin,), depth=2,
    )  # fmt: skip
