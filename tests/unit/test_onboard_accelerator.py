"""The driver on a fake of the shell: results, refusals, faults, threads, streams."""

import itertools
import threading
from pathlib import Path

import numpy as np
import pytest
from fake_shell import FakeShell
from onboard_cases import SHAPE, deploy, fake, network, random_batch

from lepton_hw.onboard import Accelerator, DriverError, HardwareError, Stalled
from lepton_hw.onboard.errors import InputError


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


def test_all_errors_are_of_one_kind() -> None:
    assert issubclass(Stalled, HardwareError)
    assert issubclass(HardwareError, DriverError)
