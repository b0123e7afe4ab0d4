"""Which designs and boards the driver refuses; pynq; the deployment folder by itself."""

import hashlib
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from fake_shell import FakeShell
from onboard_cases import deploy, fake, network, random_batch

from lepton_hw.onboard import Accelerator, DesignError
from lepton_hw.onboard.command import main
from lepton_hw.onboard.manifest import checksum
from lepton_hw.onboard.transport import claim


def test_the_folder_works_alone(folder: Path) -> None:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, str(folder / "driver.py"), "--selftest"]
    done = subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "the package pynq is not installed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("register", "value", "message"),
    [
        (0x00, 0, "lepton0 reads 0x00000000; expected 0x4C505430"),
        (0x04, 0x20001, "the shell has version 2.1; expected version 1"),
        (0x24, 5, "the running design has the digest abababab0000…; expected abababababab"),
        (0x40, 99, "register 0x40 reads 99; expected 32 bytes"),
    ],
)
def test_another_design_is_refused(
    folder: Path, shell: FakeShell, register: int, value: int, message: str
) -> None:
    shell.fixed[register] = value
    with pytest.raises(DesignError, match=message):
        Accelerator(folder / "design.bit", transport=shell)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _edit(path: Path) -> None:
    path.write_text(path.read_text().replace("UINT4", "UINT8"))


def _deep(path: Path) -> None:
    path.write_text("[" * 200_000)


def _endless(path: Path) -> None:
    values = {**json.loads(path.read_text()), "baud": float("inf")}
    path.write_text(json.dumps({**values, "checksum": checksum(values)}))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("design.json", _deep, "design.json is nested too deeply; expected a design.json"),
        ("design.json", _endless, "lacks or garbles cannot convert float infinity"),
        ("design.json", _cut, "is no whole JSON file"),
        ("design.json", _edit, "was changed after it was written"),
        ("design.json", Path.unlink, "cannot be read"),
        ("design.bit", _cut, "design.bit has the SHA-256"),
        ("design.bit", Path.unlink, "design.bit cannot be read"),
        ("vectors.npz", _cut, "vectors.npz has the SHA-256"),
        ("onboard/packing.py", _cut, "packing.py has the SHA-256"),
    ],
)
def test_changed_files_are_refused(
    folder: Path, shell: FakeShell, name: str, change: object, message: str
) -> None:
    change(folder / name)
    with pytest.raises(DesignError, match=message):
        Accelerator(folder / "design.bit", transport=shell)


def xilinx(part: bytes, missing: int = 0) -> bytes:
    fields = b"".join(
        key + len(text).to_bytes(2, "big") + text
        for key, text in ((b"a", b"top\0"), (b"b", part + b"\0"), (b"c", b"d\0"), (b"d", b"t\0"))
    )
    start = bytes.fromhex("00090ff00ff00ff00ff0000001")
    return (start + fields + b"e" + (40).to_bytes(4, "big") + bytes(40))[: -missing or None]


def test_bitstreams_with_a_header(tmp_path: Path) -> None:
    def open_it(name: str, bitstream: bytes) -> Accelerator:
        (tmp_path / name).mkdir()
        bit = deploy(tmp_path / name, bitstream=bitstream) / "design.bit"
        return Accelerator(bit, transport=fake())

    open_it("right", xilinx(b"7z020clg400"))
    with pytest.raises(DesignError, match="for the part 7z010clg400; expected xc7z020clg400-1"):
        open_it("part", xilinx(b"7z010clg400"))
    for missing in (1, 44, 60):
        with pytest.raises(DesignError, match=r"design\.bit is cut off"):
            open_it(f"cut{missing}", xilinx(b"7z020clg400", missing))


class FakePynq(types.ModuleType):
    """As much of pynq as the transport uses, around a fake shell."""

    def __init__(
        self, shell: FakeShell, blocks: tuple[str, ...], fails: Exception | None,
        bases: tuple[int, ...] = (0, 0x10000, 0x20000),
    ) -> None:  # fmt: skip
        super().__init__("pynq")
        self.calls: list = []
        here = types.SimpleNamespace(has_capability=lambda name: name == "MEMORY_MAPPED")
        self.Device = types.SimpleNamespace(active_device=here)
        self.Clocks = types.SimpleNamespace(fclk0_mhz=50.0)
        self._shell, self._blocks, self._fails = shell, blocks, fails
        self._bases = bases

    def Overlay(self, file: str, download: bool, device: object) -> object:  # noqa: N802
        self.calls.append((Path(file).name, download, device))
        if self._fails:
            raise self._fails
        segments = {
            name: types.SimpleNamespace(
                read=lambda at, base=base: self._shell.read(base + at),
                write=lambda at, value, base=base: self._shell.write(base + at, value),
            )
            for name, base in zip(self._blocks, self._bases, strict=False)
        }
        return types.SimpleNamespace(ip_dict=dict.fromkeys(self._blocks), **segments)

    def allocate(self, shape: tuple, dtype: type, target: object, cacheable: bool) -> object:
        assert dtype is np.uint8
        assert cacheable
        return self._shell.allocate(*shape)


BLOCKS = ("idma0", "odma0", "lepton0")


def test_through_pynq(folder: Path, shell: FakeShell, monkeypatch: pytest.MonkeyPatch) -> None:
    pynq = FakePynq(shell, BLOCKS, None)
    monkeypatch.setitem(sys.modules, "pynq", pynq)
    with Accelerator(folder / "design.bit") as accelerator:
        assert np.array_equal(accelerator.infer(random_batch(70)), network(random_batch(70)))
    assert pynq.calls == [("design.bit", True, None)]
    assert pynq.Clocks.fclk0_mhz == 100.0


@pytest.mark.parametrize(
    ("blocks", "fails", "message"),
    [
        (BLOCKS[:2], None, "has the blocks idma0, odma0; expected also lepton0"),
        (BLOCKS, OSError(2, "No such file"), r"pynq could not load .*design\.bit"),
        (BLOCKS, PermissionError(13, "Permission denied"), "no permission to load a bitstream"),
    ],
)
def test_what_pynq_refuses(
    folder: Path, monkeypatch: pytest.MonkeyPatch, blocks: tuple, fails: object, message: str
) -> None:
    monkeypatch.setitem(sys.modules, "pynq", FakePynq(fake(), blocks, fails))
    with pytest.raises(DesignError, match=message):
        Accelerator(folder / "design.bit")


def test_two_processes_do_not_share_a_board(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from lepton_hw.onboard.transport import claim\n"
        "claim(Path(sys.argv[1])); claim(Path(sys.argv[1])); print('mine', flush=True); input()"
    )
    lock = tmp_path / "lock"
    command = [sys.executable, "-c", script, str(lock)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "mine\n"
        with pytest.raises(DesignError, match=f"process {first.pid} uses the board"):
            claim(lock)
        first.kill()
    claim(lock)
    assert lock.read_text() == str(os.getpid())


def test_without_pynq(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynq", None)
    with pytest.raises(DesignError, match="the package pynq is not installed"):
        Accelerator(folder / "design.bit")


def test_a_format_of_the_future_is_refused(folder: Path, shell: FakeShell) -> None:
    values = json.loads((folder / "design.json").read_text())
    values["format"] = 9
    values["checksum"] = checksum(values)
    (folder / "design.json").write_text(json.dumps(values))
    with pytest.raises(DesignError, match="has the format 9; expected format 1"):
        Accelerator(folder / "design.bit", transport=shell)


def test_another_board_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARD", "ZCU104")
    with pytest.raises(DesignError, match="this board is a ZCU104; expected TUL PYNQ-Z2"):
        Accelerator(folder / "design.bit")


def test_selftest(
    folder: Path, shell: FakeShell, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert main(["--selftest"], folder, shell) == 0
    assert "9 of 9 vectors identical" in capsys.readouterr().out
    assert set(shell.runs) == {1, 2, 7, 9}
    wrong = fake()
    wrong.network = lambda codes: network(codes) + (np.arange(5) == 3)
    assert main(["--selftest"], folder, wrong) == 1
    error = capsys.readouterr().err
    assert "the board gives" in error
    assert "at (0, 3), in a batch of 1" in error


def test_every_file_is_in_the_manifest(folder: Path) -> None:
    known = json.loads((folder / "design.json").read_text())["files"]
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert there == {*known, "design.json"}
    for name, value in known.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == value
