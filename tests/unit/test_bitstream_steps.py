"""Seeds of place and route in the background, and the programs that they run."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from lepton_hw.bitstreams.steps import Seeds, require_room
from lepton_hw.board import load_board
from lepton_hw.errors import StageError
from lepton_hw.tools import programs
from lepton_hw.tools.families import Cells


def refused(what: str) -> StageError:
    return StageError(what, "a route", "fold more")


def test_the_first_seed_that_is_enough_ends_the_others(tmp_path: Path) -> None:
    """Whichever is done first: equal calls give equal results."""

    def run(seed: int) -> int:
        if seed == 3:
            programs.run(["sleep", "60"], tmp_path, tmp_path / "log")
        time.sleep(0.3 if seed == 1 else 0.0)
        return seed

    start = time.monotonic()
    with Seeds(run, (1, 2, 3, 4, 5), enough=lambda seed: seed in (2, 3)) as seeds:
        assert seeds.results() == [1, 2]
    assert time.monotonic() - start < 10


def test_seeds_that_fail_are_left_out() -> None:
    def run(seed: int) -> int:
        if seed % 2:
            raise refused(f"seed {seed}")
        return seed

    with Seeds(run, (1, 2, 3, 4), enough=lambda _: False) as seeds:
        assert seeds.results() == [2, 4]
    with Seeds(run, (3, 1), enough=lambda _: False) as seeds, pytest.raises(StageError, match="3"):
        seeds.results()


@pytest.mark.parametrize("kind", [StageError, KeyboardInterrupt])
def test_leaving_early_ends_the_programs(tmp_path: Path, kind: type[BaseException]) -> None:
    started = threading.Event()
    ended: list[int] = []

    def run(seed: int) -> int:
        started.set()
        ended.append(programs.run(["sleep", "60"], tmp_path, tmp_path / f"log{seed}")[0])
        return seed

    start = time.monotonic()
    problem = refused("the proof failed") if kind is StageError else KeyboardInterrupt()
    with pytest.raises(kind), Seeds(run, (1, 2, 3), enough=lambda _: False):
        assert started.wait(10)
        raise problem
    assert time.monotonic() - start < 10
    assert set(ended) == {-15}
    assert len(ended) <= 2  # the third never began


def test_what_a_program_says_is_in_the_log_as_it_goes(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    assert programs.run(["sh", "-c", "echo one; echo two >&2; exit 3"], tmp_path, log) == (
        3, "one\ntwo\n"
    )  # fmt: skip
    assert log.read_text() == "before\n$ sh -c echo one; echo two >&2; exit 3\none\ntwo\n"
    with pytest.raises(OSError, match="No such file"):
        programs.run(["/no/such/program"], tmp_path, log)


def test_room() -> None:
    board = load_board("pynq_z2")
    request = SimpleNamespace(board=board, cycles_per_frame=1_000)
    require_room(request, Cells(lut=53_200, ff=106_400, bram18=280, dsp=0, carry=0))  # type: ignore[arg-type]
    with pytest.raises(StageError) as problem:
        require_room(request, Cells(lut=60_000, ff=1, bram18=560, dsp=0, carry=0))  # type: ignore[arg-type]
    assert str(problem.value) == (
        "the synthesised design needs 280 bram36; expected at most 140, which TUL PYNQ-Z2 has;"
        " lower compile.target_fps to about 45,000, or choose a larger board."
    )
