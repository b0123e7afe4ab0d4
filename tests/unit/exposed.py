"""Everything that a service exposes to Prometheus: one that answered, failed, and found its way."""

import http.client
import io
import json
import re
import threading
import time
from typing import Any

import numpy as np
from PIL import Image

from lepton_hw.onboard.engine import Engine, Subject
from lepton_hw.onboard.errors import HardwareError
from lepton_hw.onboard.golden import Golden
from lepton_hw.onboard.http_routes import routes_of
from lepton_hw.onboard.http_server import Address, Server
from lepton_hw.onboard.open_inference import Tensor
from lepton_hw.onboard.service import READY, Service

INPUTS = np.arange(32, dtype=np.uint8).reshape(2, 4, 4, 1) % 16
SAMPLE = re.compile(r"([a-z_:]+)(?:\{(.*)\})? \S+\Z")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')

#: Metric → label → its values, as sampled.
Exposed = dict[str, dict[str, set[str]]]


class FakeEngine(Engine):
    """Three sums of the image, a sensor, and one call that fails when `fails` is set."""

    def __init__(self) -> None:
        subject = Subject(
            digest="ab" * 32, where="a test",
            input=Tensor("in", "UINT4", np.uint8, (4, 4, 1), "NHWC"),
            output=Tensor("out", "INT8", np.int8, (3,), "NC"), scale=(0.1,), bias=(),
            host_before=({"op": "decode", "mode": "L"},), host_after=("softmax", "argmax"),
            labels=("a", "b", "c"), golden=Golden(INPUTS, self.infer(INPUTS)),
        )  # fmt: skip
        super().__init__(subject, 8)

    fails = False

    def checked(self, codes: np.ndarray) -> np.ndarray:
        return codes.astype(np.uint8)

    def infer(self, codes: np.ndarray) -> np.ndarray:
        if self.fails:
            self.fails = False
            raise HardwareError("a transfer failed", "none to fail", "try again")
        return codes.reshape(len(codes), 16)[:, :3].astype(np.int64)

    def watts(self) -> dict[str, float]:
        return {"total": 1.5}


def text_of_service() -> str:
    """What ``/metrics`` says after images, codes, a wrong request, and an engine's error."""
    engine = FakeEngine()
    service = Service(engine)
    server = Server(Address(port=0), routes_of(service, "m"), service)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        service.start()
        image = io.BytesIO()
        Image.fromarray(INPUTS[0, :, :, 0]).save(image, "png")
        tensor = {"name": "in", "shape": [1, 4, 4, 1], "datatype": "UINT8",
                  "data": INPUTS[0].reshape(-1).tolist()}  # fmt: skip
        codes = json.dumps({"inputs": [tensor]}).encode()
        assert _ask(server, "POST", "/classify", image.getvalue())[0] == 200
        assert _ask(server, "POST", "/v2/models/m/infer", codes)[0] == 200
        engine.fails = True
        assert _ask(server, "POST", "/v2/models/m/infer", codes)[0] == 503
        while service.state != READY:
            time.sleep(0.01)
        engine.fails = True
        assert _ask(server, "POST", "/classify", image.getvalue())[0] == 503
        assert _ask(server, "GET", "/v2/health/live", b"")[0] == 200
        assert _ask(server, "GET", "/nothing", b"")[0] == 404
        return _ask(server, "GET", "/metrics", b"")[1].decode()
    finally:
        server.stop()
        service.close()


def _ask(server: Server, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    client = http.client.HTTPConnection(*server.address, timeout=10)
    try:
        client.request(method, path, body)
        answer = client.getresponse()
        return answer.status, answer.read()
    finally:
        client.close()


def read(text: str) -> tuple[Exposed, dict[str, str]]:
    """Samples by name, and the kind of each metric; raises AssertionError where it is no metric."""
    found: Exposed = {}
    kinds: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            kinds[name] = kind
        if line.startswith("#"):
            continue
        sample = SAMPLE.match(line)
        assert sample, line
        labels: dict[str, Any] = found.setdefault(sample[1], {})
        for name, value in LABEL.findall(sample[2] or ""):
            labels.setdefault(name, set()).add(value)
    return found, kinds
