"""The steps of a build with open tools, each done once, and what they share.

A step's result is kept by what went into it, so that a build that was killed goes on where it was,
and one with more seeds adds them. It knows nothing of what the steps do.
"""

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from numpy.typing import NDArray

from lepton_hw import artifacts
from lepton_hw.artifacts import Artifact
from lepton_hw.bitstreams.request import Request
from lepton_hw.bitstreams.seeds import Seeds
from lepton_hw.errors import StageError
from lepton_hw.sources import code_digest
from lepton_hw.tools import yosys
from lepton_hw.tools.families import Cells
from lepton_hw.tools.nextpnr_report import Run, best

A = TypeVar("A", bound=Artifact)
#: Beside the stage's folder, which is new in every run.
FOLDER = ".open"
LOGS = "logs"


class Synthesis(Artifact):
    """``netlist.json``, of these cells."""

    stage: ClassVar[str] = "synthesis"
    cells: Cells

    @property
    def netlist(self) -> Path:
        """The file that place and route reads."""
        return self.path(yosys.NETLIST)


class Proof(Artifact):
    """Of the vectors that went through a netlist, every integer was the one expected."""

    stage: ClassVar[str] = "netlist proof"
    vectors: int


class Steps:
    """What the steps of one build gave, in ``.open`` beside the stage's folder.

    `seconds` has what each took, also where that was in an earlier run. Logs are in ``.open/logs``,
    those of a step that failed, too.
    """

    def __init__(self, request: Request, maker: str, tools: Mapping[str, str]) -> None:
        """`maker` is the module whose code, and `tools` the programs whose version, is in use."""
        self.seconds: dict[str, float] = {}
        self._folder, self._request = request.workdir.parent / FOLDER, request
        self._base = {"code": code_digest(maker), "tools": dict(tools)}
        self._made: dict[str, tuple[Artifact, bool]] = {}
        self._lock = threading.Lock()

    def do(
        self, kind: type[A], name: str, values: Mapping[str, Any], make: Callable[[Path], A]
    ) -> A:
        """The result of a step, which is announced; see `keep`."""
        with self._request.progress.task(name, 1) as task:
            made = self.keep(kind, name, values, make)
            task.advance()
        self.tell(name)
        return made

    def keep(
        self, kind: type[A], name: str, values: Mapping[str, Any], make: Callable[[Path], A]
    ) -> A:
        """The result for these `values`: the one kept, else of `make` in an empty folder.

        `values` are all that the result depends on beside code and tools. May be called in threads.
        """
        key = artifacts.digest({"step": name, **self._base, **values})
        made, kept = artifacts.kept_or_made(kind, self._folder / _file_name(name), key, make)
        with self._lock:
            self._made[name] = made, kept
        return made

    def tell(self, name: str, note: str = "") -> None:
        """Announces a step that `keep` has done."""
        made, kept = self._made[name]
        self._say(name, made.seconds, f"{note}{', from an earlier run' if kept else ''}")

    @contextmanager
    def last(self, name: str) -> Iterator[None]:
        """A step that is not kept, since it makes what the stage is for."""
        with self._request.progress.task(name, 1) as task:
            start = time.monotonic()
            yield
            task.advance()
        self._say(name, time.monotonic() - start)

    def log(self, name: str) -> Path:
        """Where a step's log belongs."""
        place = self._folder / LOGS / f"{_file_name(name)}.log"
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def finish(self) -> None:
        """Copies the logs into the stage's folder, and forgets what this build did not use."""
        used = {_file_name(name) for name in self._made}
        (self._request.workdir / LOGS).mkdir()
        for path in sorted(self._folder.iterdir()):
            if path.name != LOGS and path.name not in used:
                shutil.rmtree(path, ignore_errors=True)
        for log in sorted((self._folder / LOGS).iterdir()):
            if log.stem in used:
                shutil.copyfile(log, self._request.workdir / LOGS / log.name)
            else:
                log.unlink()

    def _say(self, name: str, seconds: float, note: str = "") -> None:
        self.seconds[name] = round(seconds, 1)
        self._request.progress.say(f"  {name:<20}{seconds:.1f} s{note}")


def synthesis(steps: Steps, name: str, job: yosys.Job) -> Synthesis:
    """The netlist of a job, made or kept."""

    def make(folder: Path) -> Synthesis:
        made = yosys.synthesise(job, folder, steps.log(name))
        return Synthesis(cells=made.cells)

    return steps.do(Synthesis, name, {"job": job.digest}, make)


def proof(steps: Steps, request: Request, netlist: Synthesis, prove: Callable[[], int]) -> int:
    """How many vectors `prove` found exact in the netlist, now or in an earlier run."""
    values = {
        "netlist": netlist.digest,
        "design": request.design.model_dump(mode="json"),
        "vectors": [_array_digest(part) for part in request.vectors],
        "cycles": request.cycles_per_frame,
    }
    return steps.do(Proof, Proof.stage, values, lambda _: Proof(vectors=prove())).vectors


class Placed(Artifact):
    """One run of place and route, with the file that it made."""

    stage: ClassVar[str] = "placed"
    routed: Run


P = TypeVar("P", bound=Placed)


def placements(
    steps: Steps,
    request: Request,
    kind: type[P],
    values: Callable[[int], Mapping[str, Any]],
    run: Callable[[int, Path, Path], Run],
) -> Seeds[P]:
    """The seeds of a request, each kept as an artifact of `kind` by its `values`.

    `run` takes the seed, an empty folder and where the log belongs.
    """

    def place(seed: int) -> P:
        name = _seed_name(seed)
        return steps.keep(
            kind, name, values(seed), lambda folder: kind(routed=run(seed, folder, steps.log(name)))
        )  # fmt: skip

    clock = request.board.clock
    return Seeds(place, request.seeds, enough=lambda placed: placed.routed.reaches(clock))


def _seed_name(seed: int) -> str:
    return f"seed {seed}"


def best_seed(steps: Steps, placed: Mapping[int, P]) -> P:
    """The fastest without hold violations; raises `StageError` without one. Announces all."""
    for seed, each in placed.items():
        hold = f", {each.routed.hold} hold violations" if each.routed.hold else ""
        steps.tell(_seed_name(seed), f", {each.routed.mhz:.1f} MHz{hold}")
    return placed[best([each.routed for each in placed.values()]).seed]


def require_room(request: Request, cells: Cells) -> None:
    """Raises `StageError` where a resource is short, before place and route tries for an hour.

    The rate that it names would need what there is, less a tenth, if a design grew with its rate.
    """
    have = request.board.resources
    needed = {"lut": float(cells.lut), "ff": float(cells.ff), "bram36": cells.bram18 / 2}
    over = [(count / max(1, getattr(have, name)), name) for name, count in needed.items()]
    share, name = max(over)
    if share <= 1:
        return
    rate = request.board.clock * 1e6 / max(1, request.cycles_per_frame)
    raise StageError(
        f"the synthesised design needs {needed[name]:,.0f} {name}",
        f"at most {getattr(have, name):,}, which {request.board.title} has",
        f"lower compile.target_fps to about {0.9 * rate / share:,.0f}, or choose a larger board",
    )


def _file_name(name: str) -> str:
    return name.replace(" ", "_")


def _array_digest(array: NDArray[Any]) -> str:
    described = f"{array.dtype.str} {array.shape} ".encode()
    return hashlib.sha256(described + array.tobytes()).hexdigest()
