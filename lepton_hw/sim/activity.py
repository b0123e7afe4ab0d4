"""How much a design switches: toggles of its nets, counted while frames flow in steady state.

The nets are those of the RTL, sampled once per cycle. What a netlist adds or removes, glitches
within a cycle, and the contents of memories are not seen.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lepton_hw.design import Design
from lepton_hw.errors import InputError, StageError
from lepton_hw.progress import SILENT, Progress
from lepton_hw.sim.batches import Batch
from lepton_hw.sim.bench import TOP
from lepton_hw.sim.result import Cycles, SimResult
from lepton_hw.sim.simulator import Simulator

#: Cycles that are counted at most, in whole frames, but one frame in any case.
MOST = 200_000
#: Where a design's nets are among the names that the simulator gives.
_SCOPE = f"bench {TOP} dut "


@dataclass(frozen=True)
class Nets:
    """Of some nets: their `bits`, how many of these `moved` at all, and `toggles` together."""

    bits: int
    moved: int
    toggles: int


@dataclass(frozen=True)
class Activity:
    """Toggles of every net of a design in `cycles` cycles, in which `frames` frames came out.

    `nodes`: the same for each node of the design; "" holds the nets of no node. A net that
    several nodes share counts once, for the first that the simulator names. A clock, which is
    looked at in one phase only, has no toggles.
    """

    cycles: int
    frames: int
    nets: Nets
    nodes: dict[str, Nets]

    @property
    def rate(self) -> float:
        """Mean toggles per bit and cycle, over all bits, constant ones too."""
        return self.nets.toggles / max(1, self.nets.bits * self.cycles)

    @property
    def rate_moving(self) -> float:
        """The same over the bits that toggled at least once: what synthesis does not remove."""
        return self.nets.toggles / max(1, self.nets.moved * self.cycles)


def activity(
    design: Design,
    folder: Path,
    images: Batch,
    *,
    cache: Path | None = None,
    most: int = MOST,
    progress: Progress = SILENT,
) -> Activity:
    """Runs `images` (as for `Simulator.run`) twice: to find the steady state, then to count in it.

    Counted is from the end of the first frame to the end of a later one, while still further
    frames flow in: whole frames, with every layer at work. At most `most` cycles, if one frame
    takes no more.

    Raises `InputError` for too few images to fill the design, and what the simulator raises.
    """
    found = Simulator(design, folder, cache=cache).run(images, progress=progress)
    first, last, frames = _steady(found, most)
    counting = Simulator(design, folder, cache=cache, toggles=True)
    with tempfile.TemporaryDirectory(prefix="lepton_toggles_") as made:
        path = Path(made) / "toggles"
        counting.run(images, trace=(first, last + 1, path), progress=progress)
        return read(path, {node.name for node in design.nodes}, last - first, frames)


def _steady(found: SimResult, most: int) -> tuple[int, int, int]:
    """First and last cycle of the whole frames while the design is full, and their number."""
    ends: Cycles = found.frame_out
    full = int(np.searchsorted(ends, found.frame_in[-1], side="right"))  # ends before the last came
    if full < 2:
        interval = max(1, (int(ends[-1]) - int(ends[0])) // max(1, len(ends) - 1))
        needed = 2 + -(-int(ends[0]) // interval)
        raise InputError(
            f"{len(ends)} images do not fill the design", f"about {needed + 1}", "pass more images"
        )
    bounded = int(np.searchsorted(ends, ends[0] + most, side="right"))
    count = max(2, min(full, bounded))
    return int(ends[0]), int(ends[count - 1]), count - 1


def read(path: Path, nodes: set[str], cycles: int, frames: int) -> Activity:
    """The counts that ``toggles/verilated_fst_c.cpp`` writes; `nodes` are names of instances."""
    with path.open() as file:
        samples = int(file.readline() or 0)
        if samples != cycles + 1:
            raise StageError(
                f"toggles were counted over {samples - 1} cycles", str(cycles), "run it again"
            )
        nets: dict[int, Nets] = {}
        owner: dict[int, str] = {}
        for line in file:
            code, bits, toggles, moved, name = line.rstrip("\n").split(" ", 4)
            if not name.startswith(_SCOPE):
                continue
            nets[int(code)] = Nets(int(bits), int(moved), int(toggles))
            inside, _, rest = name.removeprefix(_SCOPE).partition(" ")
            if not owner.get(int(code)):
                owner[int(code)] = inside if rest and inside in nodes else ""
    return Activity(
        cycles=cycles,
        frames=frames,
        nets=_sum(list(nets.values())),
        nodes={
            node: _sum([nets[code] for code, whose in owner.items() if whose == node])
            for node in sorted(set(owner.values()))
        },
    )


def _sum(nets: list[Nets]) -> Nets:
    return Nets(
        bits=sum(net.bits for net in nets),
        moved=sum(net.moved for net in nets),
        toggles=sum(net.toggles for net in nets),
    )
