"""The search for shallower FIFOs and FINN's rule, on designs that are only pretended."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from lepton_hw.compiler import fifo_search
from lepton_hw.compiler.fifo_search import CHEAP, Trials, shrink
from lepton_hw.compiler.finn_fifos import rounded
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
