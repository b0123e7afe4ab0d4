"""An inference as the phases that its time is made of; an executor's `infer` runs the same ones.

Measures nothing itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from lepton_hw.executors.base import Codes

Phase = Callable[[Any], Any]


def same(value: Any) -> Any:
    """The phase that does nothing."""
    return value


@dataclass(frozen=True)
class Phases:
    """Codes → what the device takes → on the device → computed → back → output codes.

    `send` and `receive` are `same` where the device is the host. `compute` ends when it is done.
    """

    before: Phase
    send: Phase
    compute: Phase
    receive: Phase
    after: Phase

    def run(self, codes: Codes) -> Codes:
        """All of them, in order."""
        found: Codes = self.after(self.receive(self.compute(self.send(self.before(codes)))))
        return found


class Phased(Protocol):
    """An executor that can be measured phase by phase."""

    name: str

    def infer(self, codes: Any) -> Codes:
        """As every executor."""

    def phases(self, batch: int) -> Phases:
        """For batches of that size."""


def finished(device: str) -> Phase:
    """Waits until the device has done all that it was given; a CPU has."""
    if not device.startswith("cuda"):
        return same
    import torch

    def wait(value: Any) -> Any:
        torch.cuda.synchronize(device)
        return value

    return wait
