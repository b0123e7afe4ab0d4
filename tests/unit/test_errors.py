"""An error is one sentence of three parts, and its kind gives the exit code."""

import pytest

from lepton_hw.errors import InputError, LeptonError, Mismatch, MissingTool, StageError


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
