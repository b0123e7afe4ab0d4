"""The board files, and how a board is found by name or path."""

import re
from pathlib import Path

import pytest

from lepton_hw.board import ROOT, known_boards, load_board
from lepton_hw.errors import InputError

FILES = sorted((ROOT / "boards").glob("*.toml"))
#: DSP generation and the share of flip-flops to LUTs follow from the family of the part.
FAMILIES = {"xc7z": "DSP48E1", "xczu": "DSP48E2", "xck26": "DSP48E2"}


def test_the_five_boards_are_there() -> None:
    assert {"kv260", "pynq_z1", "pynq_z2", "ultra96_v2", "zcu104"} <= set(known_boards())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_values_fit_together(file: Path) -> None:
    board = load_board(file.stem)
    family = next(prefix for prefix in FAMILIES if board.part.startswith(prefix))
    assert board.dsp == FAMILIES[family]
    assert board.resources.ff == 2 * board.resources.lut  # two flip-flops a LUT in both families
    assert (board.resources.uram == 0) or family != "xc7z"
    assert "open" not in board.toolchains or family == "xc7z"  # nothing open routes UltraScale+
    assert 50 <= board.clock <= 400
    assert re.fullmatch(r"3\.\d+", board.pynq.python)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_value_has_its_source(file: Path) -> None:
    text = file.read_text()
    assert text.startswith("# ")
    assert "# Sources: " in text
    values = [
        line for line in text.splitlines() if re.match(r"(part|finn_board|dsp|shell) = ", line)
    ]
    assert len(values) == 5  # dsp is a kind at the top and a count in the table
    tables = re.findall(r"^\[resources\] +# \w+", text, flags=re.MULTILINE)
    assert len(tables) == 1
    assert all("#" in line for line in values if not re.match(r"dsp = \d", line))


def test_an_unknown_board_lists_the_known() -> None:
    with pytest.raises(InputError) as error:
        load_board("pynq_z3")
    assert str(error.value) == (
        f"there is no board 'pynq_z3'; expected one of {', '.join(known_boards())}; "
        "pass one of these, or the path of a board file."
    )


def test_a_board_is_found_by_path_and_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "boards" / "mine.toml"
    mine.parent.mkdir()
    mine.write_text((ROOT / "boards" / "pynq_z2.toml").read_text().replace("pynq_z2", "mine"))
    assert load_board(str(mine)).name == "mine"
    monkeypatch.chdir(tmp_path)
    assert load_board("mine").name == "mine"
    assert {"mine", "pynq_z2"} <= set(known_boards())


def test_the_name_is_that_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text((ROOT / "boards" / "pynq_z2.toml").read_text())
    with pytest.raises(InputError) as error:
        load_board(str(file))
    assert str(error.value) == (
        f"{file}: key 'name' is 'pynq_z2'; expected 'other', as the file; rename one."
    )
