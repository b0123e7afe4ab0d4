"""Training: deterministic, resumable to the same bits, transferable, and honest about failure."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from lepton_hw.artifacts import save
from lepton_hw.errors import InputError, StageError
from lepton_hw.flow import Flow, RandomCrop
from lepton_hw.progress import Progress, Task
from lepton_hw.stages import train
from lepton_hw.training import checkpoint

from .small import BOARD, folder, small_flow


class Kill(Exception):
    """The process is killed."""


class KilledAfter(Progress):
    """Raises once the given number of epochs has been reported."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs
        self.lines: list[str] = []

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Task]:
        outer = self

        class Counting(Task):
            def advance(self, steps: int = 1, note: str = "") -> None:
                if note.startswith("loss"):
                    outer.left -= 1
                    if outer.left == 0:
                        raise Kill

        yield Counting()

    def say(self, line: str) -> None:
        self.lines.append(line)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path / train.WEIGHTS, weights_only=True)


def assert_same_bits(one: Path, two: Path) -> None:
    left, right = weights(one), weights(two)
    assert left.keys() == right.keys()
    differing = [key for key in left if not torch.equal(left[key], right[key])]
    assert differing == []


def test_learns_and_repeats(tmp_path: Path) -> None:
    one, two = folder(tmp_path, "one"), folder(tmp_path, "two")
    first = train.run(small_flow(), BOARD, one)
    second = train.run(small_flow(), BOARD, two)
    assert first.metrics.accuracy > 0.9
    assert (first.input_shape, first.classes[0]) == ((8, 8, 1), "pattern 0")
    assert [set(row) for row in first.history] == [{"loss", "train_accuracy", "accuracy"}] * 4
    assert first == second
    assert_same_bits(one, two)
    other = folder(tmp_path, "other")
    train.run(small_flow(seed=6), BOARD, other)
    assert not torch.equal(weights(one)["head.weight"], weights(other)["head.weight"])


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole, broken = folder(tmp_path, "whole"), folder(tmp_path, "broken")
    kept = tmp_path / "checkpoints"
    expected = train.run(small_flow(), BOARD, whole)
    with pytest.raises(Kill):
        train.run(small_flow(), BOARD, broken, KilledAfter(2), kept)
    assert [p.name for p in kept.iterdir()] == [checkpoint.FILE]
    rest = KilledAfter(100)
    resumed = train.run(small_flow(), BOARD, broken, rest, kept)
    assert "training goes on after epoch 2" in rest.lines
    assert rest.left == 98  # only the two epochs that were missing
    assert resumed == expected
    assert_same_bits(whole, broken)
    assert list(kept.iterdir()) == []


def test_a_checkpoint_of_another_recipe_or_damaged_is_ignored(tmp_path: Path) -> None:
    kept = tmp_path / "checkpoints"
    with pytest.raises(Kill):
        train.run(small_flow(), BOARD, folder(tmp_path, "a"), KilledAfter(2), kept)
    other = KilledAfter(100)
    train.run(small_flow(learning_rate=1e-3), BOARD, folder(tmp_path, "b"), other, kept)
    assert other.left == 96
    kept.mkdir(exist_ok=True)
    (kept / checkpoint.FILE).write_bytes(b"half a file")
    damaged = KilledAfter(100)
    train.run(small_flow(), BOARD, folder(tmp_path, "c"), damaged, kept)
    assert damaged.left == 96


@pytest.mark.parametrize(
    "change",
    [
        {"model": {}},
        {"optimiser": {"state": 1}},
        {"schedule": None},
        {"torch_rng": torch.zeros(3)},
        {"history": 7},
        {"history": [{"loss": "x"}]},
    ],
)
def test_a_checkpoint_of_damaged_content_is_ignored(
    tmp_path: Path, change: dict[str, object]
) -> None:
    kept = tmp_path / "checkpoints"
    with pytest.raises(Kill):
        train.run(small_flow(), BOARD, folder(tmp_path, "a"), KilledAfter(2), kept)
    state = torch.load(kept / checkpoint.FILE, weights_only=True)
    torch.save({**state, **change}, kept / checkpoint.FILE)
    said = KilledAfter(100)
    train.run(small_flow(), BOARD, folder(tmp_path, "b"), said, kept)
    assert any("checkpoint is damaged, training starts anew" in line for line in said.lines)
    assert said.left == 96


def test_a_file_of_weights_that_are_no_numbers_is_named(tmp_path: Path) -> None:
    source = folder(tmp_path, "source")
    trained = save(train.run(small_flow(epochs=1), BOARD, source), source, "key", 0.0)
    broken = weights(source)
    broken["features.0.weight"].fill_(float("nan"))
    torch.save(broken, tmp_path / "nan.pt")
    assert trained.path(train.WEIGHTS).is_file()
    with pytest.raises(InputError, match=r"nan\.pt holds a weight that is not a number"):
        train.run(small_flow(init=str(tmp_path / "nan.pt")), BOARD, folder(tmp_path, "work"))


def test_weights_are_read_from_plain_files_only(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (Path("/dev/zero"), pipe):
        with pytest.raises(InputError, match=r"is a device or a pipe; expected a weights\.pt of"):
            train.load_weights(path)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("folder", "is a folder"),
        ("x" * 300, r"cannot be read \(File name too long\)"),
        ("loop", r"cannot be read \(Too many levels of symbolic links\)"),
        ("file/x", r"cannot be read \(Not a directory\)"),
        ("large", r"has 4,294,967,297 bytes, more than 4,294,967,296,"),
        ("none", "does not exist"),
        ("file", "holds no weights"),
        ("a\0b", "does not exist"),
    ],
)
def test_a_path_that_gives_no_weights_is_called_what_it_is(
    tmp_path: Path, name: str, what: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("text")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(checkpoint.LARGEST + 1)
    with pytest.raises(InputError, match=f" {what}"):
        train.run(small_flow(init=str(tmp_path / name)), BOARD, folder(tmp_path, "work"))


def test_transfer_keeps_the_body_and_replaces_the_head(tmp_path: Path) -> None:
    source = folder(tmp_path, "source")
    trained = save(train.run(small_flow(), BOARD, source), source, "key", 0.0)
    init = str(trained.path(train.WEIGHTS))
    said = KilledAfter(100)
    target = folder(tmp_path, "target")
    train.run(small_flow(5, init=init, epochs=1, learning_rate=1e-9), BOARD, target, said)
    assert any("the head starts anew" in line for line in said.lines)
    before, after = weights(source), weights(target)
    assert after["head.weight"].shape[0] == 5
    assert torch.allclose(before["features.0.weight"], after["features.0.weight"], atol=1e-6)
    same = folder(tmp_path, "same")
    train.run(small_flow(init=init, epochs=1, learning_rate=1e-9), BOARD, same, said)
    assert torch.allclose(before["head.weight"], weights(same)["head.weight"], atol=1e-6)


def test_weights_that_do_not_fit_or_are_none(tmp_path: Path) -> None:
    work = folder(tmp_path, "work")
    wrong = tmp_path / "wrong.pt"
    torch.save({"other": torch.zeros(1)}, wrong)
    with pytest.raises(InputError, match=r"does not fit the network \(features"):
        train.run(small_flow(init=str(wrong)), BOARD, work)
    torch.save({"features.0.weight": torch.zeros(2, 2)}, wrong)
    with pytest.raises(InputError, match=r"does not fit the network \(size mismatch"):
        train.run(small_flow(init=str(wrong)), BOARD, work)
    wrong.write_bytes(b"hello")
    with pytest.raises(InputError, match=r"wrong\.pt holds no weights"):
        train.run(small_flow(init=str(wrong)), BOARD, work)
    with pytest.raises(InputError, match=r"none\.pt does not exist"):
        train.run(small_flow(init=str(tmp_path / "none.pt")), BOARD, work)


def diverging(flow: Flow) -> Flow:
    """With a learning rate that no file may have."""
    assert flow.train
    recipe = flow.train.model_copy(update={"learning_rate": 1e30})
    return flow.model_copy(update={"train": recipe})


def test_divergence_and_bad_augmentation_and_device(tmp_path: Path) -> None:
    work = folder(tmp_path, "work")
    with pytest.raises(StageError, match=r"loss of epoch .* is not a number"):
        train.run(diverging(small_flow()), BOARD, work)
    flow = small_flow()
    assert flow.data
    crop = RandomCrop(op="random_crop", width=6, height=8)
    shrunk = flow.model_copy(update={"data": flow.data.model_copy(update={"augment": (crop,)})})
    with pytest.raises(InputError, match=r"images of \(8, 8, 1\) into \(8, 6, 1\)"):
        train.run(shrunk, BOARD, work)
    with pytest.raises(InputError, match="device is 'tpu'"):
        train.run(flow, BOARD, work, device="tpu")


def test_one_label_for_an_image_and_a_class_for_each_pixel(tmp_path: Path) -> None:
    flow = small_flow()
    assert flow.model
    flow = flow.model_copy(update={"model": flow.model.model_copy(update={"name": "unet"})})
    with pytest.raises(InputError, match="'unet' gives a class for each pixel, data set 'synth"):
        train.run(flow, BOARD, folder(tmp_path, "work"))
