"""What the image `serve` runs, outside of a container: links, refusals, the health check."""

import http.server
import importlib.util
import re
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lepton_hw import pipeline
from lepton_hw.progress import Progress

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("LEPTON_FLOW", "digits_cnn")
    monkeypatch.setenv("LEPTON_BOARD", "pynq_z2")
    monkeypatch.setenv("LEPTON_ARTIFACTS", str(tmp_path / "artifacts"))
    spec = importlib.util.spec_from_file_location("serve", ROOT / "docker/serve.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def built(folder: Path, *stages: str) -> Path:
    for stage in stages:
        (folder / stage).mkdir(parents=True)
        (folder / stage / "artifact.json").write_text("{}")
    return folder


def test_only_what_is_served_is_copied(program: ModuleType, tmp_path: Path) -> None:
    """An adopted model has no stage `train`; a sweep beside it stays outside."""
    source = built(tmp_path / "built", "export", "certify", "sweep", "bitstream_open")
    program.copy(source, tmp_path / "image")
    assert sorted(path.name for path in (tmp_path / "image").iterdir()) == ["certify", "export"]


def test_stages_are_links_in_a_folder_that_may_be_written(
    program: ModuleType, tmp_path: Path
) -> None:
    source = built(tmp_path / "image", "train", "certify")
    program.link(source, tmp_path / "build/digits_cnn/pynq_z2")
    (tmp_path / "build/digits_cnn/pynq_z2/.lock").touch()
    assert (tmp_path / "build/digits_cnn/pynq_z2/train/artifact.json").read_text() == "{}"
    assert sorted(path.name for path in source.iterdir()) == ["certify", "train"]


def test_an_image_without_the_design(program: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        program.check(tmp_path)
    assert str(ended.value) == (
        "error: there is no certified digits_cnn for pynq_z2 in the image; expected the folder "
        "build/<flow>/<board> of that name as the build context 'certified'; build the image "
        "again with FLOW, BOARD and that context."
    )


def working(title: str | None, line: str = "train     unchanged") -> Callable[..., dict[str, Any]]:
    """A build in which one stage works and shows it, or says so, or none does."""

    def build(flow: Any, board: Any, options: Any, progress: Progress) -> dict[str, Any]:
        progress.say(line)
        if title:
            with progress.task(title, 1):
                raise AssertionError("it worked")
        return {}

    return build


def test_nothing_is_built_at_the_start(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(tmp_path / "digits_cnn/pynq_z2", "certify")
    monkeypatch.setattr(pipeline, "build", working(None))
    program.check(tmp_path)
    for stale, said in (
        (working("train"), "train"),
        (working(None, "stitch 1.2 s"), "stitch 1.2 s"),
    ):
        monkeypatch.setattr(pipeline, "build", stale)
        with pytest.raises(SystemExit) as ended:
            program.check(tmp_path)
        assert f"not what this image would build (it began: {said});" in str(ended.value)


def test_the_command(program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built(tmp_path / "artifacts/digits_cnn/pynq_z2", "certify")
    monkeypatch.setattr(pipeline, "build", working(None))
    seen: list[list[str]] = []
    monkeypatch.setattr("lepton_hw.cli.main", lambda: seen.append(program.sys.argv))
    monkeypatch.setattr(program.sys, "argv", ["serve.py"])
    monkeypatch.setattr(program.signal, "signal", lambda *_: None)
    program.main(["--check-seconds", "5"])
    assert seen[0][:8] == ["lepton", "serve", "digits_cnn", "--board", "pynq_z2", "--on", "cpu",
                           "--http"]  # fmt: skip
    assert seen[0][8] == "0.0.0.0:8080"
    assert seen[0][-2:] == ["--check-seconds", "5"]


@pytest.mark.parametrize("status", [200, 503])
def test_health(status: int, program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(program, "HEALTH", f"http://127.0.0.1:{server.server_port}/")
    try:
        with pytest.raises(SystemExit) as ended:
            program.main(["health"])
    finally:
        server.shutdown()
        server.server_close()
    assert ended.value.code == (status != 200)
    assert program.healthy() is False  # nobody answers


def test_the_image() -> None:
    text = (ROOT / "docker/Containerfile").read_text()
    stage = text.partition("FROM env AS serve\n")[2].partition("\nFROM ")[0]
    user = re.search(r"^USER (\d+):\d+$", stage, re.MULTILINE)
    assert user, "numeric: Kubernetes can tell that it is not root"
    assert int(user[1]) > 0
    assert 'CMD ["python", "docker/serve.py", "health"]' in stage
    assert "HOME=/tmp" in stage, "the only folder of a read-only container that can be written"
    assert text.rstrip().splitlines()[-2].startswith("FROM env AS test"), "the default"
