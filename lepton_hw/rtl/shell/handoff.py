"""The hardware handoff (``.hwh``) that ``pynq.Overlay`` reads beside a bitstream.

Vivado writes one for its block designs; for bitstreams that it did not make, this is ours. It says
what pynq needs: the processor, its clocks, and each segment of the shell with its registers.
"""

from collections.abc import Sequence
from xml.etree import ElementTree

from lepton_hw.rtl.shell.address_map import SEGMENTS, Processor, Segment, divisors

PROCESSOR_NAME = "zynq_ps"
#: Registers by segment; docs/shell.md.
_DMA = {"CTRL": 0x00, "ADDRESS_LOW": 0x10, "ADDRESS_HIGH": 0x14, "FRAMES": 0x1C}
_REGISTERS = {
    "idma0": _DMA,
    "odma0": _DMA,
    "lepton0": {
        "MAGIC": 0x00, "VERSION": 0x04, "CONTROL": 0x08, "STATUS": 0x0C, "ERROR": 0x10,
        "ERROR_ADDRESS_LOW": 0x14, "ERROR_ADDRESS_HIGH": 0x18,
    },
}  # fmt: skip
_BUS = "s_axi_control"
_AXI = "xilinx.com:interface:aximm:1.0"


def handoff_text(
    part: str,
    processor: Processor,
    clock_mhz: float,
    segments: Sequence[Segment] = SEGMENTS,
    name: str = "lepton",
) -> str:
    """The whole file; `clock_mhz` is the clock that the design was built for."""
    device, _, package = part.removeprefix("xc").partition("-")
    root = ElementTree.Element("EDKSYSTEM", EDWVERSION="1.2", VIVADOVERSION="lepton_hw")
    ElementTree.SubElement(
        root, "SYSTEMINFO", ARCH="zynq", DEVICE=device, NAME=name, PACKAGE=package
    )
    ElementTree.SubElement(root, "EXTERNALPORTS")
    ElementTree.SubElement(root, "EXTERNALINTERFACES")
    modules = ElementTree.SubElement(root, "MODULES")
    _processor(modules, processor, clock_mhz, segments)
    for segment in segments:
        _segment(modules, segment)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _module(modules: ElementTree.Element, name: str, kind: str, vlnv: str) -> ElementTree.Element:
    return ElementTree.SubElement(
        modules, "MODULE", FULLNAME=f"/{name}", INSTANCE=name, MODTYPE=kind, VLNV=vlnv
    )


def _processor(
    modules: ElementTree.Element,
    processor: Processor,
    clock_mhz: float,
    segments: Sequence[Segment],
) -> None:
    vlnv = f"xilinx.com:ip:{processor.ip}:{processor.version}"
    module = _module(modules, PROCESSOR_NAME, processor.ip, vlnv)
    parameters = ElementTree.SubElement(module, "PARAMETERS")
    for key, value in _clocks(processor, clock_mhz).items():
        ElementTree.SubElement(parameters, "PARAMETER", NAME=key, VALUE=str(value))
    ElementTree.SubElement(module, "PORTS")
    interfaces = ElementTree.SubElement(module, "BUSINTERFACES")
    ElementTree.SubElement(
        interfaces, "BUSINTERFACE", NAME=processor.port, TYPE="MASTER", VLNV=_AXI, DATAWIDTH="32"
    )
    ranges = ElementTree.SubElement(module, "MEMORYMAP")
    for segment in segments:
        first = processor.base + segment.offset
        ElementTree.SubElement(
            ranges, "MEMRANGE", ADDRESSBLOCK="Reg", BASENAME="C_BASEADDR",
            BASEVALUE=f"0x{first:08X}", HIGHNAME="C_HIGHADDR",
            HIGHVALUE=f"0x{first + segment.size - 1:08X}", INSTANCE=segment.name,
            IS_DATA="TRUE", IS_INSTRUCTION="FALSE", MASTERBUSINTERFACE=processor.port,
            MEMTYPE="REGISTER", SLAVEBUSINTERFACE=_BUS,
        )  # fmt: skip


def _clocks(processor: Processor, clock_mhz: float) -> dict[str, object]:
    """Parameters of the four clocks of the fabric; the first drives the design."""
    first = divisors(processor, clock_mhz)
    values: dict[str, object] = {}
    for clock in range(4):
        a, b = first if clock == 0 else (1, 1)
        # pynq 4 looks for this name, whatever the processor is.
        frequency = f"PSU__CRL_APB__PL{clock}_REF_CTRL__ACT_FREQMHZ"
        values[frequency] = round(processor.pll_mhz / (a * b), 6)
        if processor.axi3:
            values[f"PCW_FPGA_FCLK{clock}_ENABLE"] = int(clock == 0)
            values[f"PCW_FCLK{clock}_PERIPHERAL_DIVISOR0"] = a
            values[f"PCW_FCLK{clock}_PERIPHERAL_DIVISOR1"] = b
            values[f"PCW_FCLK{clock}_PERIPHERAL_CLKSRC"] = "IO PLL"
        else:
            values[f"PSU__FPGA_PL{clock}_ENABLE"] = int(clock == 0)
            prefix = f"PSU__CRL_APB__PL{clock}_REF_CTRL__"
            values[prefix + "DIVISOR0"], values[prefix + "DIVISOR1"] = a, b
            values[prefix + "SRCSEL"] = "IOPLL"
    return values


def _segment(modules: ElementTree.Element, segment: Segment) -> None:
    module = _module(modules, segment.name, segment.name, f"lepton:shell:{segment.name}:1.0")
    blocks = ElementTree.SubElement(module, "ADDRESSBLOCKS")
    block = ElementTree.SubElement(
        blocks, "ADDRESSBLOCK", ACCESS="read-write", INTERFACE=_BUS, NAME="Reg",
        RANGE=str(segment.size), USAGE="register",
    )  # fmt: skip
    registers = ElementTree.SubElement(block, "REGISTERS")
    for name, offset in _REGISTERS.get(segment.name, {}).items():
        register = ElementTree.SubElement(registers, "REGISTER", NAME=name)
        properties = {
            "DESCRIPTION": f"{name} (docs/shell.md)", "ADDRESS_OFFSET": f"0x{offset:X}",
            "SIZE": "32", "ACCESS": "read-write", "IS_ENABLED": "true", "RESET_VALUE": "0",
        }  # fmt: skip
        for key, value in properties.items():
            ElementTree.SubElement(register, "PROPERTY", NAME=key, VALUE=value)
        ElementTree.SubElement(register, "FIELDS")
    ElementTree.SubElement(module, "PARAMETERS")
    ElementTree.SubElement(module, "PORTS")
    interfaces = ElementTree.SubElement(module, "BUSINTERFACES")
    ElementTree.SubElement(
        interfaces, "BUSINTERFACE", NAME=_BUS, TYPE="SLAVE", VLNV=_AXI, DATAWIDTH="32"
    )
