"""`lepton serve` over the integer path: the same integers as RTL, or no service."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lepton_hw import serving
from lepton_hw.errors import InputError, StageError
from lepton_hw.onboard import errors as driver_errors
from lepton_hw.onboard.http_server import Address
from lepton_hw.onboard.service import Service, Settings
from lepton_hw.progress import SILENT
from lepton_hw.reference.reference import Reference
from tests.flow.conftest import Built
from tests.flow.lepton import lepton


@pytest.fixture(scope="module")
def engine(built: Built) -> serving.IntegerEngine:
    return serving._engine(built.flow, built.board, "cpu", built.options, SILENT)


def test_golden_vectors_are_those_of_the_rtl(built: Built, engine: serving.IntegerEngine) -> None:
    golden = engine.subject.golden
    rtl = np.load(built.simulated.path("outputs.npz"))["codes"]
    assert np.array_equal(golden.outputs, rtl)
    service = Service(engine, Settings(check_seconds=0))
    assert service.start() == len(rtl) == built.flow.check.rtl_images
    assert np.array_equal(service.infer(engine.checked(golden.inputs[:7])), rtl[:7])
    service.close()


def test_an_image_gets_the_label_of_its_codes(built: Built, engine: serving.IntegerEngine) -> None:
    golden, contract = engine.subject.golden, built.exported.contract
    found = engine.read_out(golden.outputs[3])
    scores = golden.outputs[3] * np.asarray(contract.output.scale) + contract.output.bias
    assert np.allclose(found.scores, scores)
    assert found.label == contract.labels[int(scores.argmax())]


def test_codes_are_checked_as_on_a_board(engine: serving.IntegerEngine) -> None:
    codes = engine.subject.golden.inputs[:1].astype(np.int64)
    codes[0, 2, 3, 0] = 300
    with pytest.raises(driver_errors.InputError, match=r"input code \(0, 2, 3, 0\) is 300"):
        engine.checked(codes)
    with pytest.raises(driver_errors.InputError, match="input of shape"):
        engine.checked(codes[:, :3])


def test_a_path_that_computes_otherwise_does_not_serve(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Reference.infer

    def wrong(self: Reference, codes: np.ndarray) -> np.ndarray:
        found = right(self, codes)
        found.reshape(-1)[0] += 1
        return found

    monkeypatch.setattr(Reference, "infer", wrong)
    with pytest.raises(StageError, match=r"golden vector \(0, 0\) gives .* as certified; do not"):
        serving.serve_integers(
            built.flow, built.board, "cpu", Address(port=0), 0, replace(built.options)
        )


def test_a_flow_whose_name_no_url_holds(built: Built) -> None:
    flow = built.flow.model_copy(update={"name": "my flow"})
    with pytest.raises(InputError, match="the name is 'my flow'"):
        serving.serve_integers(flow, built.board, "cpu", Address(port=0), 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--on", "tpu"), "--on is 'tpu'; expected one of cpu, gpu, virtual"),
        (("--http", "here:there"), "the address is 'here:there'; expected HOST:PORT"),
        (("--on", "cpu"), "no board was named"),
        (("--check-seconds", "-1"), "invalid value for '--check-seconds'"),
    ],
)
def test_what_the_verb_refuses(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = lepton(capsys, "serve", "digits_cnn", *arguments, "--build-dir", str(tmp_path))
    assert done.code == 1
    assert done.error.startswith(said)
    assert not list(tmp_path.iterdir())
