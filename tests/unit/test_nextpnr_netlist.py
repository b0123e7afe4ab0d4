"""What nextpnr would lose of a netlist is written otherwise, and the function stays."""

from typing import Any

import pytest

from lepton_hw.errors import InputError, StageError
from lepton_hw.tools import nextpnr_netlist


def netlist(**cells: dict[str, Any]) -> dict[str, Any]:
    return {"creator": "x", "modules": {"top": {"ports": {}, "cells": cells}}}


def test_contents_of_distributed_memories_are_kept() -> None:
    ram = {"type": "RAM64M", "parameters": {"INIT_A": "01", "INIT_D": "x1"}}
    given = netlist(m=ram, n={"type": "RAM64M"}, l={"type": "LUT2"})
    made = nextpnr_netlist.prepared(given)["modules"]["top"]["cells"]
    assert made["m"]["parameters"] == {**ram["parameters"], "INITA": "01", "INITD": "x1"}
    assert made["n"]["parameters"] == {}
    assert made["l"] == {"type": "LUT2"}
    assert "INITA" not in ram["parameters"]


def test_a_small_memory_with_contents_becomes_two() -> None:
    wires = {"ADDRA": [2, 3, 4, 5, 6], "ADDRD": [7, 8, 9, 10, 11], "DIA": [12, 13],
             "DOA": [14, 15], "WCLK": [1], "WE": ["1"]}  # fmt: skip
    words = [(3 * n) % 4 for n in range(32)]
    contents = "".join(f"{word:02b}" for word in reversed(words))
    ram = {"type": "RAM32M", "parameters": {"INIT_A": contents}, "connections": wires}
    empty = {**ram, "parameters": {"INIT_A": "x" * 64}}
    made = nextpnr_netlist.prepared(netlist(m=ram, e=empty))["modules"]["top"]["cells"]
    assert made["e"] == empty
    assert set(made) == {"e", "m$bit0", "m$bit1"}
    for bit in range(2):
        half = made[f"m$bit{bit}"]
        assert half["type"] == "RAM64M"
        assert half["connections"] == {
            "ADDRA": [2, 3, 4, 5, 6, "0"], "ADDRD": [7, 8, 9, 10, 11, "0"], "DIA": [12 + bit],
            "DOA": [14 + bit], "WCLK": [1], "WE": ["1"],
        }  # fmt: skip
        read = half["parameters"]["INITA"][::-1]
        assert [int(read[n]) for n in range(64)] == [word >> bit & 1 for word in words] * 2
        assert set(half["parameters"]["INITB"]) == {"0"}


def test_single_port_memories_become_dual_port() -> None:
    wires = {"A0": [2], "A1": [3], "A2": [4], "A3": [5], "A4": [6], "D": [7], "O": [8], "WE": [9]}
    given = {"type": "RAM32X1S", "parameters": {"INIT": "01"}, "connections": wires,
             "port_directions": {"O": "output"}}  # fmt: skip
    made = nextpnr_netlist.prepared(netlist(m=given))["modules"]["top"]["cells"]["m"]
    assert (made["type"], made["parameters"]) == ("RAM32X1D", {"INIT": "01"})
    assert made["connections"]["SPO"] == [8]
    assert "O" not in made["connections"]
    assert [made["connections"][f"DPRA{n}"] for n in range(5)] == [[2], [3], [4], [5], [6]]
    assert made["port_directions"]["SPO"] == "output"
    assert made["port_directions"]["DPRA4"] == "input"


def test_shift_registers_must_start_with_zeros() -> None:
    zero = {"type": "SRL16E", "parameters": {"INIT": "x0x0"}}
    assert nextpnr_netlist.prepared(netlist(a=zero))
    one = {"type": "SRLC32E", "parameters": {"INIT": "00100"}}
    with pytest.raises(StageError, match=r"1 shift registers start with ones \(first b\).*-nosrl"):
        nextpnr_netlist.prepared(netlist(a=zero, b=one))
    for broken in ({}, {"modules": 3}, {"modules": {"top": {"cells": {"a": {}}}}}):
        with pytest.raises(InputError, match="no modules with cells"):
            nextpnr_netlist.prepared(broken)


def test_flip_flops_that_feed_a_memory_are_slowed() -> None:
    def cell(kind: str, **wires: list[Any]) -> dict[str, Any]:
        return {"type": kind, "connections": wires}

    given = netlist(
        f=cell("FDRE", D=[2], Q=[3]), g=cell("FDRE", D=[2], Q=[4]), l=cell("LUT2", I0=[3], O=[5]),
        m=cell("RAMB18E1", DIADI=[3, 5, "0", 4], ADDRARDADDR=[3], DOADO=[9]),
        n=cell("RAMB36E1", DIBDI=[3], DIPBDIP=["x"]),
    )  # fmt: skip
    made = nextpnr_netlist.slowed(given)["modules"]["top"]["cells"]
    slow = {each["connections"]["I0"][0]: each["connections"]["O"][0]
            for name, each in made.items() if name.startswith("$hold$")}  # fmt: skip
    assert set(slow) == {3, 4}
    assert sorted(slow.values()) == [10, 11]  # nets that nothing used before
    assert made["m"]["connections"]["DIADI"] == [slow[3], 5, "0", slow[4]]
    assert made["m"]["connections"]["ADDRARDADDR"] == [3]
    assert made["n"]["connections"]["DIBDI"] == [slow[3]]
    assert made["n"]["connections"]["DIPBDIP"] == ["x"]
    assert made["l"] == given["modules"]["top"]["cells"]["l"]
    lut = made["$hold$3"]
    assert (lut["type"], lut["parameters"]) == ("LUT1", {"INIT": "10"})  # its output is its input
    assert given["modules"]["top"]["cells"]["m"]["connections"]["DIADI"] == [3, 5, "0", 4]


def test_the_router_looks_far() -> None:
    """nextpnr reads numbers of settings as 32 bits in text."""
    made = nextpnr_netlist.with_margins({"creator": "x", "modules": {"top": {"cells": {}}}})
    assert made["modules"]["top"]["cells"] == {}
    assert {name: int(bits, 2) for name, bits in made["modules"]["top"]["settings"].items()} == {
        "router2/bbMargin/x": 60, "router2/bbMargin/y": 110
    }  # fmt: skip


def test_what_the_timing_leaves_out() -> None:
    given = netlist(a={"type": "RAMB36E1"}, b={"type": "RAMB36E1"}, c={"type": "PS7"},
                    d={"type": "RAMB18E1"})  # fmt: skip
    assert nextpnr_netlist.untimed(given) == {"RAMB36E1": 2, "PS7": 1}
