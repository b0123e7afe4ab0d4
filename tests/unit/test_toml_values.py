"""Every mistake in a file becomes one sentence with file, key, value and expectation."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lepton_hw.board import ROOT, Board
from lepton_hw.errors import InputError
from lepton_hw.flow import Flow
from lepton_hw.toml_values import MAX_BYTES, load_named, read_toml

BOARD_KEYS = (
    "one of board_part, clock, dsp, finn_board, name, part, pynq, resources, sensors, serial, "
    "shell, title, toolchains"
)
STEPS = (
    "one of 'resize', 'center_crop', 'random_crop', 'flip', 'rotate', 'brightness', 'denoise', "
    "'normalise'"
)
BOARD = """\
name = "desk"
title = "A board"
part = "xc7z000"
finn_board = "Desk"
clock = "100 MHz"
dsp = "DSP48E1"
shell = "zynq-iodma"
toolchains = ["vivado", "open"]
sensors = []
[resources]
lut = 53200
ff = 106400
bram36 = 140
uram = 0
dsp = 220
[pynq]
image = "3.1"
python = "3.10"
"""
FLOW = """\
name = "digits"
[data]
set = "digits"
augment = [{ op = "flip" }, { op = "rotate", degrees = 10.0 }]
[model]
name = "cnn_small"
weight_bits = 4
act_bits = 4
[train]
epochs = 40
[compile]
target_fps = 90000
"""

BOARD_MISTAKES = {
    # duplicates
    ("lut = 53200", "lut = 53200\nlut = 1"):
        " line 12: key 'lut' stands twice (lut = 1); expected each key once; "
        "delete one of the two.",
    ("[pynq]", "[resources]\n[pynq]"):
        " line 16: key 'resources' stands twice ([resources]); expected each key once; "
        "delete one of the two.",
    ('image = "3.1"', 'image = { a = 1, a = 2 }'):
        " line 17: key 'a' stands twice (image = { a = 1, a = 2 }); expected each key once; "
        "delete one of the two.",
    # unknown and missing keys; a misspelt key is both, and is reported as the first
    ("lut = 53200", "luts = 53200"):
        ": key 'resources.luts' = 53200 is unknown; expected one of bram36, dsp, ff, lut, uram; "
        "rename it if you mean 'lut'.",
    ('title = "A board"', 'title = "A board"\nwheels = 4'):
        f": key 'wheels' = 4 is unknown; expected {BOARD_KEYS}; remove it.",
    ("[resources]", "[resource]"):
        ': key \'resource\' = {"lut": 53200, "ff": 106400, "bram36": 140, "uram": 0, "dsp… is '
        f"unknown; expected {BOARD_KEYS}; rename it if you mean 'resources'.",
    ("lut = 53200", ""):
        ": key 'resources.lut' is missing; expected every required key; add 'resources.lut'.",
    ('dsp = "DSP48E1"', ""):
        ": key 'dsp' is missing; expected every required key; add 'dsp'.",
    # units
    ('"100 MHz"', "100"):
        ": key 'clock' is 100; expected a frequency with its unit, such as '100 MHz'; "
        "correct the value.",
    ('"100 MHz"', '"10 ns"'):
        ": key 'clock' is \"10 ns\"; expected a frequency with its unit, such as '100 MHz'; "
        "correct the value.",
    ('"100 MHz"', '"0 MHz"'):
        ": key 'clock' is \"0 MHz\"; expected a frequency with its unit, such as '100 MHz'; "
        "correct the value.",
    # types and ranges
    ("lut = 53200", 'lut = "53200"'):
        ": key 'resources.lut' is \"53200\"; expected an integer; correct the value.",
    ("lut = 53200", "lut = true"):
        ": key 'resources.lut' is true; expected an integer; correct the value.",
    ("lut = 53200", "lut = 0"):
        ": key 'resources.lut' is 0; expected a number greater than 0; correct the value.",
    ('"DSP48E1"', '"DSP48"'):
        ": key 'dsp' is \"DSP48\"; expected 'DSP48E1', 'DSP48E2', 'DSP58' or "
        "'MULT18X18D'; correct the value.",
    ('["vivado", "open"]', '"vivado"'):
        ": key 'toolchains' is \"vivado\"; expected a list in [ ]; correct the value.",
    ('["vivado", "open"]', '["vivado", "free"]'):
        ": key 'toolchains[1]' is \"free\"; expected 'vivado' or 'open'; correct the value.",
    ('image = "3.1"', "image = { a = 1 }"):
        ": key 'pynq.image' is {\"a\": 1}; expected text in quotes; correct the value.",
    ('"desk"', '"My Desk"'):
        ": key 'name' is \"My Desk\"; expected text of the form ^[a-z0-9_]+$; correct the value.",
    # syntax
    ("sensors = []", "sensors"):
        " line 9: sensors; expected valid TOML; "
        "correct column 8 (expected '=' after a key in a key/value pair).",
    ('title = "A board"', 'title = """A board'):
        ": end of file; expected valid TOML; correct the end (unterminated string).",
}  # fmt: skip

FLOW_MISTAKES = {
    ("weight_bits = 4", "weight_bits = 17"):
        ": key 'model.weight_bits' is 17; expected a number less than or equal to 8; "
        "correct the value.",
    ("epochs = 40", "epochs = 40\nlearning_rate = inf"):
        ": key 'train.learning_rate' is Infinity; expected a finite number; correct the value.",
    ('op = "rotate"', 'op = "spin"'):
        f": key 'data.augment[1].op' is \"spin\"; expected {STEPS}; correct the value.",
    ('op = "rotate", ', ""):
        ": key 'data.augment[1].op' is missing; expected every required key; "
        "add 'data.augment[1].op'.",
    ("degrees = 10.0", "degree = 10.0"):
        ": key 'data.augment[1].degree' = 10.0 is unknown; expected one of degrees, op; "
        "rename it if you mean 'degrees'.",
    ("degrees = 10.0", "degrees = 300"):
        ": key 'data.augment[1].degrees' is 300; expected a number less than or equal to 180; "
        "correct the value.",
    ('set = "digits"', 'set = "digits"\nshape = [8, 8]'):
        ": key 'data.shape' is [8, 8]; expected 3 values; add the rest.",
    ('set = "digits"', 'set = "digits"\npreprocess = [{ op = "flip" }]'):
        ": table [data] has set, preprocess, augment; expected no random step in preprocess, "
        "move 'flip' to augment; change its keys.",
    ("target_fps = 90000", ""):
        ": table [compile] has no keys; expected exactly one of target_fps, target_latency_us, "
        "folding and largest (the first two may go together); change its keys.",
    ("target_fps = 90000", 'target_fps = 1\nfolding = "f.json"'):
        ": table [compile] has target_fps, folding; expected exactly one of target_fps, "
        "target_latency_us, folding and largest (the first two may go together); change its keys.",
    ("target_fps = 90000", 'objective = "latency"\nfolding = "f.json"'):
        ": table [compile] has objective, folding; expected objective latency only with target_fps "
        "or largest; change its keys.",
    ("target_fps = 90000", 'objective = "latency"\ntarget_latency_us = 9.5'):
        ": table [compile] has objective, target_latency_us; expected either objective latency, "
        "for the least, or target_latency_us; change its keys.",
    ("target_fps = 90000", "target_latency_us = 0"):
        ": key 'compile.target_latency_us' is 0; expected a number greater than 0; "
        "correct the value.",
    ("[train]\nepochs = 40", ""):
        ": the file has name, data, model, compile; expected the table [train], or model_file "
        "for a finished model; change its keys.",
}  # fmt: skip


def refused(path: Path, kind: Any) -> str:
    """The sentence with which reading the file as `kind` ends."""
    with pytest.raises(InputError) as error:
        read_toml(path, kind)
    assert error.value.exit_code == 1
    return str(error.value)


@pytest.mark.parametrize(
    ("kind", "whole", "change", "sentence"),
    [(Board, BOARD, change, sentence) for change, sentence in BOARD_MISTAKES.items()]
    + [(Flow, FLOW, change, sentence) for change, sentence in FLOW_MISTAKES.items()],
)
def test_a_mistake_is_one_sentence(
    tmp_path: Path, kind: Any, whole: str, change: tuple[str, str], sentence: str
) -> None:
    path = tmp_path / "file.toml"
    path.write_text(whole)
    read_toml(path, kind)  # without the mistake it reads
    assert whole.count(change[0]) == 1
    path.write_text(whole.replace(*change))
    assert refused(path, kind) == f"{path}{sentence}"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"name = '\xff'", " is not UTF-8 text (byte 8); expected a TOML file; check the path."),
        (b"\0\1", " line 1: \ufffd\ufffd; expected valid TOML; "
                  "correct column 1 (invalid statement)."),
        (b"#" * (MAX_BYTES + 1), " is too large for a page of values; expected at most 1,048,576 "
                                 "bytes; pass a flow or board file."),
        (b"a = " + b"[" * 50_000, " holds a number or a nesting that is too large to read; "
                                  "expected a page of plain values; correct the file."),
        (b"a = " + b"1" * 5_000, " holds a number or a nesting that is too large to read; "
                                 "expected a page of plain values; correct the file."),
        (b"a" + b".a" * 5_000 + b" = 1", " holds a number or a nesting that is too large to read; "
                                         "expected a page of plain values; correct the file."),
        (b"a = 0x" + b"f" * 5_000, " holds a number or a nesting that is too large to read; "
                                   "expected a page of plain values; correct the file."),
        (b"", ": key 'name' is missing; expected every required key; add 'name'."),
    ],
    ids=["not text", "binary", "too large", "too deep", "too long a number",
         "too long a key", "too long in hex", "empty"],
)  # fmt: skip
def test_a_file_that_is_none(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "file.toml"
    path.write_bytes(content)
    assert refused(path, Board) == f"{path}{sentence}"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    assert refused(missing, Board) == (
        f"{missing} cannot be read (No such file or directory); "
        "expected a readable TOML file; check the path."
    )
    assert "(Is a directory)" in refused(tmp_path, Board)


@pytest.mark.parametrize(
    ("text", "megahertz"), [("100 MHz", 100), ("1 GHz", 1000), ("50000 kHz", 50), ("12.5MHz", 12.5)]
)
def test_frequencies(tmp_path: Path, text: str, megahertz: float) -> None:
    path = tmp_path / "desk.toml"
    path.write_text(BOARD.replace("100 MHz", text))
    board = read_toml(path, Board)
    assert board.clock == pytest.approx(megahertz)
    assert board.clock_ns == pytest.approx(1000 / megahertz)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(BOARD)), st.integers(0, 8), st.binary(max_size=8))
def test_no_edit_ends_in_anything_but_a_sentence(
    tmp_path: Path, start: int, removed: int, added: bytes
) -> None:
    path = tmp_path / "file.toml"
    path.write_bytes(BOARD.encode()[:start] + added + BOARD.encode()[start + removed :])
    try:
        read_toml(path, Board)
    except InputError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)


@pytest.mark.parametrize("folder", ["boards", "flows"])
def test_the_projects_own_files_read(folder: str) -> None:
    kind: Any = {"boards": Board, "flows": Flow}[folder]
    files = sorted((ROOT / folder).glob("*.toml"))
    assert files
    for file in files:
        assert read_toml(file, kind).name == file.stem


@pytest.mark.parametrize("depth", range(100, 1_200, 100))
def test_a_long_key_is_one_sentence(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "file.toml"
    path.write_text("a" + ".a" * depth + " = 1")
    assert len(refused(path, Board)) < 1_000


def test_a_key_is_shown_as_text(tmp_path: Path) -> None:
    path = tmp_path / "file.toml"
    path.write_text(f'"\\u001b[2J\\n error: none{"x" * 100}" = 1\n' + BOARD)
    shown = "\ufffd[2J error: none".ljust(59, "x") + "…"
    assert refused(path, Board).startswith(f"{path}: key '{shown}' = 1 is unknown; expected ")


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".toml", "x" * 5_000, "a\nb", "."])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(InputError, match=r"^there is no flow '.*'; expected one of .*digits_cnn"):
        load_named(name, Flow, "flows")


def test_a_name_below_a_loop_is_none(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="there is no flow "):
        load_named(str(tmp_path / "loop" / "x.toml"), Flow, "flows")
