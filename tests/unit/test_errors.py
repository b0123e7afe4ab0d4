"""An error is one sentence of three parts, and its kind gives the exit code."""

import pytest

from lepton_hw.errors import (
    MOST,
    InputError,
    LeptonError,
    Mismatch,
    MissingTool,
    StageError,
    one_line,
)


@pytest.mark.parametrize(
    ("kind", "code"), [(InputError, 1), (StageError, 1), (Mismatch, 1), (MissingTool, 2)]
)
def test_sentence_and_exit_code(kind: type[LeptonError], code: int) -> None:
    error = kind("g++ was not found", "a C++20 compiler", "install g++")
    assert str(error) == "g++ was not found; expected a C++20 compiler; install g++."
    assert (error.found, error.expected, error.remedy) == (
        "g++ was not found", "a C++20 compiler", "install g++",
    )  # fmt: skip
    assert error.exit_code == code
    assert isinstance(error, LeptonError)


def test_no_part_can_be_forgotten() -> None:
    with pytest.raises(TypeError):
        InputError("only what was found")  # type: ignore[call-arg]


@pytest.mark.parametrize("part", range(3))
def test_no_part_reaches_the_terminal_as_it_is(part: int) -> None:
    parts = ["g++ 'é' – 1 µs", "two  spaces", "a\\b"]
    assert one_line(" ".join(parts)) == " ".join(parts)  # what is no harm stays
    parts[part] = "a\x1b]52;c;eA==\x07b\n error: all good\r\x9b2J\u202e\udcff"
    error = InputError(*parts)
    shown = "a\ufffd]52;c;eA==\ufffdb  error: all good \ufffd2J\ufffd\ufffd"
    parts[part] = shown
    assert (error.found, error.expected, error.remedy) == tuple(parts)
    assert str(error) == f"{parts[0]}; expected {parts[1]}; {parts[2]}."
    assert str(error).isprintable()


def test_a_part_has_an_end() -> None:
    error = InputError("start" + "x" * 3_000_000 + "end", "y" * MOST, "z" * (MOST + 1))
    assert error.found.startswith("startxxx")
    assert "x…x" in error.found
    assert error.found.endswith("xxxend")
    assert error.expected == "y" * MOST
    assert len(error.found) <= MOST
    assert len(error.remedy) <= MOST
    again = InputError(error.found, error.expected, error.remedy)  # as some are said on
    assert str(again) == str(error)
