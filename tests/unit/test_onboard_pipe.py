"""The pipe to a board: the driver at one end, the fake shell at the other; one process, and two."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_shell import FakeShell
from hypothesis import given, settings
from hypothesis import strategies as st
from onboard_cases import fake, network, random_batch

from lepton_hw.onboard import Accelerator, DesignError, HardwareError, Stalled, frames
from lepton_hw.onboard.pipe import PipeTransport
from lepton_hw.onboard.remote_end import serve
from lepton_hw.sources import ROOT

HERE = Path(__file__).parent


class Served:
    """A far end in a thread, and the near end's streams."""

    def __init__(self, make: Callable[[], Any]) -> None:
        down, up = os.pipe(), os.pipe()
        self.code: int | None = None
        far = (os.fdopen(down[0], "rb"), os.fdopen(up[1], "wb", buffering=0))
        self.reader, self.writer = os.fdopen(up[0], "rb"), os.fdopen(down[1], "wb", buffering=0)

        def run() -> None:
            try:
                self.code = serve(make, *far)
            finally:  # as when a process ends
                for stream in far:
                    stream.close()

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def ended(self) -> int | None:
        self.thread.join(10)
        return self.code

    def hang_up(self) -> None:
        self.writer.close()


@pytest.fixture
def board() -> Iterator[tuple[Served, FakeShell]]:
    shell = fake()
    freed: list[int] = []
    for_real = shell.allocate

    def allocate(size: int) -> Any:
        buffer = for_real(size)
        buffer.freebuffer = lambda: freed.append(buffer.device_address)
        return buffer

    shell.allocate, shell.freed = allocate, freed
    served = Served(lambda: shell)
    yield served, shell
    served.hang_up()
    served.ended()


def test_the_driver_works_unchanged(board: Any, folder: Path) -> None:
    served, shell = board
    transport = PipeTransport(served.reader, served.writer)
    with Accelerator(folder / "design.bit", batch=8, transport=transport) as accelerator:
        for count in (1, 7, 8, 50):
            codes = random_batch(count)
            assert np.array_equal(accelerator.infer(codes), network(codes))
        codes = random_batch(30)
        assert np.array_equal(list(accelerator.stream(codes)), network(codes))
        assert accelerator.profile(codes).frames == 30
        assert accelerator.power_rails() == {}  # those of this machine are not the board's
    assert served.ended() == 0
    assert shell.closed
    assert sorted(shell.freed) == [buffer.device_address for buffer in shell.buffers]
    with pytest.raises(HardwareError, match="the pipe is closed"):
        transport.read(0)


def test_threads_share_it(board: Any, folder: Path) -> None:
    served, _ = board
    wrong = []

    def work(seed: int) -> None:
        for count in (1, 20, 3):
            codes = random_batch(count, seed=seed)
            if not np.array_equal(accelerator.infer(codes), network(codes)):
                wrong.append(seed)

    transport = PipeTransport(served.reader, served.writer)
    with Accelerator(folder / "design.bit", batch=8, transport=transport) as accelerator:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_errors_of_the_far_end_are_the_drivers_own(board: Any, folder: Path) -> None:
    served, shell = board
    transport = PipeTransport(served.reader, served.writer)
    accelerator = Accelerator(folder / "design.bit", timeout=0.05, transport=transport)
    shell.fault = "hang"
    with pytest.raises(Stalled, match=r"nothing moved for 0\.05 s"):
        accelerator.infer(random_batch(3))
    assert np.array_equal(accelerator.infer(random_batch(3)), network(random_batch(3)))

    def refuse(size: int) -> None:
        raise HardwareError(f"{size} bytes cannot be had", "memory", "pass less")

    shell.allocate = refuse
    with pytest.raises(HardwareError, match="64 bytes cannot be had; expected memory; pass less"):
        transport.allocate(64)


def test_a_failed_write_is_told_by_the_next_read(board: Any) -> None:
    served, shell = board
    transport = PipeTransport(served.reader, served.writer)
    written: list[int] = []

    def write(offset: int, value: int) -> None:
        if offset == 0x20:
            raise ConnectionError("no bus")
        written.append(offset)

    shell.write = write
    for offset in (0x10, 0x20, 0x30, 0x00):
        transport.write(offset, 1)
    with pytest.raises(HardwareError, match=r"side failed \(ConnectionError: no bus\)"):
        transport.read(0x20000)
    assert written == [0x10]  # behind the failure nothing was done
    transport.write(0x30, 1)
    assert transport.read(0x20000) == 0x4C505430
    assert written == [0x10, 0x30]


def test_a_large_buffer_goes_in_chunks(board: Any) -> None:
    served, shell = board
    transport = PipeTransport(served.reader, served.writer)
    size = 2 * frames.CHUNK + 777
    buffer = transport.allocate(size)
    content = np.random.default_rng(0).integers(0, 256, size).astype(np.uint8)
    buffer[:] = content
    buffer.flush()
    transport.read(0)
    assert np.array_equal(shell.buffers[0].memory, content)
    shell.buffers[0].memory[:] = content[::-1]
    assert np.array_equal(buffer, content)
    buffer.invalidate()
    assert np.array_equal(buffer, content[::-1])


def test_a_large_buffer_that_cannot_be_fetched(board: Any) -> None:
    served, shell = board
    transport = PipeTransport(served.reader, served.writer)
    buffer = transport.allocate(3 * frames.CHUNK)

    def refuse() -> None:
        raise OSError("no cache")

    shell.buffers[0].invalidate = refuse
    for _ in range(2):  # one answer in place of three, and the next request has its own
        with pytest.raises(HardwareError, match=r"side failed \(OSError: no cache\)"):
            buffer.invalidate()
        assert transport.read(0x20000) == 0x4C505430


def test_memory_is_bounded(board: Any) -> None:
    served, _ = board
    transport = PipeTransport(served.reader, served.writer)
    transport.allocate(64)
    with pytest.raises(HardwareError, match=r"2,147,483,648 bytes .* beside 64; expected 1 to"):
        transport.allocate(frames.MEMORY_MOST)


@pytest.mark.parametrize("stops", [True, False])
def test_the_hardware_is_stopped_before_its_memory_is_freed(
    board: Any, folder: Path, stops: bool
) -> None:
    served, shell = board
    transport = PipeTransport(served.reader, served.writer)
    accelerator = Accelerator(folder / "design.bit", batch=8, transport=transport)
    outputs = accelerator.stream(random_batch(40))
    next(outputs)
    shell.fault = "silent" if stops else "dead"
    shell.left = 5  # a transfer is under way when the PC goes away
    running: list[object] = []
    for buffer in shell.buffers:
        buffer.freebuffer = lambda: running.append(shell.left)
    served.hang_up()
    assert served.ended() == 0
    assert running == [None] * 4
    assert (shell.resets, shell.reloads) == (1, 0 if stops else 1)
    assert shell.closed


class Interrupted:
    """A stream whose next read is Ctrl-C, or its end, when asked for."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.now, self.ends = stream, False, False

    def read1(self, count: int) -> bytes:
        if self.now:
            self.now = False
            raise KeyboardInterrupt
        if self.ends:
            return b""
        return self.stream.read1(count)

    def close(self) -> None:
        self.stream.close()


@pytest.mark.parametrize("what", ["read", "invalidate"])
def test_ctrl_c_leaves_it_usable(board: Any, folder: Path, what: str) -> None:
    served, _ = board
    reader = Interrupted(served.reader)
    transport = PipeTransport(reader, served.writer)
    buffer = transport.allocate(3 * frames.CHUNK)
    buffer[:] = 5
    buffer.flush()
    buffer[:] = 0
    reader.now = True
    with pytest.raises(KeyboardInterrupt):
        transport.read(0x20004) if what == "read" else buffer.invalidate()
    buffer[:] = 6
    buffer.flush()  # larger than any pipe: what is still to come must be taken first
    assert transport.read(0x20000) == 0x4C505430
    buffer.invalidate()
    assert set(buffer) == {6}
    accelerator = Accelerator(folder / "design.bit", transport=transport)
    assert np.array_equal(accelerator.infer(random_batch(9)), network(random_batch(9)))


def test_what_a_login_script_prints_is_skipped() -> None:
    far = io.BytesIO(b"Welcome!\n" + frames.GREETING + frames.pack(frames.HELLO, 0, b"{}"))
    assert not hasattr(PipeTransport(far, io.BytesIO()), "clock_mhz")


def _hello(payload: bytes = b"{}", **change: int) -> bytes:
    head = {"version": 1, "kind": frames.HELLO, "zero": 0, "number": 0, "length": len(payload)}
    return frames.GREETING + frames.HEAD.pack(*{**head, **change}.values()) + payload


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        (b"", HardwareError, "the pipe to the board ended: no power; expected the far end"),
        (b"text " * 20000, HardwareError, "prints text and no greeting"),
        (_hello()[:-1], HardwareError, "the pipe to the board ended"),
        (_hello(version=2), DesignError, "speaks version 2; expected version 1"),
        (_hello(length=1 << 30), DesignError, "a message of 1,073,741,824 bytes"),
        (_hello(zero=7), DesignError, "a message of 2 bytes came"),
        (_hello(kind=frames.DONE), HardwareError, "answered something else"),
        (_hello(number=3), HardwareError, "answered something else"),
        (
            _hello(frames.error_payload(DesignError("no\x1b[2J bit", "a bit", "copy")), kind=34),
            DesignError,
            r"no \[2J bit; expected a bit; copy\.",
        ),
        (_hello(b"?", kind=34), HardwareError, "None; expected None"),
    ],
)
def test_a_far_end_that_is_none(said: bytes, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        PipeTransport(io.BytesIO(said), io.BytesIO(), lambda: "no\npower"[:2] + " power")


class Unplugged:
    """What writing to a program that ended gives."""

    def write(self, message: Any) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    def close(self) -> None:
        pass


@pytest.mark.parametrize("way", ["reads", "writes"])
def test_a_pipe_that_ends_is_one_sentence_each_time(board: Any, folder: Path, way: str) -> None:
    served, shell = board
    reader = Interrupted(served.reader)
    transport = PipeTransport(reader, served.writer, lambda: "cable")
    accelerator = Accelerator(folder / "design.bit", timeout=0.05, transport=transport)
    accelerator.infer(random_batch(1))
    shell.fault = "hang"
    if way == "reads":
        reader.ends = True
    else:
        transport._writer = Unplugged()
    sentence = (
        r"^the pipe to the board ended( \(Broken pipe\))?: cable; expected the far end "
        r"\(driver.py --serve\) to answer; connect or start it again, then make a new "
        r"Accelerator\.$"
    )
    for _ in range(2):
        with pytest.raises(HardwareError, match=sentence):
            accelerator.infer(random_batch(1))
    accelerator.close()
    served.hang_up()
    assert served.ended() == 0
    assert len(shell.freed) == 2


@settings(max_examples=int(os.environ.get("LEPTON_EXAMPLES", "200")), deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_end_the_far_end_in_peace(noise: bytes, framed: bool) -> None:
    """Frames of any kind with any payload are answered; what is no frame ends it; all is freed."""
    shell = fake()
    kind = noise[0] if noise else 0
    message = frames.pack(kind, 1, noise) if framed else noise
    out = io.BytesIO()
    code = serve(lambda: shell, io.BytesIO(message), out)
    assert code in (0, 1)
    assert shell.closed
    answers = out.getvalue()[len(frames.GREETING) :]
    while answers:  # whole frames, and nothing but frames
        *_, length = frames.unpack_head(answers[: frames.HEAD.size])
        assert len(answers) >= frames.HEAD.size + length
        answers = answers[frames.HEAD.size + length :]


def start(folder: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(HERE / "far_end.py"), str(folder), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT.parent)}
    return subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, env=environment)


@pytest.mark.parametrize("fault", ["", "chatty"])
def test_another_process(folder: Path, fault: str) -> None:
    """As over SSH: noise before, and whatever prints does not get into the frames."""
    with start(folder, "Last login: today\n", fault) as far:
        transport = PipeTransport(far.stdout, far.stdin)
        with Accelerator(folder / "design.bit", transport=transport) as accelerator:
            assert np.array_equal(accelerator.infer(random_batch(9)), network(random_batch(9)))
        assert far.wait(10) == 0
        assert far.stderr is not None
        said = far.stderr.read()
        for words in (b"a word too many", b"of a library in C"):
            assert (words in said) == (fault == "chatty")


def test_a_design_that_the_far_end_refuses(folder: Path) -> None:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, str(folder / "driver.py"), "--serve"]
    with subprocess.Popen(command, stdin=-1, stdout=-1, env=environment) as far:
        with pytest.raises(DesignError, match="the package pynq is not installed"):
            PipeTransport(far.stdout, far.stdin)
        assert far.wait(10) == 1


def test_kinds_of_error_survive() -> None:
    for kind in (DesignError, HardwareError, Stalled):
        error = frames.error_of(frames.error_payload(kind("a", "b", "c")))
        assert (type(error), str(error)) == (kind, "a; expected b; c.")
    text = frames.error_payload(OSError("x" * 10_000))
    assert len(json.loads(text)["found"]) == 4096
