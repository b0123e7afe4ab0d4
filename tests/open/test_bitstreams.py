"""The ways to a bitstream with open tools, from RTL to the file, on a small accelerator.

The same stages as for a network, in minutes less. Nothing here ran on hardware.
"""

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lepton_hw.bitstreams import ecp5_open, zynq_open
from lepton_hw.bitstreams.request import Figures, Request
from lepton_hw.board import load_board
from lepton_hw.errors import InputError, Mismatch, MissingTool, StageError
from lepton_hw.netlist import read_modules
from lepton_hw.progress import SILENT
from lepton_hw.rtl.shell import zynq_top
from lepton_hw.sim import zynq_netlist
from lepton_hw.sim.netlist import require_exact
from lepton_hw.tools import nextpnr_ecp5, nextpnr_xilinx, prjxray, yosys
from lepton_hw.xc7 import bitfile
from tests.rtl.shell_cases import expected, make

SHAPE = (3, 5, 7)  # bytes of a beat in and out, beats a frame


def request_for(folder: Path, board: str) -> Request:
    design = make(folder / "design", *SHAPE)
    inputs = np.random.default_rng(1).integers(0, 256, (6, 7, 3))
    raw = inputs.astype(np.uint8).reshape(-1)
    outputs = expected(raw, *SHAPE).reshape(6, 7, 5).astype(np.int64)
    work = folder / "a path with spaces"
    work.mkdir()
    return Request(
        design=design, folder=folder / "design", board=load_board(board), workdir=work,
        bit=work / "design.bit", vectors=(inputs, outputs), progress=SILENT, seeds=(1,),
    )  # fmt: skip


def test_zynq(tools: prjxray.Prjxray, tmp_path: Path) -> None:
    wanted = request_for(tmp_path, "pynq_z2")
    figures = zynq_open.build(wanted)
    assert figures.netlist_vectors == 6
    assert figures.achieved > 50
    assert 0 < figures.clock <= min(100.0, figures.achieved)
    assert figures.features > 10_000
    assert figures.used is not None
    assert 500 < figures.used["lut"] < 5_000
    found = bitfile.inspect(wanted.bit, wanted.board.part)
    assert (found.device, found.design) == ("7z020", "lepton_zynq;Generator=lepton_hw")
    assert f"{figures.clock:g}" in wanted.bit.with_suffix(".hwh").read_text()
    assert {log.name for log in (wanted.workdir / "logs").iterdir()} == {
        "synthesis.log", "seed_1.log"
    }  # fmt: skip
    assert same(rebuilt(wanted, zynq_open), figures)


def rebuilt(wanted: Request, way: ModuleType) -> Figures:
    """Figures of the same build in a new folder, in which only the last step may run."""
    work = wanted.workdir.with_name("new")
    work.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in (
            (yosys, "synthesise"), (way, "_prove"), (nextpnr_ecp5, "run"),
            (nextpnr_xilinx.Nextpnr, "run"),
        ):  # fmt: skip
            patch.setattr(owner, name, lambda *_, **__: pytest.fail("it ran again"))
        figures = way.build(replace(wanted, workdir=work, bit=work / "design.bit"))
    assert (work / "design.bit").read_bytes() == wanted.bit.read_bytes()
    return figures


def same(one: Figures, other: Figures) -> bool:
    """Whether they differ in the time of the last step at most, which is not kept."""
    assert one.seconds
    assert other.seconds
    seconds = {**other.seconds, "bitstream": one.seconds["bitstream"]}
    return one == replace(other, seconds=seconds)


def test_a_wrong_netlist_is_noticed(tools: prjxray.Prjxray, tmp_path: Path) -> None:
    """Flipped truth tables and wrong wires of the whole fabric change integers, or hang it."""
    wanted = request_for(tmp_path, "pynq_z2")
    made = yosys.synthesise(zynq_open._job(wanted, bytes(32)), tmp_path)
    modules = read_modules(made.json)
    fabric = modules[zynq_top.ZYNQ_TOP]
    luts = [i for i, cell in enumerate(fabric.cells) if cell.type == "LUT6"]
    noticed = 0
    for index in luts[:: max(1, len(luts) // 3)][:3]:
        cell = fabric.cells[index]
        flipped = "".join("10"[int(bit)] for bit in cell.parameters["INIT"])
        broken = replace(cell, parameters={**cell.parameters, "INIT": flipped})
        cells = (*fabric.cells[:index], broken, *fabric.cells[index + 1 :])
        spoilt = {**modules, zynq_top.ZYNQ_TOP: replace(fabric, cells=cells)}
        try:
            require_exact(
                zynq_netlist.prove(
                    spoilt, zynq_top.ZYNQ_TOP, wanted.design, *wanted.vectors, unknown=("0",)
                ),
                "xc7",
            )
        except (Mismatch, StageError, InputError):
            noticed += 1
    assert noticed >= 2  # one may sit where these vectors do not look


def test_ecp5(tmp_path: Path) -> None:
    try:
        nextpnr_ecp5.find()
        yosys.find()
    except MissingTool as error:
        pytest.skip(str(error))
    wanted = request_for(tmp_path, "ulx3s")
    figures = ecp5_open.build(wanted)
    assert figures.netlist_vectors == 6
    assert figures.achieved >= figures.clock == wanted.board.clock
    assert wanted.bit.stat().st_size > 10_000
    json.dumps(figures.used)
    assert same(rebuilt(wanted, ecp5_open), figures)


def test_too_large_is_said_before_place_and_route(tools: prjxray.Prjxray, tmp_path: Path) -> None:
    wanted = request_for(tmp_path, "pynq_z2")
    small = wanted.board.resources.model_copy(update={"lut": 100})
    tiny = replace(wanted, board=wanted.board.model_copy(update={"resources": small}))
    with pytest.raises(StageError, match=r"the synthesised design needs [\d,]+ lut; expected at m"):
        zynq_open.build(tiny)
