"""Two real models of other people, end to end; they are not part of the project."""

from pathlib import Path

import pytest

from lepton_hw.cli import run
from lepton_hw.flow import ROOT

MODELS = ROOT.parent / "shared" / "models"


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("TFC_2W2A.onnx", ()),
        ("qkeras_jettagging.onnx", ("--input-type", "INT8", "--input-scale", "0.0625")),
    ],
)
def test_exact(
    file: str, options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    model = MODELS / file
    if not model.is_file():
        pytest.skip(f"{file} is not in shared/models beside the project")
    command = ("build", "--model", str(model), "--board", "pynq_z2", "--to", "certify")
    code = run([*command, *options, "--build-dir", str(tmp_path), "--json"])
    told = capsys.readouterr()
    assert code == 0, told.err
    certificate = json.loads(told.out)["stages"]["certify"]["certificate"]
    assert certificate["exact"] is True
    assert set(certificate["executors"]) == {"qonnx", "finn", "reference", "rtl"}
    assert all(row["vectors"] == 64 for row in certificate["executors"].values())
