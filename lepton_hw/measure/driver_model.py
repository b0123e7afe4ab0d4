"""What the driver of a board's own processor adds to the fabric's time, as a model.

Its constants stand here with their sources; they are wide, since no board was measured.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """Seconds, with the bounds between which they are taken to lie."""

    low: float
    value: float
    high: float

    def times(self, count: float) -> "Span":
        """So many of them."""
        return Span(self.low * count, self.value * count, self.high * count)

    def plus(self, other: "Span") -> "Span":
        """Both, one after the other; bounds add up."""
        return Span(self.low + other.low, self.value + other.value, self.high + other.high)


#: Register accesses of a call: eight writes, one look at "done", one at the errors
#: (`lepton_hw/onboard/shell.py`).
ACCESSES = 10
#: One register access from Python on a Zynq-7000. A user of the PYNQ forum ("MMIO write is too
#: slow", thread 389, 2018) waits 150 to 200 ms for 5,600 of them, 27 to 36 µs each, loop and
#: indexing included; the lower bound is assumed.
ACCESS = Span(5e-6, 27e-6, 36e-6)
#: The rest of a call in Python: 5.5 to 14.3 µs on one core of a server (`make bench-driver`), times
#: an assumed 10 to 25 for a Cortex-A9 at 650 MHz.
PYTHON = Span(55e-6, 150e-6, 360e-6)
#: Packing or unpacking one byte, cache flush included: assumed 400, 150 and 40 MB/s.
BYTE = Span(1 / 400e6, 1 / 150e6, 1 / 40e6)

WORDS = (
    "modelled: 10 register accesses of 27 µs (5 to 36; PYNQ forum 389), Python 150 µs "
    "(55 to 360) and 150 MB/s (40 to 400) assumed"
)


def call() -> Span:
    """Of one transfer, whatever its size."""
    return ACCESS.times(ACCESSES).plus(PYTHON)


def copied(size: int) -> Span:
    """Of so many bytes on their way between the caller's array and the DMA buffer."""
    return BYTE.times(size)
