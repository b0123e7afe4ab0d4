"""The targets of a comparison that compute on this machine: engines on its CPU and its card."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_hw.errors import LeptonError
from lepton_hw.executors import engines
from lepton_hw.executors.phases import Phased, same
from lepton_hw.measure import machine, meter, nvml, rapl, rounds
from lepton_hw.measure.comparison import Quantity, Target
from lepton_hw.measure.power import Energy
from lepton_hw.measure.sensors import Sensor
from lepton_hw.progress import Progress
from lepton_hw.stages.bench_subject import Answer, Subject, decisions

#: Seconds at rest before a run, with nothing of ours at work, and before those: engines were made.
IDLE, SETTLE = 2.0, 1.0


@dataclass(frozen=True)
class Settings:
    """How a comparison is made: batch sizes, seconds a row, rounds, most images that are checked;
    `meters` maps a target's name, or its kind, to the CSV file of a meter in its supply; `identity`
    is the key for boards behind SSH.
    """

    batches: tuple[int, ...] = (1, 4, 16, 64, 256, 1024)
    seconds: float = 1.5
    rounds: int = 3
    images: int = 1000
    meters: tuple[tuple[str, Path], ...] = ()
    identity: Path | None = None

    def meter(self, target: str) -> Path | None:
        """The file for a target, if one was given."""
        known = dict(self.meters)
        return known.get(target) or known.get(target.partition(" ")[0])


@dataclass(frozen=True)
class Power:
    """A device's sensor, or why there is none; its energy at rest."""

    sensor: Sensor | None
    why: str
    idle: Energy | None


Targets = tuple[list[Target], dict[str, str]]


def targets(
    wanted: list[tuple[str, str]],
    source: engines.Source,
    subject: Subject,
    settings: Settings,
    progress: Progress,
) -> Targets:
    """Measures the (kind, engine) pairs; those that cannot run here, with the reason.

    All are measured in turns, so that each meets the same machine.
    """
    made: dict[tuple[str, str], Phased] = {}
    absent: dict[str, str] = {}
    for kind, name in wanted:
        try:
            made[kind, name] = engines.make(kind, name, source)
        except LeptonError as error:
            absent[f"{kind} {name}"] = str(error)
    power = {kind: _power(kind) for kind in {kind for kind, _ in made}}
    work = [
        each
        for (kind, name), executor in made.items()
        for each in _work(kind, name, executor, subject, settings, power[kind], absent)
    ]
    answers = {
        f"{kind} {name}": subject.judge(executor.infer(subject.codes))
        for (kind, name), executor in made.items()
    }
    found = rounds.measure(work, settings.rounds, settings.seconds, progress)
    return [
        _target(kind, name, answers[f"{kind} {name}"], work, found, power[kind], settings)
        for kind, name in made
        if f"{kind} {name}" not in absent
    ], absent


def _power(kind: str) -> Power:
    find: Callable[[], Sensor] = rapl.Rapl if kind == "cpu" else _card
    try:
        sensor = find()
        time.sleep(SETTLE)
        with sensor.watch() as resting:
            time.sleep(IDLE)
    except LeptonError as error:
        return Power(None, str(error), None)
    return Power(sensor, "", resting.energy)


def _card() -> nvml.Nvml:
    """The sensor of the card that torch uses, which need not be the machine's first."""
    import torch

    return nvml.Nvml(f"GPU-{torch.cuda.get_device_properties(0).uuid}")


def _work(
    kind: str,
    name: str,
    executor: Phased,
    subject: Subject,
    settings: Settings,
    power: Power,
    absent: dict[str, str],
) -> list[rounds.Work]:
    work: list[rounds.Work] = []
    for batch in settings.batches:
        try:
            phases = executor.phases(batch)
        except LeptonError as error:
            absent[f"{kind} {name}, batch {batch}" if work else f"{kind} {name}"] = str(error)
            break
        work.append(
            rounds.Work(
                target=f"{kind} {name}",
                batch=batch,
                phases=(
                    _then(subject.prepare, phases.before), phases.send, phases.compute,
                    phases.receive, _then(phases.after, decisions),
                ),
                start=subject.batch(batch),
                one_device=phases.send is same,
                sensor=power.sensor,
            )
        )  # fmt: skip
    return work


def _then(first: Callable[[Any], Any], second: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: second(first(value))


def _target(
    kind: str, name: str, answer: Answer, work: list[rounds.Work], found: list[rounds.Found],
    power: Power, settings: Settings,
) -> Target:  # fmt: skip
    title = f"{kind} {name}"
    mine = [pair for pair in zip(work, found, strict=True) if pair[0].target == title]
    metered: dict[int, list[Energy]] | None = None  # by batch
    idle_of_rows, why = power.idle, power.why
    if (file := settings.meter(title)) is not None:
        try:
            trace = meter.read(file)
            metered = {
                each.batch: [meter.over(trace, *window) for window in result.windows]
                for each, result in mine
            }
            idle_of_rows = None  # a meter was not read at rest
        except LeptonError as error:
            why = str(error)
    rows = [
        rounds.row(each, result, idle_of_rows, why, metered[each.batch] if metered else None)
        for each, result in mine
        if not result.left_out
    ]
    idle = None
    if power.sensor is not None and power.idle is not None:
        watts, bar = power.idle.watts, power.sensor.accuracy * power.idle.watts
        idle = Quantity(
            value=watts, low=watts - bar, high=watts + bar, how="measured",
            source=power.idle.source,
        )  # fmt: skip
    return Target(
        name=title, kind="cpu" if kind == "cpu" else "gpu", device=device(kind),
        **vars(answer), conditions=_conditions(kind, power), rows=tuple(rows), idle=idle,
        left_out={str(each.batch): result.left_out for each, result in mine if result.left_out},
    )  # fmt: skip


def device(kind: str) -> str:
    """What computes, by its maker's name."""
    if kind == "cpu":
        return machine.processor()
    import torch

    return str(torch.cuda.get_device_name())


def _conditions(kind: str, power: Power) -> dict[str, str]:
    import torch

    found = {"threads": str(torch.get_num_threads())}
    if kind == "gpu":
        tf32 = "in convolutions, PyTorch's default" if torch.backends.cudnn.allow_tf32 else "off"
        found |= {"cuda": str(torch.version.cuda), "TF32 for float32": tf32}
        if isinstance(power.sensor, nvml.Nvml):
            found |= power.sensor.conditions()
    return found
