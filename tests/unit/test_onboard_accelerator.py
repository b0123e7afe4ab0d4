"""The driver on a fake of the shell: results, refusals, faults, threads, streams."""

import hashlib
import itertools
import json
import os
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
from fake_shell import FakeShell

from lepton_hw.board import load_board
from lepton_hw.contract import InputContract, Port
from lepton_hw.deployment import write_deployment
from lepton_hw.design import Design, Stream
from lepton_hw.onboard import Accelerator, DesignError, DriverError, HardwareError, Stalled
from lepton_hw.onboard.command import main
from lepton_hw.onboard.errors import InputError
from lepton_hw.onboard.manifest import checksum
from lepton_hw.onboard.transport import claim

SHAPE, DIGEST = (4, 4, 3), "ab" * 32
WEIGHTS = np.random.default_rng(1).integers(-2, 3, (48, 5))
BEFORE = ({"op": "decode", "mode": "RGB"}, {"op": "resize", "width": 4, "height": 4})


def network(codes: np.ndarray) -> np.ndarray:
    return codes.reshape(len(codes), 48) @ WEIGHTS


def stream(name: str, dtype: str, bits: int, shape: tuple, folded: tuple) -> Stream:
    width = -(-bits * folded[-1] // 8) * 8
    return Stream(tensor=name, producer="", consumer="", dtype=dtype, bits=bits, width=width,
                  shape=(1, *shape), folded_shape=folded, name=name)  # fmt: skip


def deploy(folder: Path, dtype: str = "UINT4", bitstream: bytes = b"configuration") -> Path:
    door, end = (1, 4, 4, 1, 3), (1, 5, 1)
    bits = {"UINT4": 4, "BIPOLAR": 1, "UINT8": 8}[dtype]
    design = Design(top="top", sources=(), data_files=(), inputs=("in",), outputs=("out",),
                    streams=(stream("in", dtype, bits, SHAPE, door),
                             stream("out", "INT13", 13, (5,), end)), nodes=())  # fmt: skip
    contract = InputContract(
        input=Port(name="in", dtype=dtype, shape=SHAPE, layout="NHWC"),
        output=Port(name="out", dtype="INT13", shape=(5,), layout="NC", scale=(0.5,)),
        host_before=BEFORE, host_after=("argmax",), labels=tuple("vwxyz"),
    )  # fmt: skip
    file = folder / "built.bit"
    file.write_bytes(bitstream)
    codes = random_batch(9, dtype)
    write_deployment(folder / "deployed", file, design, contract, load_board("pynq_z2"), DIGEST,
                     (codes, network(codes)))  # fmt: skip
    return folder / "deployed"


def fake(dtype: str = "UINT4") -> FakeShell:
    beats = {"UINT4": (4, 2), "BIPOLAR": (1, 1), "UINT8": (8, 3)}[dtype]
    return FakeShell(SHAPE, (dtype, 16, 3, *beats), ("INT13", 5, 1, 13, 2), network, DIGEST)


def random_batch(count: int, dtype: str = "UINT4", seed: int = 7) -> np.ndarray:
    codes = np.random.default_rng(seed).integers(0, 16, (count, *SHAPE))
    return np.where(codes > 7, 1, -1) if dtype == "BIPOLAR" else codes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return deploy(tmp_path)


@pytest.fixture
def shell() -> FakeShell:
    return fake()


@pytest.fixture
def accelerator(folder: Path, shell: FakeShell) -> Accelerator:
    return Accelerator(folder / "design.bit", batch=8, timeout=0.05, transport=shell)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 50])
def test_batches_of_any_size(accelerator: Accelerator, count: int) -> None:
    codes = random_batch(count)
    outputs = accelerator.infer(codes)
    assert outputs.shape == (count, 5)
    assert outputs.dtype == np.int16
    assert np.array_equal(outputs, network(codes))


def test_one_image_and_any_integer_type(accelerator: Accelerator) -> None:
    image = random_batch(1)[0]
    for kind in (np.uint8, np.int8, np.int64, ">u2"):
        found = accelerator.infer(image.astype(kind))
        assert np.array_equal(found, network(image[None])[0])
    reversed_view = np.asfortranarray(random_batch(3))[::-1]
    assert np.array_equal(accelerator.infer(reversed_view), network(reversed_view))


def test_buffers_are_used_again(accelerator: Accelerator, shell: FakeShell) -> None:
    for count in (1, 3, 8, 50, 50, 1):
        accelerator.infer(random_batch(count))
    assert len(shell.buffers) == 6  # two pairs for batches, one for single frames
    assert max(shell.runs) == 8


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (
            np.zeros((4, 4, 1), int),
            r"input of shape \(1, 4, 4, 1\); expected \(4, 4, 3\) or \(N, 4",
        ),
        (np.zeros((2, 1, 4, 4, 3), int), r"input of shape \(2, 1, 4, 4, 3\)"),
        (np.float32(3), r"input of shape \(\)"),
        (np.zeros((1, *SHAPE)), "input of type float64; expected integer codes of UINT4"),
        (np.full((2, *SHAPE), 16), r"input code \(0, 0, 0, 0\) is 16; expected 0 to 15 \(UINT4\)"),
        (np.full(SHAPE, -1), r"is -1; expected 0 to 15"),
    ],
)
def test_wrong_input_is_a_sentence(
    accelerator: Accelerator, shell: FakeShell, codes: np.ndarray, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        accelerator.infer(codes)
    assert shell.runs == []
    assert np.array_equal(accelerator.infer(random_batch(2)), network(random_batch(2)))


def test_bipolar_has_no_zero(tmp_path: Path) -> None:
    accelerator = Accelerator(deploy(tmp_path, "BIPOLAR") / "design.bit", transport=fake("BIPOLAR"))
    codes = random_batch(3, "BIPOLAR")
    assert np.array_equal(accelerator.infer(codes), network(codes))
    codes[1, 2, 3, 0] = 0
    with pytest.raises(InputError, match=r"\(1, 2, 3, 0\) is 0; expected .* without 0"):
        accelerator.infer(codes)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("read", "memory refused the read at 0x"),
        ("write", "memory refused the write at 0x"),
        ("length", "refused the number of frames"),
    ],
)
@pytest.mark.parametrize("count", [1, 50])
def test_errors_of_the_hardware(
    accelerator: Accelerator, shell: FakeShell, fault: str, message: str, count: int
) -> None:
    shell.fault = fault
    with pytest.raises(HardwareError, match=message):
        accelerator.infer(random_batch(count))
    assert shell.resets == 1
    assert np.array_equal(accelerator.infer(random_batch(50)), network(random_batch(50)))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no input", r"nothing moved for 0.05 s \(input side: idma0 runs and memory gives no data"),
        ("not taken", "output side: the accelerator offers data"),
        ("hang", "accelerator: it neither takes the input"),
        ("silent", "accelerator: it has taken all input and gives no output"),
        ("clock", "the design's clock stands still"),
    ],
)
def test_a_stall_names_the_side(
    accelerator: Accelerator, shell: FakeShell, fault: str, message: str
) -> None:
    shell.fault = fault
    with pytest.raises(Stalled, match=message):
        accelerator.infer(random_batch(20))
    assert shell.resets == 1
    assert np.array_equal(accelerator.infer(random_batch(20)), network(random_batch(20)))


def test_a_reset_that_does_not_help_loads_the_bitstream(
    accelerator: Accelerator, shell: FakeShell
) -> None:
    shell.fault = "dead"
    with pytest.raises(Stalled):
        accelerator.infer(random_batch(1))
    assert shell.reloads == 1
    assert np.array_equal(accelerator.infer(random_batch(1)), network(random_batch(1)))


@pytest.mark.parametrize("reads", [0, 1, 4, 30])
@pytest.mark.parametrize("fault", ["", "hang"])
def test_a_board_that_goes_away(
    accelerator: Accelerator, shell: FakeShell, reads: int, fault: str
) -> None:
    shell.fault, shell.unplugged_in = fault, reads
    for _ in range(2):
        with pytest.raises(HardwareError, match=r"does not answer \(ConnectionError: no route"):
            accelerator.infer(random_batch(60))
    accelerator.close()


def test_reset_between_the_batches_of_a_stream(accelerator: Accelerator, shell: FakeShell) -> None:
    outputs = accelerator.stream(random_batch(40))
    next(outputs)
    accelerator.reset()
    with pytest.raises(HardwareError, match="the transfer was stopped by a reset"):
        list(outputs)
    assert np.array_equal(accelerator.infer(random_batch(9)), network(random_batch(9)))


def test_ctrl_c_leaves_it_usable(accelerator: Accelerator, shell: FakeShell) -> None:
    step, shell.fault = shell._step, "hang"

    def interrupted() -> None:
        shell._step = step
        raise KeyboardInterrupt

    shell._step = interrupted
    with pytest.raises(KeyboardInterrupt):
        accelerator.infer(random_batch(3))
    assert shell.resets == 1
    assert np.array_equal(accelerator.infer(random_batch(9)), network(random_batch(9)))


def test_the_folder_works_alone(folder: Path) -> None:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, str(folder / "driver.py"), "--selftest"]
    done = subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "the package pynq is not installed" in done.stderr
    assert "Traceback" not in done.stderr


def test_slow_is_not_stalled(folder: Path, shell: FakeShell) -> None:
    shell.reads = 4000  # some time-outs long, and words move all the while
    step = shell._step
    shell._step = lambda: (shell.live.__setitem__(7, shell.live[7] + 1), step())
    accelerator = Accelerator(folder / "design.bit", timeout=1e-4, transport=shell)
    assert np.array_equal(accelerator.infer(random_batch(1)), network(random_batch(1)))


def test_a_stream_keeps_order_and_kinds(accelerator: Accelerator) -> None:
    frames = random_batch(60)
    items = [frames[0], frames[1:4], *frames[4:20], frames[20:53], frames[53], frames[54:]]
    expected = [network(item[None])[0] if item.ndim == 3 else network(item) for item in items]
    found = list(accelerator.stream(iter(items)))
    assert len(found) == len(expected)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_stream_is_lazy_and_bounded(accelerator: Accelerator, shell: FakeShell) -> None:
    taken = itertools.count()
    last = -1
    same = np.empty(SHAPE, np.uint8)  # handed over again and again, as a camera's loop does

    def camera() -> object:
        nonlocal last
        for last in taken:
            same[...] = last % 16
            yield same

    outputs = accelerator.stream(camera())
    for index in range(300):
        expected = network(np.full((1, *SHAPE), index % 16))[0]
        assert np.array_equal(next(outputs), expected)
        assert last - index < 2 * 8
    outputs.close()
    assert len(shell.buffers) == 4
    assert shell.left is None  # what ran was waited for
    assert np.array_equal(accelerator.infer(same), network(same[None])[0])


def test_a_stream_of_single_frames_waits_for_none(
    accelerator: Accelerator, shell: FakeShell
) -> None:
    taken = []
    frames = random_batch(9)
    outputs = accelerator.stream((taken.append(frame), frame)[1] for frame in frames)
    next(outputs)
    assert len(taken) == 9  # by default as many as a transfer takes, and the next ones
    taken.clear()
    outputs = accelerator.stream(((taken.append(frame), frame)[1] for frame in frames), batch=1)
    assert np.array_equal(next(outputs), network(frames[:1])[0])
    assert len(taken) == 2
    assert np.array_equal(list(outputs), network(frames[1:]))


def test_the_batch_follows_the_size_of_a_frame(folder: Path, shell: FakeShell) -> None:
    assert Accelerator(folder / "design.bit", transport=shell).batch == 1024
    with pytest.raises(InputError, match="batch = 0; expected at least 1"):
        Accelerator(folder / "design.bit", batch=0, transport=shell)


def test_inference_inside_a_stream(accelerator: Accelerator) -> None:
    frames, other = random_batch(30), random_batch(3, seed=8)
    for frame, found in zip(frames, accelerator.stream(frames), strict=True):
        assert np.array_equal(found, network(frame[None])[0])
        assert np.array_equal(accelerator.infer(other), network(other))


def test_threads_share_it(accelerator: Accelerator) -> None:
    wrong = []

    def work(seed: int) -> None:
        for count in (1, 20, 3, 8):
            codes = random_batch(count, seed=seed)
            if not np.array_equal(accelerator.infer(codes), network(codes)):
                wrong.append(seed)
            if not np.array_equal(list(accelerator.stream(codes)), network(codes)):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_profile(accelerator: Accelerator, shell: FakeShell) -> None:
    accelerator.infer(random_batch(5))
    seen = accelerator.profile(random_batch(20))
    assert seen.frames == 20
    assert seen.busy == pytest.approx(3 * 1000 / 100e6)
    assert seen.input_starved == pytest.approx(3 * 200 / 100e6)
    assert seen.accelerator == pytest.approx(3 * 700 / 100e6)
    assert seen.latency == pytest.approx(77 / 100e6)
    assert 0 < seen.pack + seen.unpack + seen.waiting <= seen.total


def test_close_and_context(folder: Path, shell: FakeShell) -> None:
    with Accelerator(folder / "design.bit", transport=shell) as accelerator:
        accelerator.infer(random_batch(1))
    assert shell.closed
    accelerator.close()
    with pytest.raises(InputError, match="the accelerator is closed"):
        accelerator.infer(random_batch(1))


def test_a_transfer_left_behind_is_reset(folder: Path, shell: FakeShell) -> None:
    shell.left = 10**9
    accelerator = Accelerator(folder / "design.bit", transport=shell)
    assert shell.resets == 1
    assert np.array_equal(accelerator.infer(random_batch(1)), network(random_batch(1)))


def test_an_error_left_behind_is_not_ours(folder: Path, shell: FakeShell) -> None:
    shell.errors = 2
    accelerator = Accelerator(folder / "design.bit", transport=shell)
    assert np.array_equal(accelerator.infer(random_batch(1)), network(random_batch(1)))


def test_classify(accelerator: Accelerator, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 16, (9, 7, 3)).astype(np.uint8)
    np.save(tmp_path / "photo.npy", pixels)
    found = accelerator.classify(tmp_path / "photo.npy")
    assert found.label == "vwxyz"[found.class_index] == found.ranking[0][0]
    assert np.array_equal(found.scores, 0.5 * found.codes)
    assert found.score == found.scores.max()


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


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
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

    def __init__(self, shell: FakeShell, blocks: tuple[str, ...], fails: Exception | None) -> None:
        super().__init__("pynq")
        self.calls: list = []
        self.Device = types.SimpleNamespace(active_device="here")
        self.Clocks = types.SimpleNamespace(fclk0_mhz=50.0)
        self._shell, self._blocks, self._fails = shell, blocks, fails

    def Overlay(self, file: str, download: bool, device: object) -> object:  # noqa: N802
        self.calls.append((Path(file).name, download, device))
        if self._fails:
            raise self._fails
        segments = {
            name: types.SimpleNamespace(
                read=lambda at, base=base: self._shell.read(base + at),
                write=lambda at, value, base=base: self._shell.write(base + at, value),
            )
            for name, base in zip(self._blocks, (0, 0x10000, 0x20000), strict=False)
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


def test_all_errors_are_of_one_kind() -> None:
    assert issubclass(Stalled, HardwareError)
    assert issubclass(HardwareError, DriverError)
