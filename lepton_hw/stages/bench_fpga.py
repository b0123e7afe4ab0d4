"""The FPGA targets of a comparison: a model of a board, the virtual board, a real one.

A model's time is cycles counted in RTL × clock, with the constants of shell and driver; only a real
board is measured.
"""

import io
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lepton_hw.board import Board
from lepton_hw.design import Design, read_design
from lepton_hw.errors import InputError, LeptonError, StageError
from lepton_hw.measure import driver_model, meter, modelled, rounds
from lepton_hw.measure.comparison import VIRTUAL, Quantity, Row, Split, Target
from lepton_hw.measure.fabric import Fabric
from lepton_hw.measure.power import Energy
from lepton_hw.progress import Progress
from lepton_hw.stages.bench_hosts import IDLE, Settings
from lepton_hw.stages.bench_subject import Ints, Subject
from lepton_hw.stages.bitstream import Bitstream
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.simulate import Simulated
from lepton_hw.stages.stitch import Stitched
from lepton_hw.tools import place as places
from lepton_hw.tools import ssh
from lepton_hw.virtual.board import ACCESS_CYCLES

#: Cycles of all batches together that a simulation runs, and frames whose integers it checks.
MOST_CYCLES, VIRTUAL_IMAGES = 4_000_000, 64
#: The virtual board's memory answers at once, and the one register access between the starts of the
#: two engines, during which the counters run, takes so many cycles there.
VIRTUAL_MEMORY, BETWEEN_STARTS = 0, ACCESS_CYCLES


@dataclass(frozen=True)
class Made:
    """A certified design for a board, and its bitstream where one was built."""

    board: Board
    compiled: Compiled
    stitched: Stitched
    simulated: Simulated
    built: Bitstream | None


@dataclass(frozen=True)
class There:
    """A place where the driver runs, the deployment here and its folder there, the key for SSH."""

    place: places.Place
    folder: Path
    target: str
    identity: Path | None = None


@dataclass(frozen=True)
class Power:
    """Watts of a modelled board, or why there are none."""

    watts: Quantity | None
    why: str = ""


def require_model(board: Board) -> None:
    """Raises `InputError` for a board whose shell has no model."""
    if board.shell != "zynq-iodma":
        raise InputError(
            f"{board.title} has the shell '{board.shell}'",
            "zynq-iodma, the only one whose time is modelled",
            "measure on the board itself",
        )


def fabric(made: Made) -> Fabric:
    """The design as the model of its time takes it; raises `InputError` for another shell."""
    require_model(made.board)
    design, built = read_design(made.stitched.folder), made.built
    (beats, size), (_, out) = doors(design)
    return Fabric(
        made.simulated.latency_cycles, made.simulated.cycles_per_frame, beats, size, out,
        built.clock if built else made.board.clock, "bitstream" if built else "board",
    )  # fmt: skip


def doors(design: Design) -> tuple[tuple[int, int], tuple[int, int]]:
    """(beats, bytes) of a frame at both doors."""
    source, sink = design.stream(design.inputs[0]), design.stream(design.outputs[0])
    first, second = ((each.beats, each.beats * each.width // 8) for each in (source, sink))
    return first, second


def model(made: Made, subject: Subject, settings: Settings, power: Power) -> Target:
    """The board as a model. Its integers are those that ran through the RTL."""
    found = fabric(made)
    return Target(
        name=f"fpga {made.board.name}", kind="fpga", device=made.board.title,
        **vars(subject.judge(_simulated(made))),
        conditions=_conditions(made, found),
        rows=tuple(
            modelled.row(found, batch, power.watts, power.why) for batch in settings.batches
        ),
    )  # fmt: skip


def _simulated(made: Made) -> Ints:
    with np.load(made.simulated.path("outputs.npz")) as archive:
        codes: Ints = archive["codes"]
    return codes


def virtual(
    made: Made, there: There, subject: Subject, settings: Settings, power: Power,
    progress: Progress,
) -> tuple[Target, dict[str, float]]:  # fmt: skip
    """The unmodified driver on the simulated shell: its counters instead of the modelled cycles.

    Also by how much the model is over them, by batch.
    """
    found = replace(fabric(made), memory_cycles=VIRTUAL_MEMORY)
    kept: list[int] = []
    left_out, cycles = {}, 0
    for batch in settings.batches:
        cycles += found.cycles(batch)
        if kept and cycles > MOST_CYCLES:
            left_out[str(batch)] = f"more than {MOST_CYCLES:,} cycles in all would be simulated"
            continue
        kept.append(batch)
    with progress.task("virtual", len(kept)) as task:
        codes = subject.codes[:VIRTUAL_IMAGES]
        answer = subject.judge(infer(there, codes))
        said = ask(there, codes, {"batches": kept, "seconds": 0, "rounds": 1})
        task.advance(len(kept))
    counted = {batch: int(said["rounds"][0][str(batch)]["cycles"][0]) for batch in kept}
    target = Target(
        name=VIRTUAL, kind="fpga", device=f"{made.board.title}, simulated",
        **vars(answer),
        conditions=_conditions(made, found)
        | {"cycles": "the shell's own counters, in RTL simulation; memory answers at once"},
        rows=tuple(
            modelled.row(found, batch, power.watts, power.why, cycles)
            for batch, cycles in counted.items()
        ),
        left_out=left_out,
    )  # fmt: skip
    errors = {
        f"{made.board.name}, batch {batch}": (found.cycles(batch) + BETWEEN_STARTS) / cycles - 1
        for batch, cycles in counted.items()
    }
    return target, errors


def real(made: Made, there: There, subject: Subject, settings: Settings) -> Target:
    """A board, by its driver there. Power is of its first rail, or of a meter."""
    answer = subject.judge(infer(there, subject.codes))
    asked = {
        "batches": list(settings.batches), "rounds": settings.rounds, "idle": IDLE,
        "seconds": settings.seconds / settings.rounds,
    }  # fmt: skip
    said = ask(there, subject.batch_of_codes(min(256, max(settings.batches))), asked)
    ahead = float(said["now"]) - time.time()  # of the board's clock, which may have no battery
    name = f"fpga {there.place}"
    file, why, trace = settings.meter(name), _no_rail(said), None
    if file is not None:
        try:
            trace = meter.read(file)
        except LeptonError as error:
            why = str(error)
    rows = []
    for batch in settings.batches:
        each = [found[str(batch)] for found in said["rounds"]]
        energies = _rail(each)
        if trace is not None:
            try:
                energies = [
                    meter.over(trace, one["begin"] - ahead, one["end"] - ahead) for one in each
                ]
            except LeptonError as error:
                energies, why = [], str(error)
        rows.append(_measured(batch, each, energies, why))
    return Target(
        name=name, kind="fpga", device=made.board.title, **vars(answer),
        conditions={"clock": f"{said['clock_mhz']:g} MHz", "rail": said["rail"] or "none"},
        rows=tuple(rows), idle=_idle(said),
    )  # fmt: skip


def _measured(batch: int, each: list[dict[str, Any]], energies: list[Energy], why: str) -> Row:
    """From the calls of all rounds; what is neither packing nor the accelerator is transfer."""
    times = [np.asarray(one["total"], np.float64)[:, None] for one in each]
    medians = {
        name: float(np.median(np.concatenate([one[name] for one in each])))
        for name in ("total", "pack", "unpack", "accelerator", "busy")
    }
    rest = medians["total"] - medians["pack"] - medians["unpack"] - medians["accelerator"]
    found = rounds.timing(times)
    return Row(
        batch=batch, latency=found,
        split=Split(
            before=medians["pack"], transfer=max(0.0, rest), compute=medians["accelerator"],
            after=medians["unpack"],
        ),
        images_per_second=batch / found.p50,
        cycles=int(np.median(np.concatenate([one["cycles"] for one in each]))),
        fabric=medians["busy"],
        energy=rounds.per_image(energies, [len(one["total"]) * batch for one in each], 0.0),
        why_no_energy="" if energies else why,
    )  # fmt: skip


def _rail(each: list[dict[str, Any]]) -> list[Energy]:
    powers = [one["power"] for one in each]
    if any(power is None for power in powers):
        return []
    return [
        Energy(power["watts"] * power["seconds"], power["seconds"], 1.0, power["samples"],
               power["source"])
        for power in powers
    ]  # fmt: skip


def _no_rail(said: dict[str, Any]) -> str:
    return "" if said["rail"] else "the board shows no power rail; a meter's file can be given"


def _idle(said: dict[str, Any]) -> Quantity | None:
    found = said["idle"]
    if not found:
        return None
    watts = float(found["watts"])
    return Quantity(value=watts, low=watts, high=watts, how="measured", source=found["source"])


def infer(there: There, codes: Any) -> Ints:
    """Output codes of the driver there."""
    out = _driver(there, codes, "--infer")
    return np.asarray(np.load(io.BytesIO(out), allow_pickle=False)).astype(np.int64)


def _driver(there: There, codes: Any, *arguments: str) -> bytes:
    """What the driver there writes, with these codes on its standard input."""
    stream = io.BytesIO()
    np.save(stream, codes, allow_pickle=False)
    ran = places.run_driver(
        there.place, there.folder, there.target, arguments, stream.getvalue(),
        ssh.Options(identity=there.identity),
    )  # fmt: skip
    return places.require_success(ran, there.place).out


def ask(there: There, codes: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """What ``driver.py --bench`` says there."""
    out = _driver(there, codes, "--bench", json.dumps(asked))
    try:
        found: dict[str, Any] = json.loads(out)
        return found
    except ValueError:
        raise StageError(
            f"the driver on {there.place} says '{out[:60]!r}'", "JSON", "deploy the design again"
        ) from None


def _conditions(made: Made, found: Fabric) -> dict[str, str]:
    built = made.built
    clock = f"{found.clock:g} MHz, asked of the board; no bitstream was built"
    if built:
        clock = f"{found.clock:g} MHz of a bitstream by {built.toolchain}"
        clock += f", which reached {built.achieved:.1f}" if built.achieved else ""
    return {
        "clock": clock,
        "cycles": f"{found.latency_cycles:,} a frame and {found.interval_cycles:,} between frames, "
        "in RTL simulation",
        "memory": f"{found.memory_cycles} cycles an access, assumed",
        "driver": driver_model.WORDS,
    }
