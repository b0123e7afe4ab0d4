"""A QONNX file made to do harm: it imports, hangs, kills and certifies nothing; it is refused."""

import sys
from pathlib import Path

import pytest

from lepton_hw.cli import run
from lepton_hw.errors import InputError
from lepton_hw.stages.lint import lint_file

from .hostile_onnx import FAULTS, Model, faulty, node_of, parameter, refused_by_both, with_cycle
from .test_adopt import adopted


@pytest.mark.parametrize("domain", ["evilmod", "ai.onnx.ml", "finn.custom_op.fpgadataflow", "finn"])
def test_no_module_is_imported(
    domain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evilmod.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    def fault(model: Model) -> None:
        node_of(model, "Relu").domain = domain

    file = faulty(tmp_path / "m.onnx", fault)
    sentence = rf"layer 'Relu_relu' \(Relu\) is of domain '{domain}'; expected operators of ONNX"
    refused_by_both(file, tmp_path / "out", sentence)
    assert "evilmod" not in sys.modules


def test_the_other_name_of_onnx_is_no_module(tmp_path: Path) -> None:
    """QONNX would import ``ai.onnx`` from the working directory."""

    def fault(model: Model) -> None:
        node_of(model, "Relu").domain = "ai.onnx"

    assert lint_file(faulty(tmp_path / "m.onnx", fault)) == ()


@pytest.mark.parametrize("name", FAULTS)
def test_both_verbs_refuse(name: str, tmp_path: Path) -> None:
    fault, sentence = FAULTS[name]
    refused_by_both(faulty(tmp_path / "m.onnx", fault), tmp_path / "out", sentence)


@pytest.mark.parametrize("bits", [-3.0, 0.0, 1e9, 2.5])
def test_bits_that_are_none(bits: float, tmp_path: Path) -> None:
    """As a constant that passes every check of numbers."""
    file = faulty(tmp_path / "m.onnx", parameter(3, bits))
    with pytest.raises(InputError, match=r"has .* bits; expected a whole number from 1 to 8"):
        adopted(file, tmp_path / "out")


def test_the_command_says_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = faulty(tmp_path / "m.onnx", with_cycle)
    for words in (["lint", str(file)], ["build", "--model", str(file), "--board", "pynq_z2"]):
        assert run([*words, *(["--build-dir", str(tmp_path / "b")] if len(words) > 2 else [])]) == 1
        said = capsys.readouterr().err
        assert "'round' is read by 'a' before any layer makes it" in said
        assert "internal error" not in said
    assert [p for p in (tmp_path / "b").rglob("*") if p.is_file() and p.name != ".lock"] == []
