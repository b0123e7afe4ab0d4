"""Which files of a simulator are compiled together, and at which level."""

from pathlib import Path

import pytest

from lepton_hw.sim import units
from lepton_hw.sim.units import JOIN_FEWER, ONE_UNIT, OPTIMISE, OPTIMISE_HARNESS, OPTIMISE_ONCE


def plan(folder: Path, sizes: dict[str, int], **how: bool) -> dict[str, units.Unit]:
    """Units by the names of their files; a file is one function and has this many lines."""
    files = [folder / name for name in (*sizes, "harness.cpp")]
    for file, lines in zip(files, (*sizes.values(), 100), strict=True):
        file.write_text("void f() {\n" + "    x = 1;\n" * (lines - 2) + "}\n")
    made = units.plan(files[:-1], files[-1], **{"quick": False, "gcc": True, **how})
    assert sorted(file for unit in made for file in unit.files) == sorted(files), "each once"
    return {" ".join(file.name for file in unit.files): unit for unit in made}


@pytest.mark.parametrize("quick", [False, True])
def test_a_small_design_is_one_unit(tmp_path: Path, quick: bool) -> None:
    made = plan(tmp_path, {"Vdut.cpp": 50, "Vdut__Slow.cpp": 500}, quick=quick)
    (unit,) = made.values()
    assert unit.files[-1].name == "harness.cpp"
    assert unit.level == (OPTIMISE_ONCE if quick else OPTIMISE)


def test_a_large_one_is_split_by_level_and_size(tmp_path: Path) -> None:
    sizes = {"a.cpp": 3900, "b.cpp": 3800, "c.cpp": 2000, "d__Slow.cpp": 700, "e__Syms.cpp": 20}
    assert sum(sizes.values()) > ONE_UNIT
    made = plan(tmp_path, sizes)
    assert {names: unit.level for names, unit in made.items()} == {
        "a.cpp c.cpp": OPTIMISE,
        "b.cpp": OPTIMISE,
        "harness.cpp": OPTIMISE_HARNESS,
        "d__Slow.cpp e__Syms.cpp": OPTIMISE_ONCE,
    }
    assert next(iter(made)) == "a.cpp c.cpp", "what takes longest is begun first"
    assert list(made)[-1] == "d__Slow.cpp e__Syms.cpp"
    quick = plan(tmp_path, {**sizes, "f.cpp": 12_000}, quick=True)
    assert {unit.level for unit in quick.values()} == {OPTIMISE_ONCE}
    assert len(quick) == 2


@pytest.mark.parametrize("more", [{}, {"other.cpp": 3_900}])
def test_a_long_function_is_compiled_in_linear_time(tmp_path: Path, more: dict[str, int]) -> None:
    sizes = {"long.cpp": units.LONG + 1, **more}
    for names, unit in plan(tmp_path, sizes).items():
        assert (JOIN_FEWER[0] in unit.level) == ("long.cpp" in names)
    for how in ({"gcc": False}, {"quick": True}):  # clang++ knows no such parameter
        made = plan(tmp_path, sizes, **how)
        assert not any(JOIN_FEWER[0] in unit.level for unit in made.values())
