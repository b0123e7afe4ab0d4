"""Netlists as values: read from Yosys's JSON, written as Verilog, checked for what may be lost."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lepton_hw.errors import InputError, StageError
from lepton_hw.netlist import (
    Cell,
    Netlist,
    Port,
    black_box,
    joined,
    read_modules,
    read_netlist,
    verilog,
)
from lepton_hw.netlist_checks import check_netlist, check_rtl, read_words
from lepton_hw.sim.netlist import define

JSON = {
    "modules": {
        "PLL": {"attributes": {"blackbox": "1"}, "ports": {}, "cells": {}},
        "top": {
            "attributes": {},
            "ports": {
                "clk": {"direction": "input", "bits": [2]},
                "d": {"direction": "input", "bits": [3, 4]},
                "q": {"direction": "output", "bits": [5, "0"]},
            },
            "cells": {
                "$abc$1": {
                    "type": "LUT2",
                    "parameters": {"INIT": "01x0"},
                    "connections": {"I0": [3], "I1": ["x"], "O": [6]},
                },
                "ff": {
                    "type": "TRELLIS_FF",
                    "parameters": {"CEMUX": "1 ", "GSR": "DISABLED"},
                    "connections": {"CLK": [2], "DI": [6], "Q": [5], "LSR": []},
                },
            },
        },
    }
}
CONTENTS = {"LUT2": "INIT", "TRELLIS_FF": "GSR"}


@pytest.fixture
def netlist(tmp_path: Path) -> Netlist:
    return read_netlist(_written(tmp_path, JSON), "top")


def _written(folder: Path, content: Any) -> Path:
    path = folder / "netlist.json"
    path.write_text(json.dumps(content))
    return path


def test_it_is_read(netlist: Netlist, tmp_path: Path) -> None:
    assert netlist.ports[1] == Port("d", "input", (3, 4))
    assert netlist.count() == {"LUT2": 1, "TRELLIS_FF": 1}
    assert read_modules(tmp_path / "netlist.json")["PLL"].is_box


def test_as_verilog(netlist: Netlist) -> None:
    assert verilog(netlist) == "\n".join(
        [
            "module top (",
            "  input wire clk,",
            "  input wire [1:0] d,",
            "  output wire [1:0] q",
            ");",
            *(f"  wire n{net};" for net in (2, 3, 4, 5, 6)),
            "  assign n2 = clk;",
            "  assign {n4, n3} = d;",
            "  assign q = {1'b0, n5};",
            "  LUT2 #(.INIT(4'b01x0)) c0 (.I0(n3), .I1(1'bx), .O(n6));",
            '  TRELLIS_FF #(.CEMUX("1"), .GSR("DISABLED")) c1 (.CLK(n2), .DI(n6), .Q(n5));',
            "endmodule",
            "",
        ]
    )


def test_undefined_bits_get_a_value(netlist: Netlist) -> None:
    lut, ff = define(netlist, "1").cells
    assert (lut.parameters["INIT"], lut.connections["I1"]) == ("0110", ("1",))
    assert ff == netlist.cells[1]


def test_what_is_no_netlist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no module tops; expected one of PLL, top"):
        read_netlist(_written(tmp_path, JSON), "tops")
    for content in ({}, {"modules": {"top": {}}}, []):
        with pytest.raises(InputError, match=r"netlist\.json is not a netlist"):
            read_netlist(_written(tmp_path, content), "top")


def test_an_inout_has_no_simulation(netlist: Netlist) -> None:
    with pytest.raises(InputError, match="port pad of top is an inout"):
        verilog(replace(netlist, ports=(Port("pad", "inout", (9,)),)))


def check(netlist: Netlist, modules: dict[str, Netlist] | None = None, dsp: bool = False) -> None:
    check_netlist(netlist, modules or {}, CONTENTS, dsp, ("DSP48E1",))


def _with(netlist: Netlist, *cells: Cell) -> Netlist:
    return replace(netlist, cells=(*netlist.cells, *cells))


def test_cells_that_may_not_be(netlist: Netlist) -> None:
    check(netlist)
    with pytest.raises(StageError, match=r"Yosys left a cell \$mul"):
        check(_with(netlist, Cell("m", "$mul", {}, {})))
    slice_ = _with(netlist, Cell("m", "DSP48E1", {}, {}))
    with pytest.raises(StageError, match="has a DSP48E1, which the open tools do not set up"):
        check(slice_)
    check(slice_, dsp=True)


def test_a_lost_content_is_noticed(netlist: Netlist) -> None:
    with pytest.raises(StageError, match="LUT2 l has lost its parameter INIT"):
        check(_with(netlist, Cell("l", "LUT2", {}, {})))


def test_a_black_box_keeps_its_parameters(netlist: Netlist) -> None:
    box = Netlist("PLL", (), (), is_box=True)
    pll = Cell("pll", "PLL", {"DIVIDER": "0011"}, {})
    modules = {"PLL": box, "top": Netlist("top", (), (pll,))}
    check(_with(netlist, replace(pll, name="flat.pll")), modules)
    with pytest.raises(StageError, match=r"a PLL does not have the parameters \{'DIVIDER'"):
        check(_with(netlist, replace(pll, parameters={})), modules)


def _memory(width: int, words: list[int]) -> dict[str, Netlist]:
    bits: list[int | str] = [str(word >> at & 1) for word in words for at in range(width)]
    cell = Cell("i", "$meminit_v2", {"WIDTH": f"{width:032b}"}, {"DATA": tuple(bits)})
    return {"rom": Netlist("rom", (), (cell,))}


def test_memory_contents_must_arrive(tmp_path: Path) -> None:
    path = tmp_path / "weights.dat"
    path.write_text("0f // a comment\n1_0 /* another\none */ 3\n")
    assert read_words(path) == [0x0F, 0x10, 3]
    data = {"rtl/weights.dat": path}
    check_rtl(_memory(5, [0x0F, 0x10, 3]), data)
    check_rtl(_memory(4, [0x0F, 0, 3]), data)  # as $readmemh cuts wide words
    for words in ([0x0F, 0x10, 2], [0x0F, 0x10], [0x0F, 0x10, 3, 0], [0, 0, 0]):
        with pytest.raises(StageError, match=r"the 3 words of rtl/weights\.dat"):
            check_rtl(_memory(5, words), data)
    with pytest.raises(StageError, match="the 3 words"):
        check_rtl({}, data)


def test_a_word_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "weights.dat"
    path.write_text("12\nzz\n")
    with pytest.raises(StageError, match=r"weights\.dat has a word that is not hexadecimal"):
        check_rtl(_memory(5, [0x12]), {"weights.dat": path})


def test_a_module_takes_the_place_of_its_black_box() -> None:
    inner = Netlist("acc", (Port("a b", "input", (2, 3)), Port("q", "output", (4,))), ())
    assert black_box(inner) == (
        "(* blackbox *) module acc (input [1:0] \\a b , output [0:0] q); endmodule\n"
    )
    whole = {"creator": "y", "modules": {
        "top": {"attributes": {"top": "1"}, "cells": {"c": {"type": "acc"}}},
        "acc": {"attributes": {"blackbox": "1"}, "cells": {}},
    }}  # fmt: skip
    part = {"modules": {"acc": {"attributes": {"top": "1", "src": "x"}, "cells": {"f": {}}}}}
    made = joined(whole, part, "acc")
    assert made["modules"]["top"] == whole["modules"]["top"]
    assert made["modules"]["acc"] == {"attributes": {"src": "x"}, "cells": {"f": {}}}
    assert made["creator"] == "y"
    assert part["modules"]["acc"]["attributes"]["top"] == "1"  # the values given stay
