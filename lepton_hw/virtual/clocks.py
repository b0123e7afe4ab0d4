"""The processor's own registers that pynq's ``Clocks`` uses, as they stand when PYNQ has started.

They hold what is written to them; no clock changes, since the simulation counts cycles.
"""

from lepton_hw.rtl.shell.address_map import ZYNQ_7000, Processor

#: UG585, register slcr: PLLs (FDIV from bit 12), dividers of processor and fabric.
_SLCR = 0xF800_0000
_SLCR_VALUES = {
    0x100: 26 << 12,  # ARM PLL, 1,300 MHz
    0x104: 21 << 12,  # DDR PLL
    0x108: 20 << 12,  # I/O PLL, 1,000 MHz
    0x120: 2 << 8,  # the processor runs at 650 MHz
    **dict.fromkeys((0x170, 0x180, 0x190, 0x1A0), 2 << 20 | 5 << 8),  # 100 MHz
}
#: UG1087, modules CRL_APB, CRF_APB: PLLs (FBDIV from bit 8, DIV2 at 16), dividers.
_CRL, _CRF = 0xFF5E_0000, 0xFD1A_0000
_CRL_VALUES = {
    0x20: 1 << 16 | 90 << 8,  # I/O PLL, 1,500 MHz
    0x30: 1 << 16 | 80 << 8,  # RPLL
    **dict.fromkeys((0xC0, 0xC4, 0xC8, 0xCC), 1 << 24 | 1 << 16 | 15 << 8),  # 100 MHz
}
_CRF_VALUES = {
    0x20: 1 << 16 | 72 << 8,  # APLL, 1,200 MHz
    0x2C: 1 << 16 | 64 << 8,  # DPLL
    0x38: 1 << 16 | 90 << 8,  # VPLL
    0x60: 1 << 8,  # the processor's divider
}
#: Widths of the ports between processor and fabric, which pynq sets: FPD_SLCR and the AXI bridges.
_PORT_WIDTHS = (
    0xFD61_5000, 0xFF41_9000, 0xFF9B_0000, *(0xFD36_0000 + 0x1_0000 * port for port in range(6)),
)  # fmt: skip


def processor_registers(processor: Processor) -> dict[int, int]:
    """Address → value; every register that can be read or written."""
    if processor is ZYNQ_7000:
        pages = {_SLCR: _SLCR_VALUES}
    else:
        pages = {_CRL: _CRL_VALUES, _CRF: _CRF_VALUES, **{page: {} for page in _PORT_WIDTHS}}
    found = {}
    for base, values in pages.items():
        for offset in range(0, 0x1000, 4):
            found[base + offset] = values.get(offset, 0)
    return found
