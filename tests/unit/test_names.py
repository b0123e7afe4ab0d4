"""No board is known by name in the code, and no file knows the machine that it was written on."""

import re
from pathlib import Path

import pytest

from lepton_hw.board import ROOT, known_boards, load_board

PACKAGE = ROOT / "lepton_hw"
FOLDERS = (".ci", "boards", "docker", "docs", "flows", "lepton_hw", "tests")
#: Folders that exist on somebody's machine only; a path in the project is relative.
MACHINE = re.compile(r"(?<![\w.~-])/(?:home|root|tmp|mnt|work|Users)/\w")


def board_names() -> list[str]:
    """All names that a board goes by: file, FINN's, part with and without package."""
    boards = [load_board(name) for name in known_boards()]
    parts = [board.part for board in boards] + [board.part.split("-")[0] for board in boards]
    finns = {b.finn_board for b in boards if b.finn_board}
    return sorted({b.name for b in boards} | finns | set(parts))


def mentions(text: str, names: list[str]) -> list[str]:
    """Names that occur in the text as words, however they are written."""
    plain = re.sub(r"[-_ ]", "", text.lower())
    return [name for name in names if re.sub(r"[-_ ]", "", name.lower()) in plain]


def text_files() -> list[Path]:
    """The project's own files: those at its top and in its folders, caches left out."""
    tops = [path for path in ROOT.iterdir() if path.is_file() and path.name != ".git"]
    inner = [path for name in FOLDERS for path in (ROOT / name).rglob("*") if path.is_file()]
    return sorted(path for path in tops + inner if "__pycache__" not in path.parts)


def test_the_names_are_those_of_the_files() -> None:
    assert {"pynq_z2", "Pynq-Z2", "xc7z020clg400-1", "KV260_SOM"} <= set(board_names())


def test_the_search_finds_every_way_of_writing() -> None:
    names = board_names()
    assert mentions("if board == 'PYNQ-Z2':", names) == ["Pynq-Z2", "pynq_z2"]
    assert mentions("# the zcu104's", names) == ["ZCU104", "zcu104"]
    assert mentions("part = XC7Z020CLG400", names) == ["xc7z020clg400"]
    assert mentions("a pynq board with a zynq part", names) == []


def test_no_board_is_named_in_the_code() -> None:
    names = board_names()
    found = {
        path.relative_to(ROOT).as_posix(): mentions(path.read_text(errors="replace"), names)
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {path: names for path, names in found.items() if names} == {}


def test_no_file_knows_a_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in text_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if MACHINE.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(("text", "found"), [
    ("cd /" + "home/someone/x", True),
    ("open('/" + "tmp/x')", True),
    ("build/work/x", False),
    ("../tmp/w", False),
])  # fmt: skip
def test_a_machine_path_is_found(text: str, found: bool) -> None:
    assert bool(MACHINE.search(text)) is found
