"""Downloads: mirrors in turn, going on after a break, and refusing what is damaged."""

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
    delay = 0.0

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.asked.append(wanted)
        if self.path not in ("/file", "/noise", "/short"):
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
        if self.path == "/noise":
            self.wfile.write(b"no HTTP at all\r\n\r\n")
            return
        self.send_response(206 if wanted else 200)
        self.end_headers()
        if self.path == "/short":
            self.wfile.write(CONTENT[start : start + 1000])
            return
        time.sleep(self.delay)
        self.wfile.write(CONTENT[start:])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stays silent."""


@pytest.fixture
def address() -> Iterator[str]:
    Server.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
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


def test_a_mirror_that_speaks_no_http_is_passed_over(address: str, tmp_path: Path) -> None:
    mirrors = (f"{address}/noise", f"{address}/a b", "http://[bad", f"{address}/file")
    (path,) = fetch([Remote("x", mirrors, MD5, len(CONTENT))], tmp_path, SILENT)
    assert path.read_bytes() == CONTENT
    with pytest.raises(InputError, match=r"x cannot be downloaded .*no HTTP at all.* put it at"):
        fetch([Remote("x", mirrors[:3], MD5, len(CONTENT))], tmp_path / "b", SILENT)


def test_a_connection_cut_short_keeps_what_came(address: str, tmp_path: Path) -> None:
    remote = Remote("x", (f"{address}/short",), MD5, len(CONTENT))
    with pytest.raises(InputError, match="it ended after 1,000 bytes"):
        fetch([remote], tmp_path, SILENT)
    assert (tmp_path / "x.part").read_bytes() == CONTENT[:1000]
    fetch([Remote("x", (f"{address}/file",), MD5, len(CONTENT))], tmp_path, SILENT)
    assert Server.asked == ["", "bytes=1000-"]


def test_several_at_once_download_once(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "delay", 0.2)
    remote = Remote("x", (f"{address}/file",), MD5, len(CONTENT))
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: fetch([remote], tmp_path, SILENT), range(3)))
    assert found == [[tmp_path / "x"]] * 3
    assert Server.asked == [""]
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"folder .* cannot be used for downloads"):
        fetch([Remote("x", ("http://none",), MD5, 1)], tmp_path / "file" / "cache", SILENT)
