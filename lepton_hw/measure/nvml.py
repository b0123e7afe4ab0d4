"""Power, clocks and temperature of an NVIDIA card, by NVIDIA's own library (NVML).

Reads only; no clock or limit is set.
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from lepton_hw.errors import MissingTool
from lepton_hw.measure.power import Energy
from lepton_hw.measure.sensors import Watch, sampled

#: NVIDIA states ±5 % for the power that NVML reads, and since Ampere that is the mean of a second.
#: On some cards it samples a part of the time only (Yang et al., "Part-time Power Measurements:
#: nvidia-smi's Lack of Attention", SC 2024). The counter of energy, since Volta, has neither fault
#: in the figure itself, but follows in steps of tens of milliseconds, which as much again allows
#: for where a block takes `LEAST` seconds.
ACCURACY = 0.10
LEAST = 2.0


class Nvml:
    """A card: that with this UUID (``GPU-…``), else the first."""

    accuracy, least = ACCURACY, LEAST

    def __init__(self, uuid: str = "") -> None:
        """Raises `MissingTool` where there is no card, no driver, or no power reading."""
        try:
            self._nvml: Any = importlib.import_module("pynvml")
            self._nvml.nvmlInit()
            self._card = (
                self._nvml.nvmlDeviceGetHandleByUUID(uuid)
                if uuid
                else self._nvml.nvmlDeviceGetHandleByIndex(0)
            )
            self.name = _text(self._nvml.nvmlDeviceGetName(self._card))
            self._counts = self._has_counter()
            self._watts()
        except ImportError:
            raise _missing("the package nvidia-ml-py is not installed") from None
        except Exception as error:  # NVML's own kinds, which exist only with the package
            raise _missing(f"NVIDIA's library says: {error}") from None
        how = "its counter of energy" if self._counts else "sampled every 20 ms"
        self.source = f"NVML ({self.name}, {how})"

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """Energy of the block, by the card's counter, or by samples where it has none."""
        if not self._counts:
            with sampled(self._watts, self.source) as watch:
                yield watch
            return
        watch, before, begin = Watch(), self._joules(), monotonic()
        yield watch
        after, end = self._joules(), monotonic()
        if end > begin:
            watch.energy = Energy(after - before, end - begin, 1.0, 2, self.source)

    def conditions(self) -> dict[str, str]:
        """Driver, limit, clocks and temperature now; what a card does not tell is left out."""
        nvml, card = self._nvml, self._card
        asked: dict[str, Callable[[], str]] = {
            "driver": lambda: _text(nvml.nvmlSystemGetDriverVersion()),
            "power limit": lambda: f"{nvml.nvmlDeviceGetEnforcedPowerLimit(card) / 1e3:g} W",
            "clock": lambda: f"{nvml.nvmlDeviceGetClockInfo(card, nvml.NVML_CLOCK_SM)} MHz",
            "memory clock": lambda: f"{nvml.nvmlDeviceGetClockInfo(card, nvml.NVML_CLOCK_MEM)} MHz",
            "temperature": lambda: (
                f"{nvml.nvmlDeviceGetTemperature(card, nvml.NVML_TEMPERATURE_GPU)} °C"
            ),
        }
        found = {}
        for name, ask in asked.items():
            try:
                found[name] = ask()
            except nvml.NVMLError:
                continue
        return found

    def _has_counter(self) -> bool:
        try:
            return self._joules() > 0
        except self._nvml.NVMLError:
            return False

    def _joules(self) -> float:
        """Since the driver was loaded."""
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._card)) / 1e3

    def _watts(self) -> float:
        return float(self._nvml.nvmlDeviceGetPowerUsage(self._card)) / 1e3


def _missing(found: str) -> MissingTool:
    return MissingTool(
        f"a card's power cannot be read: {found}",
        "an NVIDIA card with its driver",
        "measure where there is one",
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
