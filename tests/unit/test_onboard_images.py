"""The host's steps on the board against those of training, pixel by pixel."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lepton_hw import flow
from lepton_hw.data import preprocess
from lepton_hw.data.folder import read_image
from lepton_hw.onboard import images
from lepton_hw.onboard.errors import DesignError, InputError

STEPS = [
    flow.Resize(op="resize", width=5, height=7),
    flow.Resize(op="resize", width=40, height=33),
    flow.CenterCrop(op="center_crop", width=6, height=9),
    flow.Denoise(op="denoise", method="median", size=3),
    flow.Denoise(op="denoise", method="median", size=5),
    flow.Denoise(op="denoise", method="gaussian", size=5),
    flow.Normalise(op="normalise", mean=(0.5,), std=(0.25,), scale=1 / 64),
    flow.Normalise(op="normalise", mean=(0.1, 0.4, 0.9), std=(0.2, 0.3, 0.4)),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.op}-{STEPS.index(step)}")
@pytest.mark.parametrize("size", [(13, 17), (31, 12), (64, 64)])
def test_every_step_of_a_flow(step: flow.Step, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (*size, 3)).astype(np.uint8)
    expected = preprocess.prepare(pixels[None], (step,))[0]
    found = images.prepare(pixels, [step.model_dump(mode="json")], expected.shape)
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)


def test_steps_in_order_and_flat() -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    steps = (STEPS[1], STEPS[5], STEPS[2], STEPS[7])
    expected = preprocess.prepare(pixels[None], steps)[0].reshape(-1)
    contract = [step.model_dump(mode="json") for step in steps] + [{"op": "flatten"}]
    assert np.array_equal(images.prepare(pixels, contract, expected.shape), expected)


def test_grey_is_pillows() -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    expected = np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]
    found = images.prepare(pixels, [{"op": "decode", "mode": "L"}], expected.shape)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_files_are_read_as_in_training(tmp_path: Path, mode: str, channels: int) -> None:
    file = tmp_path / "photo.jpg"
    pixels = np.random.default_rng(6).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6  # held upright
    Image.fromarray(pixels).save(file, exif=turned)
    found = images.prepare(file, [{"op": "decode", "mode": mode}], (30, 20, channels))
    assert np.array_equal(found, read_image(file, channels))


def test_a_models_own_quantiser() -> None:
    steps = [
        {"op": "reshape", "shape": [1, 4]},
        {"op": "div", "value": [2.0]},
        {"op": "sub", "value": [1.0, 0.0, 0.0, 0.0]},
        {"op": "quantise", "scale": 0.5, "dtype": "INT4"},
    ]
    found = images.prepare(np.array([[1.0, 2.0], [-3.25, 99.0]]), steps, (4,))
    assert found.tolist() == [-1, 2, -3, 7]
    steps[-1]["dtype"] = "BIPOLAR"
    assert images.prepare(np.array([2.0, 2, -3, 0]), steps, (4,)).tolist() == [1, 1, -1, 1]


def test_labels_and_scores() -> None:
    seen = images.read_out(
        np.array([3, 9, 9, -4]), (0.5,), (1.0, 0.0, 0.0, 0.0), ("argmax",), "abc"
    )
    assert (seen.label, seen.class_index, seen.score) == ("b", 1, 4.5)
    assert seen.ranking == (("b", 4.5), ("c", 4.5), ("a", 2.5), ("3", -2.0))
    soft = images.read_out(np.array([1000, 999]), (), (), ("softmax", "argmax"), "ab")
    assert soft.scores.sum() == pytest.approx(1)
    assert soft.scores[0] == pytest.approx(1 / (1 + np.exp(-1)))
    assert images.read_out(np.array([2]), (1.0,), (0.0,), (), "abc").label == "c"


@pytest.mark.parametrize(
    ("image", "steps", "message"),
    [
        ("missing.png", [], "missing.png cannot be read as an image"),
        ("missing.npy", [], "missing.npy cannot be read"),
        (np.zeros((4, 4, 2), np.uint8), [], r"an image of shape \(4, 4, 2\)"),
        (np.zeros((4, 4, 3)), [], "an image of float64; expected uint8 pixels"),
        (np.zeros((4, 5, 3), np.uint8), [], r"shape \(4, 5, 3\) after the contract's steps"),
        (
            np.zeros((2, 5, 3), np.uint8),
            [STEPS[2].model_dump()],
            "a crop of 6x9 from an image of 5x2",
        ),
    ],
)
def test_wrong_images_are_refused(image: object, steps: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        images.prepare(image, steps, (4, 4, 3))


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(DesignError, match="has the step 'dream'"):
        images.prepare(np.zeros((4, 4, 3), np.uint8), [{"op": "dream"}], (4, 4, 3))
