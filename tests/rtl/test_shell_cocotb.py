"""The shell against the AXI models of cocotbext-axi, in a simulation of cocotb's own.

``LEPTON_EXAMPLES`` sets the number of batches (10 if unset).
"""

from pathlib import Path

import pytest

from lepton_hw.design import Design
from lepton_hw.rtl.shell import wrapper
from tests.rtl.cocotb_run import simulate
from tests.rtl.shell_cases import make
from tests.rtl.weight_cases import PLAIN, build

SHAPE = (3, 5, 7)


def run(
    folder: Path, patch: pytest.MonkeyPatch, design: Design, place: Path, module: str, shape: str
) -> None:
    """Runs one module of cocotb's tests on the shell around a design whose files are in `place`."""
    top = folder / "wrapper.v"
    top.write_text(wrapper.wrapper_text(design, bytes(32), axi3=False))
    sources = [*wrapper.SOURCES, *(place / source for source in design.sources), top]
    simulate(folder, patch, sources, wrapper.TOP, module, LEPTON_SHAPE=shape)


def test_random_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "design"
    design = make(place, *SHAPE)
    run(tmp_path, monkeypatch, design, place, "shell_cocotb", " ".join(map(str, SHAPE)))


def test_weights_read_beside_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    design, place = build(PLAIN, tmp_path / "unit")
    places = [(m.offset, m.word_bytes, m.depth, m.lanes * m.bits) for m in design.weights]
    run(tmp_path, monkeypatch, design, place, "weights_cocotb", str(places))
