"""Where the shell is in a processor's address space, and what that processor is.

Plain values from the standard library: the virtual board reads them where nothing else is
installed. docs/shell.md says what the registers mean.
"""

from typing import NamedTuple

from lepton_hw.errors import InputError


class Segment(NamedTuple):
    """A block of registers by name; `offset` from the shell's base and `size`, in bytes."""

    name: str
    offset: int
    size: int


class Processor(NamedTuple):
    """The processor beside the fabric, as the shell and pynq meet it.

    `arch` is what ``uname -m`` says there, `ip` the block's name in Vivado, `base` the address of
    the shell (the first of the general-purpose port), `pll_mhz` the clock that is divided for the
    fabric, `reference_mhz` the board's oscillator.
    """

    family: str
    arch: str
    ip: str
    version: str
    port: str
    base: int
    axi3: bool
    pll_mhz: float
    reference_mhz: float


SEGMENTS = (
    Segment("idma0", 0x0_0000, 0x1_0000),
    Segment("odma0", 0x1_0000, 0x1_0000),
    Segment("lepton0", 0x2_0000, 0x1_0000),
)
#: UG585 (Zynq-7000), UG1085 (Zynq UltraScale+): addresses. PYNQ's images: the PLLs.
ZYNQ_7000 = Processor(
    "Zynq-7000", "armv7l", "processing_system7", "5.5", "M_AXI_GP0", 0x4000_0000, True, 1000.0, 50.0
)
ZYNQ_ULTRASCALE = Processor(
    "Zynq UltraScale+", "aarch64", "zynq_ultra_ps_e", "3.4", "M_AXI_HPM0_FPD", 0xA000_0000, False,
    1499.985, 33.333,
)  # fmt: skip
_BY_PART = {"xc7z": ZYNQ_7000, "xczu": ZYNQ_ULTRASCALE, "xck2": ZYNQ_ULTRASCALE}


def processor_of(part: str) -> Processor:
    """The processor of a part; raises `InputError` for one without a processor."""
    for prefix, processor in _BY_PART.items():
        if part.lower().startswith(prefix):
            return processor
    raise InputError(
        f"the part {part} has no processor that is known here",
        "a Zynq-7000 or Zynq UltraScale+ (xc7z…, xczu…, xck2…)",
        "choose another board",
    )


def divisors(processor: Processor, clock_mhz: float) -> tuple[int, int]:
    """The two divisors, 1 to 63 each, for the fastest clock that is not above `clock_mhz`."""
    pairs = [(a, b) for a in range(1, 64) for b in range(1, a + 1)]
    slow = [pair for pair in pairs if processor.pll_mhz / (pair[0] * pair[1]) <= clock_mhz * 1.0001]
    if not slow:
        raise InputError(
            f"the clock {clock_mhz:g} MHz",
            f"at least {processor.pll_mhz / 63 / 63:.2f} MHz",
            "choose a faster one",
        )
    return min(slow, key=lambda pair: (pair[0] * pair[1], pair[0]))
