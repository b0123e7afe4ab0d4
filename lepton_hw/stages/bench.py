"""The bench stage: one network on CPU, GPU and FPGA, on the same images, in one run.

Decides which targets are measured and gathers what they gave. Nothing is kept from an earlier run:
a time is of the machine, not of the inputs.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from lepton_hw import artifacts
from lepton_hw.artifacts import Artifact
from lepton_hw.board import known_boards
from lepton_hw.devices import cards
from lepton_hw.errors import InputError, LeptonError
from lepton_hw.executors import engines
from lepton_hw.flow import Flow
from lepton_hw.measure import machine
from lepton_hw.measure.comparison import Comparison, Target, break_even
from lepton_hw.progress import Progress
from lepton_hw.stages import bench_fpga, bench_hosts
from lepton_hw.stages.bench_fpga import Made, There
from lepton_hw.stages.bench_hosts import Settings
from lepton_hw.stages.bench_subject import Subject
from lepton_hw.stages.bitstream import digest_of
from lepton_hw.stages.stitch import Stitched
from lepton_hw.tools import place as places

FILE = "bench.json"


class Measured(Artifact):
    """``bench.json``, which is `comparison`."""

    stage: ClassVar[str] = "bench"
    comparison: Comparison


@dataclass(frozen=True)
class Asked:
    """One item of ``--on``: an engine of this machine, a board as a model, or a place."""

    kind: str
    name: str = ""
    place: places.Place | None = None


def parse(text: str, board: str) -> tuple[Asked, ...]:
    """``cpu``, ``gpu``, ``cpu:onnxruntime``, ``fpga:BOARD``, ``fpga:virtual``, ``fpga:ssh:HOST`` …

    Separated by commas. ``fpga`` alone is `board`. Raises `InputError`.
    """
    found: list[Asked] = []
    for item in text.split(","):
        kind, _, name = item.strip().partition(":")
        if kind in engines.ENGINES:
            found += _engines(kind, name)
        elif kind == "fpga" and (name or board):
            found.append(_fpga(name or board))
        else:
            raise InputError(
                f"--on has '{item}'",
                "cpu, gpu, fpga:BOARD, fpga:virtual, fpga:ssh:HOST, separated by commas",
                "correct it",
            )
    return tuple(dict.fromkeys(found))


def _engines(kind: str, name: str) -> list[Asked]:
    known = engines.ENGINES[kind]
    if name and name not in known:
        raise InputError(f"--on has '{kind}:{name}'", f"one of {', '.join(known)}", "correct it")
    return [Asked(kind, each) for each in ([name] if name else known)]


def _fpga(name: str) -> Asked:
    if name.partition(":")[0] in {kind.partition(":")[0] for kind in places.KINDS}:
        return Asked("fpga", name, places.parse_place(name))
    if name not in known_boards() and not name.endswith(".toml"):
        raise InputError(
            f"--on has 'fpga:{name}'",
            f"a board ({', '.join(known_boards())}), virtual, local, remote:HOST or ssh:HOST",
            "correct it",
        )
    return Asked("fpga", name)


@dataclass(frozen=True)
class Inputs:
    """What the pipeline made: the network, its images, a design for each board, and a deployment
    for each place, by the names of `Asked`; the watts of what is modelled by the name of its board.
    """

    flow: Flow
    board: str
    source: engines.Source
    subject: Subject
    boards: dict[str, Made]
    places: dict[str, tuple[Made, There]]
    absent: dict[str, str]
    power: dict[str, bench_fpga.Power]


def run(
    asked: tuple[Asked, ...], inputs: Inputs, settings: Settings, progress: Progress
) -> Comparison:
    """Measures and models everything that was asked for; what cannot be had is in `absent`."""
    began, start = datetime.now(UTC), time.monotonic()
    facts = machine.facts()
    absent = dict(inputs.absent)
    hosts = [(each.kind, each.name) for each in asked if each.kind in engines.ENGINES]
    hosts = _without_card(hosts, absent)
    found, missing = bench_hosts.targets(hosts, inputs.source, inputs.subject, settings, progress)
    absent |= missing
    errors: dict[str, float] = {}
    for each in asked:
        if each.kind != "fpga" or f"fpga {each.name}" in absent:
            continue
        try:
            found.append(_fpga_target(each, inputs, settings, progress, errors))
        except LeptonError as error:
            absent[f"fpga {each.name}"] = str(error)
    targets = tuple(found)
    return Comparison(
        flow=inputs.flow.name, title=inputs.flow.title or inputs.flow.name, board=inputs.board,
        began=began.isoformat(timespec="seconds"), seconds=round(time.monotonic() - start, 1),
        machine=facts | {"temperature after": machine.temperature()},
        targets=targets, absent=absent, break_even=break_even(targets), model_error=errors,
    )  # fmt: skip


def _without_card(hosts: list[tuple[str, str]], absent: dict[str, str]) -> list[tuple[str, str]]:
    """One reason for all engines of a card that is not there."""
    if cards() or all(kind != "gpu" for kind, _ in hosts):
        return hosts
    absent["gpu"] = "this machine has no CUDA card that torch can use"
    return [each for each in hosts if each[0] != "gpu"]


def _fpga_target(
    asked: Asked, inputs: Inputs, settings: Settings, progress: Progress, errors: dict[str, float]
) -> Target:
    subject = inputs.subject
    if asked.place is None:
        made = inputs.boards[asked.name]
        return bench_fpga.model(made, subject, settings, inputs.power[made.board.name])
    made, there = inputs.places[asked.name]
    if asked.place.kind != "virtual":
        return bench_fpga.real(made, there, subject, settings)
    power = inputs.power[made.board.name]
    target, found = bench_fpga.virtual(made, there, subject, settings, power, progress)
    errors.update(found)
    return target


def saved(comparison: Comparison, workdir: Path) -> Measured:
    """Writes ``bench.json``."""
    (workdir / FILE).write_text(comparison.model_dump_json(indent=2) + "\n")
    return Measured(comparison=comparison)


def known(folder: Path, stitched: Stitched) -> Measured | None:
    """The last one of this design in a build folder, if there is one."""
    found = artifacts.load(Measured, folder / Measured.stage)
    if found is None or found.comparison.design_digest != digest_of(stitched):
        return None
    return found
