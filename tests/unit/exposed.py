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
from service_cases import GOLDEN, FakeEngine

from lepton_hw.onboard.errors import HardwareError
from lepton_hw.onboard.http_routes import routes_of
from lepton_hw.onboard.http_server import Address, Server
from lepton_hw.onboard.service import READY, Service

SAMPLE = re.compile(r"([a-z_:]+)(?:\{(.*)\})? \S+\Z")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')

#: Metric → label → its values, as sampled.
Exposed = dict[str, dict[str, set[str]]]


def text_of_service() -> str:
    """What ``/metrics`` says after images, codes, a wrong request, and an engine's error."""
    engine = FakeEngine(host_after=("softmax", "argmax"))
    engine.rails = {"total": 1.5}
    service = Service(engine)
    server = Server(Address(port=0), routes_of(service, "m"), service)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        service.start()
        image = io.BytesIO()
        Image.fromarray(GOLDEN[0].astype(np.uint8)).save(image, "png")
        tensor = {"name": "input", "shape": list(GOLDEN.shape), "datatype": "UINT8",
                  "data": GOLDEN.reshape(-1).tolist()}  # fmt: skip
        codes = json.dumps({"inputs": [tensor]}).encode()
        assert _ask(server, "POST", "/classify", image.getvalue())[0] == 200
        assert _ask(server, "POST", "/v2/models/m/infer", codes)[0] == 200
        engine.errors = [HardwareError("a transfer failed", "none to fail", "try again")]
        assert _ask(server, "POST", "/v2/models/m/infer", codes)[0] == 503
        while service.state != READY:
            time.sleep(0.01)
        engine.errors = [HardwareError("a transfer failed", "none to fail", "try again")]
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
