"""The routes of a service: health, the Open Inference Protocol, images, metrics, and a page.

Bytes in, bytes out; which thread or socket they come from is not known here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from . import open_inference as protocol
from .http_page import page
from .http_server import Refused, Reply, Request, Route
from .metrics import CONTENT_TYPE
from .service import READY, WRONG

if TYPE_CHECKING:
    from .service import Service

MODEL = r"/v2/models/([^/]+)(?:/versions/([^/]+))?"


def routes_of(service: Service, name: str) -> tuple[Route, ...]:
    """All routes of a service whose model is called `name`."""
    answers = _Answers(service, name)
    return (
        Route("page", "GET", "/", answers.page),
        Route("classify", "POST", "/classify", answers.classify),
        Route("metrics", "GET", "/metrics", answers.metrics),
        Route("health", "GET", "/v2/health/live", answers.live),
        Route("health", "GET", "/v2/health/ready", answers.ready),
        Route("metadata", "GET", "/v2/?", answers.server),
        Route("metadata", "GET", MODEL, answers.model),
        Route("health", "GET", MODEL + "/ready", answers.model_ready),
        Route("infer", "POST", MODEL + "/infer", answers.infer),
    )


class _Answers:
    def __init__(self, service: Service, name: str) -> None:
        self.service, self.name = service, name
        self.version = service.engine.subject.digest[:12]

    def page(self, request: Request) -> Reply:
        subject = self.service.engine.subject
        text = page(self.name, subject, self.service.state)
        return Reply(200, text.encode(), "text/html; charset=utf-8")

    def classify(self, request: Request) -> Reply:
        found = self.service.classify(request.body)
        return _json({
            "label": found.label,
            "class_index": found.class_index,
            "score": found.score,
            "ranking": [[label, score] for label, score in found.ranking],
            "codes": np.asarray(found.codes).tolist(),
            "model_name": self.name,
            "model_version": self.version,
        })  # fmt: skip

    def metrics(self, request: Request) -> Reply:
        return Reply(200, self.service.text_of_metrics().encode(), CONTENT_TYPE)

    def live(self, request: Request) -> Reply:
        """Not live once wrong: whoever watches over it starts it again."""
        live = self.service.state != WRONG
        return _json({"live": live, "why": self.service.why}, 200 if live else 503)

    def ready(self, request: Request) -> Reply:
        ready = self.service.state == READY
        values = {"ready": ready, "state": self.service.state, "why": self.service.why}
        return _json(values, 200 if ready else 503)

    def server(self, request: Request) -> Reply:
        return _json({
            "name": "lepton_hw", "version": self.version, "extensions": ["binary_tensor_data"],
        })  # fmt: skip

    def model(self, request: Request) -> Reply:
        self._require_known(request.parts)
        subject = self.service.engine.subject
        return _json({
            "name": self.name,
            "versions": [self.version],
            "platform": "lepton_hw",
            "inputs": [protocol.described(subject.input)],
            "outputs": [protocol.described(subject.output)],
            "parameters": {
                "digest": subject.digest,
                "where": subject.where,
                "host_before": list(subject.host_before),
                "host_after": list(subject.host_after),
                "labels": list(subject.labels),
                "scale": list(subject.scale),
                "bias": list(subject.bias),
            },
        })  # fmt: skip

    def model_ready(self, request: Request) -> Reply:
        self._require_known(request.parts)
        return self.ready(request)

    def infer(self, request: Request) -> Reply:
        self._require_known(request.parts)
        subject = self.service.engine.subject
        header = request.headers.get(protocol.HEADER)
        asked = protocol.read_request(request.body, header, subject.input, subject.output.name)
        codes = self.service.infer(self.service.engine.checked(asked.codes))
        codes = codes.astype(subject.output.container, copy=False)
        answer = protocol.answer(codes, asked, self.name, self.version, subject.output.name)
        if answer.header is None:
            return Reply(200, answer.body)
        headers = ((protocol.HEADER, str(answer.header)),)
        return Reply(200, answer.body, "application/octet-stream", headers)

    def _require_known(self, parts: tuple[str, ...]) -> None:
        if parts[0] != self.name:
            raise Refused(404, f"there is no model '{parts[0][:80]}'; expected '{self.name}'")
        if len(parts) > 1 and parts[1] != self.version:
            raise Refused(404, f"there is no version '{parts[1][:80]}'; expected '{self.version}'")


def _json(values: Any, code: int = 200) -> Reply:
    return Reply(code, json.dumps(values).encode())
