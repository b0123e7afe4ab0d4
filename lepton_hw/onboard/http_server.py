"""A service over HTTP: routes, limits, and an orderly end; standard library only.

It holds a bounded number of connections, each with a bounded body and a time-out. It knows no
users and no passwords: it listens on the loopback unless told otherwise, and what protects it
beyond is a proxy's work.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, Callable, NamedTuple
from urllib.parse import unquote, urlsplit

from .batching import Busy
from .errors import DriverError, HardwareError, InputError
from .metrics import SECONDS

if TYPE_CHECKING:
    from .service import Service

BODY_MOST = 16 << 20  # bytes of a request: 65,000 CIFAR images would be too many, 5,000 are not
#: Connections at once; seconds of silence within a request, and between two.
CONNECTIONS, TIMEOUT, IDLE = 128, 30.0, 5.0
LOOPBACK, PORT = "127.0.0.1", 8080
JSON = "application/json"


class Address(NamedTuple):
    """Where a service listens; port 0 is any free one."""

    host: str = LOOPBACK
    port: int = PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Reply(NamedTuple):
    """What goes out."""

    code: int
    body: bytes
    kind: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class Request(NamedTuple):
    """What came in: the parts of the path that the route left open, headers, and the body."""

    parts: tuple[str, ...]
    headers: Any
    body: bytes


class Route(NamedTuple):
    """`name` labels it in metrics; `path` is a pattern of the whole path."""

    name: str
    method: str
    path: str
    answer: Callable[[Request], Reply]


class Refused(Exception):
    """A request that ends here, by a status of HTTP."""

    def __init__(self, code: int, sentence: str, *headers: tuple[str, str]) -> None:
        super().__init__(sentence)
        self.reply = Reply(code, error_body(sentence), JSON, headers)


def parse_address(text: str) -> Address:
    """``HOST:PORT``, ``HOST``, ``:PORT`` or ``[IPv6]:PORT``; raises `InputError`."""
    found = re.match(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]*)(?::([0-9]{1,5}))?\Z", text)
    port = int(found.group(2)) if found and found.group(2) else PORT
    if not found or port > 65535:
        raise InputError(
            f"the address is '{text}'", f"HOST:PORT, such as {LOOPBACK}:{PORT}", "correct it"
        )
    return Address(found.group(1).strip("[]") or LOOPBACK, port)


def require_free(address: Address) -> None:
    """Raises `InputError` where nobody could listen there now: to be said before long work."""
    try:
        with socket.socket(_family(address)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
    except (OSError, UnicodeError) as error:
        raise _taken(address, error) from None


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address.host else socket.AF_INET


def _taken(address: Address, error: Exception) -> InputError:
    return InputError(
        f"{address} cannot be listened on ({getattr(error, 'strerror', None) or error})",
        "an address of this machine and a free port",
        "pass another one",
    )


def error_body(sentence: str) -> bytes:
    """As the Open Inference Protocol has errors."""
    return json.dumps({"error": sentence}).encode()


class Server(ThreadingHTTPServer):
    """Listens from its making on; `run` serves, `stop` ends it once all answers are out."""

    daemon_threads, request_queue_size, allow_reuse_address = True, CONNECTIONS, True

    def __init__(self, address: Address, routes: tuple[Route, ...], service: Service) -> None:
        self.routes, self._room = routes, threading.Semaphore(CONNECTIONS)
        self._answering, self._changed, self.stopping = 0, threading.Condition(), False
        make = service.metrics
        self.requests = make.counter(
            "lepton_requests_total", "Requests by route and status.", "route", "code"
        )
        self.seconds = make.histogram(
            "lepton_request_seconds", "From the whole request to its answer.", SECONDS, "route"
        )
        self.address_family = _family(address)
        try:
            super().__init__((address.host, address.port), _Handler)
        except (OSError, UnicodeError) as error:
            raise _taken(address, error) from None
        self.address = Address(address.host, self.server_address[1])

    def server_bind(self) -> None:
        """Without a look at the domain's name, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread, while there are fewer than `CONNECTIONS`."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        self.requests.add(1, "other", "503")
        try:
            request.settimeout(0.1)
            request.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except OSError:
            pass
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is the client's matter; what is ours is said in `_Handler`."""

    def answering(self, more: int) -> None:
        """Counts the answers that are being made."""
        with self._changed:
            self._answering += more
            self._changed.notify_all()

    def stop(self, seconds: float = 5.0) -> None:
        """Accepts no more, then waits for the answers that are being made."""
        self.stopping = True
        self.shutdown()
        self.server_close()
        with self._changed:
            self._changed.wait_for(lambda: not self._answering, seconds)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version, timeout, server_version, sys_version = "HTTP/1.1", IDLE, "lepton_hw", ""
    wbufsize = -1  # an answer leaves as one packet, not line by line
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *args: Any) -> None:
        """Silent: requests are counted, not listed."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library refuses by itself, as JSON."""
        self.close_connection = True
        self._send(Reply(code, error_body(message or explain or "the request is refused")))

    def _serve(self) -> None:
        self.server.answering(+1)
        name, begin = "other", time.perf_counter()
        try:
            try:
                route, parts = self._route()
                name = route.name
                body = self._body() if route.method == "POST" else b""
                begin = time.perf_counter()
                reply = route.answer(Request(parts, self.headers, body))
            except Refused as refused:
                self.close_connection = True  # its body may still be on the way
                reply = refused.reply
            except DriverError as error:
                reply = _of_error(error)
            except OSError:
                self.close_connection = True  # the client is gone, or too slow
                return
            except Exception as error:
                print(f"internal error: {type(error).__name__}: {error}", file=sys.stderr)
                reply = Reply(500, error_body("internal error; see the service's output"))
            self.server.requests.add(1, name, str(reply.code))
            self.server.seconds.observe(time.perf_counter() - begin, name)
            self._send(reply)
            self.wfile.flush()
        finally:
            self.server.answering(-1)

    def _route(self) -> tuple[Route, tuple[str, ...]]:
        method = "GET" if self.command == "HEAD" else self.command
        path, allowed = urlsplit(self.path).path, []
        for route in self.server.routes:
            found = re.match(route.path + r"\Z", path)
            if found and route.method == method:
                return route, tuple(unquote(part) for part in found.groups() if part is not None)
            if found:
                allowed.append(route.method)
        if allowed:
            raise Refused(405, f"{method} of {path[:80]}; expected {allowed[0]}",
                          ("Allow", ", ".join(allowed)))  # fmt: skip
        raise Refused(404, f"there is no {path[:80]}; GET / says what there is")

    def _body(self) -> bytes:
        given = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not re.match(r"[0-9]{1,18}\Z", given):
            raise Refused(411, "the request has no Content-Length; send one")
        coding = self.headers.get("Content-Encoding", "identity")
        if coding != "identity":
            raise Refused(415, f"the request is coded as {coding[:40]}; send it as it is")
        size = int(given)
        if size > BODY_MOST:
            raise Refused(413, f"{size:,} bytes; expected at most {BODY_MOST:,}; send fewer")
        self.connection.settimeout(TIMEOUT)
        body = self.rfile.read(size)
        self.connection.settimeout(self.timeout)
        if len(body) < size:
            raise OSError("the client went away")
        return body

    def _send(self, reply: Reply) -> None:
        self.close_connection = self.close_connection or self.server.stopping
        self.send_response(reply.code)
        for header, value in (
            ("Content-Type", reply.kind),
            ("Content-Length", str(len(reply.body))),
            ("X-Content-Type-Options", "nosniff"),
            *reply.headers,
        ):
            self.send_header(header, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)


def _of_error(error: DriverError) -> Reply:
    """400 for what the client sent, 503 for what may pass, 500 for the rest."""
    if isinstance(error, InputError):
        return Reply(400, error_body(str(error)))
    if isinstance(error, (Busy, HardwareError)):
        return Reply(503, error_body(str(error)), JSON, (("Retry-After", "1"),))
    return Reply(500, error_body(str(error)))
