"""Power, clocks and temperature of an NVIDIA card, by NVIDIA's own library (NVML).

Reads only; no clock or limit is set.
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lepton_hw.errors import MissingTool
from lepton_hw.measure.sensors import Watch, sampled

#: NVIDIA states ±5 % for the power that NVML reads. On some cards it samples a part of the time
#: only (Yang et al., "Part-time Power Measurements: nvidia-smi's Lack of Attention", SC 2024): runs
#: of seconds average that out.
ACCURACY = 0.05


class Nvml:
    """The card of that index."""

    accuracy = ACCURACY

    def __init__(self, index: int = 0) -> None:
        """Raises `MissingTool` where there is no card, no driver, or no power reading."""
        try:
            self._nvml: Any = importlib.import_module("pynvml")
            self._nvml.nvmlInit()
            self._card = self._nvml.nvmlDeviceGetHandleByIndex(index)
            self.name = _text(self._nvml.nvmlDeviceGetName(self._card))
            self._watts()
        except ImportError:
            raise _missing("the package nvidia-ml-py is not installed") from None
        except Exception as error:  # NVML's own kinds, which exist only with the package
            raise _missing(f"NVIDIA's library says: {error}") from None
        self.source = f"NVML ({self.name}, sampled every 20 ms)"

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """Energy of the block, by samples."""
        with sampled(self._watts, self.source) as watch:
            yield watch

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
