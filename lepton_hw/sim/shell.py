"""The shell with its accelerator in Verilator, built on first use and cached.

It joins the build with the open simulation; docs/shell.md describes the registers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.design import Design
from lepton_hw.rtl.shell import wrapper
from lepton_hw.sim import build
from lepton_hw.sim.shell_model import IDMA, LEPTON, ODMA, ShellModel, Stalls, Traffic

__all__ = ["IDMA", "LEPTON", "ODMA", "ShellSim", "Stalls", "Traffic", "open_shell"]


class ShellSim(ShellModel):
    """A stitched design behind the shell; a context manager.

    Args:
        design, folder: a design of one input and one output, and where its files are.
        memory, base, trace: as for `ShellModel`.
        digest: 32 bytes that lepton0 shows; by default of the design's files.
        axi3: the port of a Zynq-7000, otherwise AXI4. `max_burst`: words, a power of two.
    """

    def __init__(  # noqa: PLR0913 – one keyword for each property of the board
        self,
        design: Design,
        folder: Path,
        memory: NDArray[np.uint8],
        *,
        base: int = 0x1000_0000,
        digest: bytes | None = None,
        axi3: bool = True,
        max_burst: int = 16,
        cache: Path | None = None,
        trace: Path | None = None,
    ) -> None:
        self.design = design
        self.digest = digest or wrapper.design_digest(folder, design)
        library = shell_library(
            design, folder, self.digest, axi3=axi3, max_burst=max_burst, cache=cache,
            trace=trace is not None,
        )  # fmt: skip
        super().__init__(
            library, folder, memory, base=base, max_burst=max_burst, trace=trace,
            limit=1 << wrapper.address_bits(design),
        )  # fmt: skip


def shell_library(
    design: Design,
    folder: Path,
    digest: bytes,
    *,
    axi3: bool,
    max_burst: int = 16,
    cache: Path | None = None,
    trace: bool = False,
) -> Path:
    """The shared library of the design behind the shell, built if need be; see `ShellSim`."""
    text = wrapper.wrapper_text(design, digest, axi3=axi3, max_burst=max_burst)
    folder = folder.resolve()
    recipe = build.Recipe(
        wrapper.TOP,
        (*wrapper.SOURCES, *(folder / name for name in design.sources)),
        (("wrapper.sv", text), ("variant.h", _variant(axi3))),
        harness=build.HERE / "shell.cpp",
        trace=trace,
    )
    return build.library(recipe, cache)


@contextmanager
def open_shell(
    folder: Path, memory_bytes: int, design: Design, **options: Any
) -> Iterator[ShellSim]:
    """A `ShellSim` with zeroed memory, all of it allowed."""
    with ShellSim(design, folder, np.zeros(memory_bytes, np.uint8), **options) as shell:
        shell.allow(shell.base, memory_bytes)
        yield shell


def _variant(axi3: bool) -> str:
    return "#define LEPTON_AXI3\n" if axi3 else "\n"
