"""The board files, and how a board is found by name or path."""

import re
from pathlib import Path

import pytest

from lepton_hw.board import ROOT, known_boards, load_board
from lepton_hw.errors import InputError

FILES = sorted((ROOT / "boards").glob("*.toml"))
#: DSP generation and the share of flip-flops to LUTs follow from the family of the part.
FAMILIES = {"xc7z": "DSP48E1", "xczu": "DSP48E2", "xck26": "DSP48E2", "LFE5U": "MULT18X18D"}
#: Boards without a processor: no PYNQ, and FINN does not know them.
SERIAL = "LFE5U"


def test_the_five_boards_are_there() -> None:
    assert {"kv260", "pynq_z1", "pynq_z2", "ultra96_v2", "zcu104"} <= set(known_boards())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_values_fit_together(file: Path) -> None:
    board = load_board(file.stem)
    family = next(prefix for prefix in FAMILIES if board.part.startswith(prefix))
    assert board.dsp == FAMILIES[family]
    per_lut = 1 if family == SERIAL else 2  # flip-flops
    assert board.resources.ff == per_lut * board.resources.lut
    assert board.resources.uram == 0 or family not in ("xc7z", SERIAL)
    # Nothing open routes UltraScale+, and Vivado knows no other maker's parts.
    assert ("open" in board.toolchains) == (family in ("xc7z", SERIAL))
    assert ("vivado" in board.toolchains) == (family != SERIAL)
    assert 40 <= board.clock <= 400
    assert (board.serial is not None) == (family == SERIAL) == (not board.finn_board)
    if board.pynq is not None:
        assert re.fullmatch(r"3\.\d+", board.pynq.python)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_serial_board_says_how_it_is_reached(file: Path) -> None:
    board = load_board(file.stem)
    if board.serial is None:
        assert board.finn_part == board.part
        assert board.supply == board.resources
        return
    assert board.divisor * board.serial.baud == pytest.approx(board.clock * 1e6)
    pins = (board.serial.clock_pin, board.serial.rx_pin, board.serial.tx_pin)
    assert len(set(pins)) == 3
    assert all(re.fullmatch(r"[A-Z]{1,2}\d{1,2}", pin) for pin in pins)
    assert not board.has_dsp48
    assert board.finn_part != board.part
    assert board.supply.lut < board.resources.lut / 2


def test_a_board_has_a_processor_or_a_uart(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    text = (ROOT / "boards" / "pynq_z2.toml").read_text().replace("pynq_z2", "mine")
    mine.write_text(text.replace("zynq-iodma", "uart"))
    with pytest.raises(InputError, match=r"expected \[serial\] with the shell 'uart'"):
        load_board(str(mine))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_value_has_its_source(file: Path) -> None:
    text = file.read_text()
    assert text.startswith("# ")
    assert "# Sources: " in text
    values = [
        line for line in text.splitlines() if re.match(r"(part|finn_board|dsp|shell) = ", line)
    ]
    finn = "finn_board" in text  # dsp is a kind at the top and a count in the table
    assert len(values) == 4 + finn
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


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        (
            "ulx3s",
            'device = "run=x.py"',
            r"key 'serial\.device' is .*; expected text of the fo",
        ),
        (
            "ulx3s",
            'io_type = "LVCMOS33;\\nLOCATE COMP"',
            r"key 'serial\.io_type' is .*; expected te",
        ),
        ("ulx3s", 'rx_pin = "M1\\n"', r"key 'serial\.rx_pin' is .*; expected text of the form"),
        ("ulx3s", 'loader = "--help"', r"key 'serial\.loader' is .*; expected text of the form"),
        ("pynq_z2", 'part = ""', "key 'part' is .*; expected text of the form"),
        ("pynq_z2", f"lut = {'9' * 400}", r"key 'resources\.lut' is .*; expected a number less th"),
        ("pynq_z2", 'clock = "9000 GHz"', "key 'clock' is .*; expected a number less than or"),
    ],
)
def test_what_no_other_program_may_be_given(
    tmp_path: Path, name: str, line: str, said: str
) -> None:
    text = (ROOT / "boards" / f"{name}.toml").read_text()
    key = line.partition(" ")[0]
    changed = re.sub(rf"(?m)^{key} = .*$", lambda _: line, text, count=1)
    (tmp_path / f"{name}.toml").write_text(changed)
    with pytest.raises(InputError, match=said):
        load_board(str(tmp_path / f"{name}.toml"))
