"""A service over HTTP on the loopback: every route, every limit, and its end."""

import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from onboard_cases import SHAPE, network, random_batch
from PIL import Image
from service_cases import FakeEngine, until

from lepton_hw.onboard import http_server
from lepton_hw.onboard.errors import DesignError, InputError
from lepton_hw.onboard.http_routes import routes_of
from lepton_hw.onboard.http_server import Address, Server, parse_address
from lepton_hw.onboard.service import Service, Settings

CODES = random_batch(3)
INFER = {
    "inputs": [{
        "name": "input", "shape": list(CODES.shape), "datatype": "UINT8",
        "data": CODES.reshape(-1).tolist(),
    }]
}  # fmt: skip


class Running:
    """A server with its engine; `ask` opens a connection of its own."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.service = Service(self.engine, Settings(check_seconds=0))
        self.server = Server(Address(port=0), routes_of(self.service, "net"), self.service)
        self.service.start()
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        self.port = self.server.address.port

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        content = json.dumps(body) if isinstance(body, dict) else body
        connection.request(method, path, content, headers or {})
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        if reply.getheader("Content-Type") == "application/json" and content:
            return reply.status, json.loads(content), reply
        return reply.status, content, reply

    def raw(self, content: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(content)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))

    def close(self) -> None:
        self.engine.gate.set()
        self.server.stop()
        self.service.close()
        self.thread.join()


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running()
    yield made
    made.close()


def test_health_and_metadata(running: Running) -> None:
    assert running.ask("GET", "/v2/health/live")[:2] == (200, {"live": True, "why": ""})
    ready = (200, {"ready": True, "state": "ready", "why": ""})
    assert running.ask("GET", "/v2/health/ready")[:2] == ready
    assert running.ask("GET", "/v2/models/net/versions/abababababab/ready")[:2] == ready
    assert running.ask("GET", "/v2")[1]["extensions"] == ["binary_tensor_data"]
    model = running.ask("GET", "/v2/models/net")[1]
    assert (model["name"], model["versions"]) == ("net", ["ab" * 6])
    assert model["inputs"][0]["shape"] == [-1, *SHAPE]
    assert model["outputs"][0]["datatype"] == "INT16"
    assert model["parameters"]["labels"] == list("vwxyz")


def test_codes_as_json(running: Running) -> None:
    code, found, _ = running.ask("POST", "/v2/models/net/infer", {**INFER, "id": "a"})
    assert (code, found["id"]) == (200, "a")
    assert found["outputs"][0]["data"] == network(CODES).reshape(-1).tolist()


def test_codes_as_bytes(running: Running) -> None:
    content = CODES.astype("u1").tobytes()
    tensor = {"name": "input", "shape": list(CODES.shape), "datatype": "UINT8"}
    tensor["parameters"] = {"binary_data_size": len(content)}
    values = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
    front = json.dumps(values).encode()
    header = {"Inference-Header-Content-Length": str(len(front))}
    code, found, reply = running.ask("POST", "/v2/models/net/infer", front + content, header)
    size = int(reply.getheader("Inference-Header-Content-Length", "0"))
    assert code == 200
    assert json.loads(found[:size])["outputs"][0]["datatype"] == "INT16"
    assert np.array_equal(np.frombuffer(found[size:], "<i2").reshape(3, 5), network(CODES))


def test_an_image(running: Running) -> None:
    pixels = CODES[1].astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    code, found, _ = running.ask("POST", "/classify", file.getvalue())
    expected = network(pixels[None])[0]
    assert (code, found["codes"]) == (200, expected.tolist())
    assert (found["label"], found["score"]) == ("vwxyz"[expected.argmax()], expected.max() / 2)
    assert 'lepton_classified_total{label="' in running.ask("GET", "/metrics")[1].decode()


def test_the_page_escapes_what_comes_from_a_design(running: Running) -> None:
    subject = running.engine.subject._replace(labels=("<script>alert(1)</script>",))
    running.engine.subject = subject
    code, found, reply = running.ask("GET", "/")
    assert (code, reply.getheader("Content-Type")) == (200, "text/html; charset=utf-8")
    assert b"<script>alert" not in found
    assert b"&lt;script&gt;alert(1)" in found


def test_requests_are_counted_by_route_and_status(running: Running) -> None:
    running.ask("POST", "/v2/models/net/infer", INFER)
    running.ask("POST", "/v2/models/net/infer", b"{}")
    running.ask("GET", "/any/other")
    classes = network(CODES).argmax(axis=1)
    text = running.ask("GET", "/metrics")[1].decode()
    assert 'lepton_requests_total{route="infer",code="200"} 1\n' in text
    assert 'lepton_requests_total{route="infer",code="400"} 1\n' in text
    assert 'lepton_requests_total{route="other",code="404"} 1\n' in text
    assert "lepton_frames_total 3\n" in text
    for index in set(classes):
        count = int((classes == index).sum())
        assert f'lepton_classified_total{{label="{"vwxyz"[index]}"}} {count}\n' in text


@pytest.mark.parametrize(
    ("method", "path", "code", "said"),
    [
        ("GET", "/nothing", 404, "there is no /nothing"),
        ("GET", "/v2/models/other", 404, "there is no model 'other'; expected 'net'"),
        ("GET", "/v2/models/net/versions/1", 404, "no version '1'; expected 'abababababab'"),
        ("POST", "/v2/models/%2e%2e/infer", 404, "there is no model '..'"),
        ("GET", "/v2/models/net/infer", 405, "expected POST"),
        ("POST", "/metrics", 405, "expected GET"),
        ("POST", "/v2/models/net/infer", 400, "the request is no JSON"),
        ("POST", "/classify", 400, "the request cannot be read as an image"),
        ("DELETE", "/metrics", 501, "Unsupported method"),
    ],
)
def test_what_is_refused(running: Running, method: str, path: str, code: int, said: str) -> None:
    found = running.ask(method, path, b"" if method == "POST" else None)
    assert found[0] == code
    assert said in found[1]["error"]


def test_a_code_out_of_range_names_itself(running: Running) -> None:
    request = json.loads(json.dumps(INFER))
    request["inputs"][0]["data"][5] = 16
    code, found, _ = running.ask("POST", "/v2/models/net/infer", request)
    assert (code, found["error"]) == (400, "a code out of range; expected 0 to 15; mend it.")


def test_head_has_no_body(running: Running) -> None:
    code, found, reply = running.ask("HEAD", "/metrics")
    assert (code, found) == (200, b"")
    assert int(reply.getheader("Content-Length", "0")) > 100


def test_bodies_have_a_length_and_a_limit(running: Running) -> None:
    start = b"POST /classify HTTP/1.1\r\nHost: x\r\n"
    assert running.raw(start + b"\r\n").startswith(b"HTTP/1.1 411 ")
    chunked = b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"
    assert running.raw(start + chunked).startswith(b"HTTP/1.1 411 ")
    for length in (b"-1", b"0x10", b"1e3", "٣".encode("latin-1", "replace")):
        answer = running.raw(start + b"Content-Length: " + length + b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 411 ") or length == b"?"
    coded = b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
    assert running.raw(start + coded).startswith(b"HTTP/1.1 415 ")
    large = str(http_server.BODY_MOST + 1).encode()
    answer = running.raw(start + b"Content-Length: " + large + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"expected at most 16,777,216" in answer


def test_a_broken_request_is_the_clients_matter(
    running: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    assert b"Bad request syntax" in running.raw(b"nonsense\r\n\r\n")
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(b"POST /classify HTTP/1.1\r\nContent-Length: 50\r\n\r\nshort")
    until(lambda: not running.server._answering)
    assert running.ask("GET", "/v2/health/ready")[0] == 200
    assert capfd.readouterr().err == ""


def test_a_silent_client_is_let_go(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server._Handler, "timeout", 0.05)
    monkeypatch.setattr(http_server, "TIMEOUT", 0.05)
    assert running.raw(b"POST /classify HTTP/1.1\r\nContent-Length: 50\r\n\r\nslow") == b""
    assert running.raw(b"GET /metrics HT") == b""


def test_connections_are_bounded(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running.server, "_room", threading.Semaphore(1))
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as first:
        first.sendall(b"GET /v2 HTTP/1.1\r\n\r\n")
        assert first.recv(100).startswith(b"HTTP/1.1 200 ")
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as second:
            assert second.recv(100).startswith(b"HTTP/1.1 503 ")
    until(lambda: running.server._room._value == 1)
    assert running.ask("GET", "/v2/health/ready")[0] == 200


def test_a_full_queue_says_when_to_come_back(running: Running) -> None:
    running.service._batcher._most = 2
    running.engine.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        before = len(running.engine.calls)
        asked = [pool.submit(running.ask, "POST", "/v2/models/net/infer", INFER)]
        until(lambda: len(running.engine.calls) > before)
        asked.append(pool.submit(running.ask, "POST", "/v2/models/net/infer", INFER))
        until(lambda: running.service._batcher.waiting == 3)
        code, found, reply = running.ask("POST", "/v2/models/net/infer", INFER)
        assert (code, reply.getheader("Retry-After")) == (503, "1")
        assert "3 frames wait already" in found["error"]
        running.engine.gate.set()
        assert [each.result()[0] for each in asked] == [200, 200]


def test_a_wrong_service_is_neither_ready_nor_alive(running: Running) -> None:
    running.engine.flip = 1
    running.service._alarm.set()
    until(lambda: running.service.state == "wrong")
    code, found, _ = running.ask("POST", "/v2/models/net/infer", INFER)
    assert code == 503
    assert "answers no more" in found["error"]
    assert running.ask("GET", "/v2/health/ready")[0] == 503
    code, found, _ = running.ask("GET", "/v2/health/live")
    assert (code, found["live"]) == (503, False)
    assert "golden vector" in found["why"]


def test_an_error_of_ours_is_no_secret_of_the_log(
    running: Running, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(codes: Any) -> Any:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(running.engine, "checked", broken)
    code, found, _ = running.ask("POST", "/v2/models/net/infer", INFER)
    assert (code, found["error"]) == (500, "internal error; see the service's output")
    assert capfd.readouterr().err == "internal error: ZeroDivisionError: by zero\n"
    monkeypatch.setattr(running.engine, "checked", lambda codes: (_ for _ in ()).throw(
        DesignError("a", "b", "c")))  # fmt: skip
    assert running.ask("POST", "/v2/models/net/infer", INFER)[0] == 500


def test_the_end_waits_for_answers(running: Running) -> None:
    running.engine.gate.clear()
    before = len(running.engine.calls)
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(running.ask, "POST", "/v2/models/net/infer", INFER)
        until(lambda: len(running.engine.calls) > before)
        ended = pool.submit(running.server.stop)
        until(lambda: running.server.stopping and not running.thread.is_alive())
        with pytest.raises(OSError):
            running.ask("GET", "/v2")
        time.sleep(0.05)
        assert not ended.done()
        running.engine.gate.set()
        code, _, reply = asked.result()
        assert (code, reply.getheader("Connection")) == (200, "close")
        ended.result()


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:80", "127.0.0.1", 80), (":81", "127.0.0.1", 81), ("::", "", 0),
        ("a.local", "a.local", 8080), ("[::1]:5", "::1", 5), ("[::1]", "::1", 8080),
        ("0.0.0.0:0", "0.0.0.0", 0), ("x:70000", "", 0), ("x:1:2", "", 0), ("x y", "", 0),
        ("http://x", "", 0), ("x:-1", "", 0), ("x\n", "", 0),
    ],
)  # fmt: skip
def test_addresses(text: str, host: str, port: int) -> None:
    if not host:
        with pytest.raises(InputError, match="the address is"):
            parse_address(text)
        return
    assert parse_address(text) == (host, port)
    assert parse_address(str(Address(host, port))) == (host, port)


def test_a_port_that_is_taken(running: Running) -> None:
    with pytest.raises(InputError, match=r"cannot be listened on .*; expected an address"):
        Server(Address(port=running.port), (), running.service)
    with pytest.raises(InputError, match="cannot be listened on"):
        Server(Address("203.0.113.1", 0), (), running.service)
    with pytest.raises(InputError, match="cannot be listened on"):
        http_server.require_free(Address(port=running.port))
    http_server.require_free(Address(port=0))
