"""Downloads: mirrors in turn, going on after a break, and refusing what is damaged."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from lepton_hw.data.download import Remote, fetch
from lepton_hw.errors import InputError
from lepton_hw.progress import SILENT

CONTENT = bytes(range(256)) * 40
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT at /file, with ranges; `asked` keeps the ranges."""

    asked: list[str] = []  # noqa: RUF012 – a new list for each test

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.asked.append(wanted)
        if self.path != "/file":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
        self.send_response(206 if wanted else 200)
        self.end_headers()
        self.wfile.write(CONTENT[start:])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stays silent."""


@pytest.fixture
def address() -> Iterator[str]:
    Server.asked = []
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_second_mirror_is_tried(address: str, tmp_path: Path) -> None:
    remote = Remote("x", (f"{address}/none", f"{address}/file"), MD5, len(CONTENT))
    (path,) = fetch([remote], tmp_path / "cache", SILENT)
    assert path.read_bytes() == CONTENT
    fetch([remote], tmp_path / "cache", SILENT)
    assert len(Server.asked) == 2  # not asked again


def test_a_broken_download_goes_on_where_it_stopped(address: str, tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(CONTENT[:1000])
    remote = Remote("x", (f"{address}/file",), MD5, len(CONTENT))
    (path,) = fetch([remote], tmp_path, SILENT)
    assert path.read_bytes() == CONTENT
    assert Server.asked == ["bytes=1000-"]
    assert not (tmp_path / "x.part").exists()


def test_damage_is_refused_and_leaves_nothing(address: str, tmp_path: Path) -> None:
    remote = Remote("x", (f"{address}/file",), "0" * 32, len(CONTENT))
    with pytest.raises(InputError, match=f"x cannot be downloaded .*MD5 {MD5}.* put it at"):
        fetch([remote], tmp_path, SILENT)
    assert list(tmp_path.iterdir()) == []


def test_a_file_longer_than_it_should_be_is_not_filled_in(address: str, tmp_path: Path) -> None:
    remote = Remote("x", (f"{address}/file",), MD5, 100)
    with pytest.raises(InputError, match="longer than 100 bytes"):
        fetch([remote], tmp_path, SILENT)
