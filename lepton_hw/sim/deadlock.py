"""A design that stopped: which streams are blocked, by whom, and the sentence that says so."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lepton_hw.design import Design, Node
from lepton_hw.errors import StageError
from lepton_hw.sim.bench import Plan
from lepton_hw.sim.library import Run

NAMED = 6  # blocked streams named in the sentence; the rest are in `Deadlock.report`

_Numbers = dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class BlockedStream:
    """A stream whose producer offers a beat that its consumer does not take.

    `holder`, `module`: the node (and its module) that does not take it; ``"the output"`` at the
    door. `fifo`: the FIFO at the producing end, if any, with what it holds. `waits_for`: streams
    on which the holder itself waits: empty inputs, outputs that are not taken.
    """

    stream: str
    holder: str
    module: str
    fifo: str
    fill: int
    depth: int
    waits_for: tuple[str, ...]

    def __str__(self) -> str:
        fifo = f" ({self.fifo} holds {self.fill}, depth {self.depth})" if self.fifo else ""
        module = f" (module {self.module})" if self.module else ""
        waits = f", which waits for {' and '.join(self.waits_for)}" if self.waits_for else ""
        return f"stream {self.stream}{fifo} is held by {self.holder}{module}{waits}"


@dataclass(frozen=True)
class ShortBranch:
    """A branch from a fork to a join that is full while the join waits for another branch.

    `fork`, `join`: nodes; `fifo`: the last FIFO before the join; `depth`, `needs`: its depth in
    beats and the least with which the design runs, 0 where that was not measured.
    """

    fork: str
    join: str
    fifo: str
    depth: int
    needs: int = 0

    def __str__(self) -> str:
        by, needs = "", ""
        if self.needs:
            beats = self.needs - self.depth
            by = f" by {beats} beat{'s' if beats != 1 else ''}"
            needs = f", needs {self.needs}"
        return (
            f"fork {self.fork}: the branch through {self.fifo} to {self.join} is short{by}"
            f" (depth {self.depth}{needs})"
        )


class Deadlock(StageError):
    """The design stopped, or ran out of cycles, with outputs outstanding.

    `report` has every blocked stream; `short` the branches behind forks that are too short;
    `cycle` is when it was given up.
    """

    def __init__(
        self,
        why: str,
        blocked: str,
        report: tuple[BlockedStream, ...],
        cycle: int,
        short: tuple[ShortBranch, ...] = (),
        remedy: str = "",
    ) -> None:
        super().__init__(
            "; ".join([f"{why}: {short[0]}", *map(str, short[1:]), blocked])
            if short
            else f"{why}: {blocked}",
            "all outputs",
            remedy or "deepen the FIFOs or repair the layer named here, or raise the limit",
        )
        self.report, self.cycle, self.short = report, cycle, short
        self._why, self._blocked = why, blocked

    def naming(self, short: tuple[ShortBranch, ...], remedy: str) -> "Deadlock":
        """The same error with these branches and another remedy."""
        return Deadlock(self._why, self._blocked, self.report, self.cycle, short, remedy)


def explain(design: Design, plan: Plan, run: Run, why: str) -> Deadlock:
    """The error for a design that stands still, `why` being how that was noticed."""
    state, expected = run.state(), run.expected_outputs
    report = _blocked_streams(design, plan, state, run.counters())
    named = [str(entry) for entry in report[:NAMED]]
    if len(report) > NAMED:
        named.append(f"{len(report) - NAMED} more streams are blocked")
    if not report:
        taken = [
            f"{moved} of {name}" for moved, name in zip(state["in"], plan.inputs, strict=False)
        ]
        named = [f"no stream is blocked, taken: {', '.join(taken)}"]
        if (loser := _lost_in(design, plan, run.counters())) is not None:
            named = [f"layer {loser.name} (module {loser.module}) lost beats"]
    cycle = int(state["scalars"][0])
    delivered = int(state["out"].sum())
    why = f"{why} at cycle {cycle}, {delivered} of {expected} output beats delivered"
    still = not np.any(state["valid"] & state["ready"])  # or a cycle limit came first
    short = _short_branches(design, report) if still else ()
    return Deadlock(why, "; ".join(named), report, cycle, short)


def _blocked_streams(
    design: Design, plan: Plan, state: _Numbers, counters: _Numbers
) -> tuple[BlockedStream, ...]:
    """Every stream that is valid and not ready, nearest to the output first.

    Weight streams are left out: they wait whenever their layer has no input.
    """
    valid = {name: bool(state["valid"][plan.entry(name)]) for name in plan.entries}
    ready = {name: bool(state["ready"][plan.entry(name)]) for name in plan.entries}
    nodes = {node.name: node for node in design.nodes}
    fills = {node.name: int(counters["fill"][index]) for index, node in enumerate(plan.fifos)}
    found = []
    for stream in reversed(design.streams):
        name = stream.name
        if not valid[name] or ready[name] or _is_weights(stream.producer, design):
            continue
        waits: list[str] = []
        if (holder := nodes.get(stream.consumer)) is not None:
            waits = [port for port in holder.inputs if not valid[port]]
            waits += [port for port in holder.outputs if valid[port] and not ready[port]]
        producer = nodes.get(stream.producer)
        fifo = producer if producer is not None and producer.name in fills else None
        found.append(
            BlockedStream(
                stream=name,
                holder=stream.consumer or "the output",
                module=holder.module if holder else "",
                fifo=fifo.name if fifo else "",
                fill=fills[fifo.name] if fifo else 0,
                depth=fifo.depth if fifo else 0,
                waits_for=tuple(waits),
            )
        )
    return tuple(found)


def _short_branches(design: Design, report: tuple[BlockedStream, ...]) -> tuple[ShortBranch, ...]:
    """Branches that are blocked from a fork to a join which waits for a beat of another branch."""
    nodes = {node.name: node for node in design.nodes}
    blocked = {entry.stream: entry for entry in report}
    found: dict[tuple[str, str], ShortBranch] = {}
    for fork in nodes.values():
        if len(fork.outputs) < 2:
            continue
        for output in fork.outputs:
            fifo, stream = None, output
            while (entry := blocked.get(stream)) is not None:
                if entry.fifo:
                    fifo = entry
                holder = nodes.get(entry.holder)
                if holder is None or len(holder.outputs) > 1:  # an inner fork speaks for itself
                    break
                empty = [name for name in entry.waits_for if name in holder.inputs]
                if empty and fifo is not None:
                    found[fork.name, fifo.fifo] = ShortBranch(
                        fork.name, holder.name, fifo.fifo, fifo.depth
                    )
                stream = holder.outputs[0] if holder.outputs and not empty else ""
    return tuple(found.values())


def _lost_in(design: Design, plan: Plan, counters: _Numbers) -> Node | None:
    """The first node that took more whole frames than it gave, nothing hindering it.

    Each node turns the beats of one frame at its inputs into those of one at its outputs; the
    nodes stand in topological order, so that later ones only pass the loss on.
    """
    for node in design.nodes:
        inputs = [name for name in node.inputs if not _is_weights_stream(name, design)]
        if not inputs or not node.outputs:
            continue
        taken = min(_frames(name, design, plan, counters) for name in inputs)
        given = min(_frames(name, design, plan, counters) for name in node.outputs)
        if taken > given:
            return node
    return None


def _frames(name: str, design: Design, plan: Plan, counters: _Numbers) -> int:
    return int(counters["beats"][plan.entry(name)]) // design.stream(name).beats


def _is_weights_stream(name: str, design: Design) -> bool:
    return _is_weights(design.stream(name).producer, design)


def _is_weights(producer: str, design: Design) -> bool:
    return any(node.name == producer and not node.inputs for node in design.nodes)
