"""Power sensors against files and libraries that stand in for hardware."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from lepton_hw.errors import InputError, LeptonError, MissingTool, StageError
from lepton_hw.measure import machine, meter
from lepton_hw.measure.nvml import Nvml
from lepton_hw.measure.rapl import Rapl
from lepton_hw.measure.sensors import sampled


def domain(root: Path, place: str, name: str, energy: int, wrap: int = 1000) -> Path:
    folder = root / place
    folder.mkdir(parents=True)
    (folder / "name").write_text(name + "\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    (folder / "max_energy_range_uj").write_text(f"{wrap}\n")
    return folder / "energy_uj"


def test_rapl_sums_packages_and_memory_and_follows_a_wrap(tmp_path: Path) -> None:
    first = domain(tmp_path, "intel-rapl:0", "package-0", 900)
    memory = domain(tmp_path, "intel-rapl:0:1", "dram", 10)
    core = domain(tmp_path, "intel-rapl:0:0", "core", 5)
    platform = domain(tmp_path, "intel-rapl:1", "psys", 7)
    sensor = Rapl(tmp_path)
    with sensor.watch() as watch:
        for file, value in ((first, 100), (memory, 60), (core, 999), (platform, 999)):
            file.write_text(str(value))
        time.sleep(0.001)
    assert watch.energy is not None
    # 201 µJ across the wrap, 50 of the memory; cores are within the package, psys around it.
    assert watch.energy.joules == pytest.approx(251e-6)
    assert sensor.source == "RAPL (package-0, dram)"


def test_no_rapl_and_no_right_to_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingTool, match="shows no energy counters of its processor"):
        Rapl(tmp_path / "absent")
    file = domain(tmp_path, "intel-rapl:0", "package-0", 900)
    read = Path.read_text

    def refused(path: Path, *rest: object) -> str:
        if path == file:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(InputError, match=r"may not be read .*energy_uj.*root only.*chmod a\+r"):
        Rapl(tmp_path)


class NvmlError(Exception):
    """As pynvml's."""


def card(watts: float, counts: bool = False) -> SimpleNamespace:
    """pynvml of a card that takes that power; `counts`: with a counter, which has 7 J at first and
    5 J more at each look.
    """
    energy = iter(range(7000, 100_000, 5000))

    def refuse(*_: object) -> int:
        raise NvmlError("Not Supported")

    return SimpleNamespace(
        NVMLError=NvmlError, NVML_CLOCK_SM=1, NVML_CLOCK_MEM=2, NVML_TEMPERATURE_GPU=0,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=(lambda _: next(energy)) if counts else refuse,
        nvmlDeviceGetName=lambda _: b"A Card",
        nvmlDeviceGetPowerUsage=lambda _: watts * 1e3,
        nvmlSystemGetDriverVersion=lambda: "999.9",
        nvmlDeviceGetEnforcedPowerLimit=lambda _: 300_000,
        nvmlDeviceGetClockInfo=lambda _, kind: 1000 * kind,
        nvmlDeviceGetTemperature=refuse,
    )  # fmt: skip


def test_a_cards_power(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", card(120.0))
    sensor = Nvml()
    with sensor.watch() as watch:
        time.sleep(0.1)
    assert watch.energy is not None
    assert watch.energy.watts == pytest.approx(120.0)
    assert watch.energy.seconds == pytest.approx(0.1, abs=0.08)
    assert sensor.conditions() == {
        "driver": "999.9",
        "power limit": "300 W",
        "clock": "1000 MHz",
        "memory clock": "2000 MHz",
    }  # and no temperature, which this card does not tell


def test_a_cards_counter_of_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its power lags a second behind since Ampere, the counter does not."""
    monkeypatch.setitem(sys.modules, "pynvml", card(999.0, counts=True))
    sensor = Nvml("GPU-1234")
    assert (sensor._card, sensor.source) == ("GPU-1234", "NVML (A Card, its counter of energy)")
    with sensor.watch() as watch:
        time.sleep(0.01)
    assert watch.energy is not None
    assert watch.energy.joules == 5.0
    assert watch.energy.seconds >= 0.01


def test_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = card(1.0)

    def absent() -> None:
        raise NvmlError("NVML Shared Library Not Found")

    broken.nvmlInit = absent
    monkeypatch.setitem(sys.modules, "pynvml", broken)
    with pytest.raises(MissingTool, match="cannot be read: NVIDIA's library says: NVML Shared"):
        Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(MissingTool, match="the package nvidia-ml-py is not installed"):
        Nvml()


def test_a_sensor_that_stops_is_no_figure() -> None:
    values = iter([5.0, 5.0])
    with (
        pytest.raises(StageError, match="the rail stopped"),
        sampled(lambda: next(values, None) or 1 / 0, "the rail", 0.001),
    ):
        time.sleep(0.05)


def test_an_error_of_the_work_itself_passes_through() -> None:
    with pytest.raises(KeyError), sampled(lambda: 1.0, "the rail", 0.001):
        raise KeyError("work")


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "meter.csv"
    file.write_text(text)
    return file


def test_a_meters_file_is_on_the_runs_clock(tmp_path: Path) -> None:
    rows = [f"2026-01-31T13:00:{second:02}+01:00,5.0,{0.2 + 0.1 * (second >= 30)}\n"
            for second in range(60)]  # fmt: skip
    trace = meter.read(written(tmp_path, "time, voltage_v, current_a\n" + "".join(rows)))
    noon = 1769860800.0  # 2026-01-31 12:00 UTC
    assert meter.over(trace, noon + 1, noon + 21).joules == pytest.approx(20.0)
    assert meter.over(trace, noon + 35, noon + 45).watts == pytest.approx(1.5)


def test_a_meter_in_another_zone_is_told_by_its_hours(tmp_path: Path) -> None:
    rows = [f"{1769864400 + second},1.0\n" for second in range(60)]  # 13:00 UTC
    trace = meter.read(written(tmp_path, "time_s,power_w\n" + "".join(rows)))
    with pytest.raises(
        InputError,
        match=r"2026-01-31 13:00:00 to .* UTC and the run of 2026-01-31 12:00:05 to .*, 1.0 h "
        "earlier.*set the meter's clock and zone",
    ):
        meter.over(trace, 1769860805.0, 1769860815.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time,power_w\n2026-01-31T12:00:00,1\n", "without a zone"),
        ("when,power_w\n1,1\n", "has the columns when, power_w"),
        ("", r"has the columns \(none\)"),
        ("time_s,power_w\n1,1\n2,x\n", "cannot be read .*'x'"),
        ("time_s,power_w\n1,1\n2\n", "cannot be read"),
        ("time_s,power_w\n1,1\n", "1 samples; expected at least two"),
        ("time_s,power_w\n1,1\n2,-1\n", "no power"),
        (
            f"time_s,power_w\n{1769860800123},1\n{1769860800223},1\n",
            "has the time_s 1769860800123, which is no time in seconds; .*; divide it by 1000",
        ),
        ("time_s,power_w\nnan,1\n2,1\n", "has the time_s nan, which is no time"),
        ("time,power_w\nyesterday,1\n", "cannot be read .*yesterday"),
    ],
)
def test_what_is_no_meters_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(LeptonError, match=said):
        meter.read(written(tmp_path, text))


def test_gaps_in_a_meters_file(tmp_path: Path) -> None:
    rows = [f"{second},1.0\n" for second in (*range(20), *range(40, 60))]
    trace = meter.read(written(tmp_path, "time_s,power_w\n" + "".join(rows)))
    with pytest.raises(InputError, match=r"has samples for .* of the 40 s"):
        meter.over(trace, 10.0, 50.0)
    assert meter.over(trace, 1.0, 15.0).joules == pytest.approx(14.0)


def test_what_a_machine_shows_and_hides(tmp_path: Path) -> None:
    hidden = machine.facts(tmp_path)
    assert hidden["clock governor"] == hidden["temperature"] == machine.UNKNOWN
    frequency = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq"
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    for folder in (frequency, zone, tmp_path / "proc"):
        folder.mkdir(parents=True)
    (frequency / "scaling_governor").write_text("powersave\n")
    (zone / "temp").write_text("51900\n")
    (tmp_path / "proc/cpuinfo").write_text("processor: 0\nmodel name\t: A CPU @ 1 GHz\n")
    shown = machine.facts(tmp_path)
    assert shown["clock governor"] == "powersave"
    assert shown["temperature"] == "52 °C"
    assert shown["processor"] == "A CPU @ 1 GHz"
