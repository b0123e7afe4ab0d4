"""`lepton doctor` with fake programs on PATH: what is found, what is not, and what it says."""

import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lepton_hw.errors import MissingTool
from lepton_hw.tools import container, cxx, doctor, verilator

PYTHON = sys.executable
#: Program → what it prints for its version; the words are those of real versions.
FAKES = {
    "g++": "g++ (Debian 12.2.0-14) 12.2.0",
    "make": "GNU Make 4.3\nBuilt for x86_64-pc-linux-gnu",
    "yosys": "Yosys 0.33 (git sha1 2584903a060)",
    "vivado": "vivado v2022.2 (64-bit)",
    "ssh": "OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19 27 Jan 2026",
    "podman": "4.3.1",
    "nvidia-smi": "NVIDIA H200, 550.54.15",
    "perl": "This is perl 5, version 36, subversion 0 (v5.36.0) built for x86_64-linux-gnu",
}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that is all of PATH, with no package installed."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr("sys.executable", str(programs / "python"))
    monkeypatch.setenv("LEPTON_BOARD_PYTHON", str(tmp_path / "absent"))

    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)

    def no_verilator() -> verilator.Verilator:
        raise MissingTool("no Verilator", "version 5", "install it")

    monkeypatch.setattr(verilator, "find", no_verilator)
    caches = (cxx.find, container.find)
    for cached in caches:
        cached.cache_clear()
    yield programs
    for cached in caches:
        cached.cache_clear()


def fake(path: Path, name: str, says: str, code: int = 0) -> None:
    """A program that prints `says` and ends with `code`; it needs nothing else on PATH."""
    program = path / name
    program.write_text(f"#!{PYTHON}\nimport sys\nprint({says!r})\nsys.exit({code})\n")
    program.chmod(0o755)


def find(name: str) -> doctor.Finding:
    return next(each for each in doctor.examine() if each.name == name)


def test_on_an_empty_machine_only_python_is_found(path: Path) -> None:
    findings = doctor.examine()
    assert [each.name for each in findings if each.found] == ["python"]
    assert [each.name for each in findings if each.required] == [
        "python", "torch", "brevitas", "scikit-learn", "qonnx", "onnx", "onnxruntime",
        "finn-plus", "verilator", "g++",
    ]  # fmt: skip
    for each in findings:
        assert each.enables
        assert each.remedy
    assert len({each.name for each in findings}) == len(findings)


def test_programs_and_their_versions(path: Path) -> None:
    for name, says in FAKES.items():
        fake(path, name, says)
    assert find("g++").found == "12.2.0"
    assert find("make").found == "4.3"
    assert find("perl").found == "5.36.0"
    assert find("yosys").found == "0.33"
    assert find("ssh").found == "9.2"
    assert find("vivado").found == "2022.2"
    assert find("docker").found == "podman 4.3.1"
    assert find("CUDA GPU").found == "NVIDIA H200, driver 550.54.15"
    assert find("nextpnr").found is None


def test_a_program_that_fails_is_not_found(path: Path) -> None:
    fake(path, "nvidia-smi", "NVIDIA-SMI has failed", code=9)
    assert find("CUDA GPU").found is None
    fake(path, "make", "")
    assert find("make").found is None
    (path / "docker").write_text("not a program")
    (path / "docker").chmod(0o755)
    assert find("docker").found is None


def test_a_program_that_hangs_is_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(path, "vivado", "vivado v2022.2")

    def slow(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("vivado", 1)

    monkeypatch.setattr(doctor.subprocess, "run", slow)
    assert doctor._program("vivado") == "does not answer"


def test_packages_are_held_against_the_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"torch": "2.13.0+cpu", "onnx": "1.23.0", "finn-plus": "1.6.1"}

    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert find("torch").ok
    assert find("finn-plus").ok
    assert find("onnx").note == "the stack is tested with 1.21.0"
    assert not find("onnx").ok
    assert find("brevitas").found is None
    fake(path, "nvidia-smi", FAKES["nvidia-smi"])
    assert find("CUDA GPU").note == "torch is the CPU build"


def test_the_pins_are_those_of_the_project(tmp_path: Path) -> None:
    pins = doctor.read_pins(doctor.ROOT)
    assert pins["finn-plus"] == "1.6.1"
    assert {"torch", "brevitas", "qonnx", "onnx", "onnxruntime", "verilator"} <= set(pins)
    assert all("+" not in pin for pin in pins.values())
    assert doctor.read_pins(tmp_path) == {}
