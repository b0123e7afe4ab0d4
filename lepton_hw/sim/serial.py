"""The serial link with its accelerator in Verilator, built on first use and cached.

It joins the build with the open simulation; docs/serial.md describes the link.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lepton_hw.design import Design
from lepton_hw.rtl.serial import wrapper
from lepton_hw.rtl.shell.wrapper import design_digest
from lepton_hw.sim import build
from lepton_hw.sim.serial_model import SerialModel

__all__ = ["SerialModel", "open_serial", "serial_library"]


def serial_library(
    design: Design,
    folder: Path,
    digest: bytes,
    *,
    divisor: int | None = None,
    cache: Path | None = None,
) -> Path:
    """The shared library of the design behind the link, built if need be.

    `divisor`: cycles to a bit, for a simulation with pins; without it bytes go in and out.
    """
    text = wrapper.wrapper_text(design, digest, divisor or 8)
    variant = "\n" if divisor is None else f"#define LEPTON_DIVISOR {divisor}\n"
    folder = folder.resolve()
    recipe = build.Recipe(
        wrapper.BYTES_TOP if divisor is None else wrapper.UART_TOP,
        (*wrapper.SOURCES, *(folder / name for name in design.sources)),
        (("wrapper.sv", text), ("variant.h", variant)),
        harness=build.HERE / "serial.cpp",
    )
    return build.library(recipe, cache)


@contextmanager
def open_serial(
    folder: Path, design: Design, *, divisor: int | None = None, cache: Path | None = None
) -> Iterator[SerialModel]:
    """A `SerialModel` of the design in `folder`, with its own digest in the registers."""
    digest = design_digest(folder, design)
    library = serial_library(design, folder, digest, divisor=divisor, cache=cache)
    with SerialModel(library, folder) as model:
        yield model
