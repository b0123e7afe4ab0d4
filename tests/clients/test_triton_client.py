"""NVIDIA's tritonclient and Prometheus' parser, unchanged, against the service.

They live in an environment without the project (``make test-triton-client``), so that the service
is a process of another Python, which LEPTON_PYTHON names.
"""

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

client = pytest.importorskip("tritonclient.http", reason="make test-triton-client installs it")
parser = pytest.importorskip("prometheus_client.parser", reason="make test-triton-client")
PYTHON = os.environ.get("LEPTON_PYTHON", "")


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Where it listens, and the golden vectors of its design."""
    program = Path(__file__).parent / "small_service.py"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([PYTHON, str(program)], text=True, **pipes) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        folder = Path(process.stdout.readline().strip())
        with np.load(folder / "vectors.npz", allow_pickle=False) as vectors:
            golden = dict(vectors)
        yield process.stdout.readline().split(" at http://")[1].split(",")[0], golden
        process.stdin.close()
        assert process.wait(30) == 0


def test_health_and_metadata(service: tuple[str, dict[str, np.ndarray]]) -> None:
    asked = client.InferenceServerClient(service[0])
    assert asked.is_server_live()
    assert asked.is_server_ready()
    assert asked.is_model_ready("net")
    assert asked.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    model = asked.get_model_metadata("net")
    assert model["inputs"][0]["shape"] == [-1, 4, 4, 3]
    assert model["outputs"][0]["datatype"] == "INT16"


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("named", [True, False], ids=["output named", "no output named"])
@pytest.mark.parametrize("kind", ["UINT8", "INT32", "INT64"])
def test_the_golden_integers(
    service: tuple[str, dict[str, np.ndarray]], binary: bool, named: bool, kind: str
) -> None:
    host, golden = service
    codes = golden["inputs"].astype(kind.lower())
    tensor = client.InferInput("input", list(codes.shape), kind)
    tensor.set_data_from_numpy(codes, binary_data=binary)
    output = client.InferRequestedOutput("output", binary_data=binary)
    asked = client.InferenceServerClient(host)
    found = asked.infer("net", [tensor], outputs=[output] if named else None, request_id="7")
    assert np.array_equal(found.as_numpy("output"), golden["outputs"])
    assert found.get_response()["id"] == "7"


def test_a_refusal_is_its_exception(service: tuple[str, dict[str, np.ndarray]]) -> None:
    from tritonclient.utils import InferenceServerException

    tensor = client.InferInput("input", [1, 3], "INT64")
    tensor.set_data_from_numpy(np.zeros((1, 3), np.int64))
    with pytest.raises(InferenceServerException, match=r"input's shape is \[1, 3\]"):
        client.InferenceServerClient(service[0]).infer("net", [tensor])


def test_prometheus_reads_the_metrics(service: tuple[str, dict[str, np.ndarray]]) -> None:
    text = urllib.request.urlopen(f"http://{service[0]}/metrics").read().decode()
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    assert families["lepton_golden_frames"].samples[0].value == 9
    assert families["lepton_batch_frames"].type == "histogram"
    states = {sample.labels["state"]: sample.value for sample in families["lepton_state"].samples}
    assert states["ready"] == 1
