"""Image steps against values worked out by hand, and the properties that they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lepton_hw import flow
from lepton_hw.data.preprocess import apply, door_dtype, gaussian, median, prepare, resize, rotate
from lepton_hw.errors import InputError

RANDOM = np.random.default_rng(0)


def ramp(height: int = 4, width: int = 6, channels: int = 1) -> np.ndarray:
    values = np.arange(height * width * channels, dtype=np.uint8)
    return values.reshape(1, height, width, channels)


def test_center_crop_takes_the_middle() -> None:
    step = flow.CenterCrop(op="center_crop", width=2, height=2)
    got = apply(ramp(), (step,), RANDOM)
    assert got[0, :, :, 0].tolist() == [[8, 9], [14, 15]]


def test_a_crop_larger_than_the_image_is_refused() -> None:
    step = flow.CenterCrop(op="center_crop", width=7, height=2)
    with pytest.raises(InputError, match="a crop of 7x2 from images of 6x4"):
        apply(ramp(), (step,), RANDOM)


def test_random_crop_cuts_each_image_at_its_own_place() -> None:
    images = np.repeat(ramp(8, 8), 50, axis=0)
    step = flow.RandomCrop(op="random_crop", width=8, height=8, padding=1)
    got = apply(images, (step,), np.random.default_rng(1))
    assert got.shape == images.shape
    assert len({image.tobytes() for image in got}) == 9  # three rows times three columns


def test_flip_mirrors_left_and_right() -> None:
    step = flow.Flip(op="flip", probability=1.0)
    assert apply(ramp(), (step,), RANDOM)[0, 0, :, 0].tolist() == [5, 4, 3, 2, 1, 0]
    never = flow.Flip(op="flip", probability=0.0)
    assert (apply(ramp(), (never,), RANDOM) == ramp()).all()


def test_rotate_by_right_angles() -> None:
    square = ramp(3, 3)
    assert (rotate(square, np.array([0.0])) == square).all()
    assert (rotate(square, np.array([180.0])) == square[:, ::-1, ::-1]).all()
    quarter = rotate(square, np.array([90.0]))
    assert quarter[0, 1, 1, 0] == square[0, 1, 1, 0]
    assert (quarter == np.rot90(square, -1, (1, 2))).all() or (
        quarter == np.rot90(square, 1, (1, 2))
    ).all()


def test_brightness_stays_in_range() -> None:
    step = flow.Brightness(op="brightness", amount=0.9)
    images = np.full((64, 1, 1, 1), 200, np.uint8)
    got = apply(images, (step,), np.random.default_rng(0))
    assert got.max() == 255
    assert got.min() < 100


def test_resize_by_half_averages_with_the_triangle() -> None:
    row = np.array([0, 0, 0, 255, 255, 255], np.uint8).reshape(1, 1, 6, 1)
    # Support 2 around 2.5: weights 1, 3, 3, 1 of 8 over pixels 1 to 4; clipped at the edges.
    assert resize(row, 3, 1)[0, 0, :, 0].tolist() == [0, 128, 255]
    assert (resize(ramp(), 6, 4) == ramp()).all()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 255))
def test_resize_and_blur_keep_a_flat_image(width: int, height: int, shade: int) -> None:
    flat = np.full((1, 5, 4, 2), shade, np.uint8)
    got = resize(flat, width, height)
    assert got.shape == (1, height, width, 2)
    assert (got == shade).all()
    assert (gaussian(flat, 3) == shade).all()


def test_median_removes_a_speck_and_gaussian_spreads_it() -> None:
    image = np.zeros((1, 5, 5, 1), np.uint8)
    image[0, 2, 2, 0] = 255
    assert median(image, 3).max() == 0
    blurred = gaussian(image, 3)[0, :, :, 0]
    assert blurred[2, 2] == blurred.max() > 0
    assert (blurred == blurred.T).all()
    # sigma 0.8: middle tap 1 / (1 + 2 exp(-1 / 1.28)) = 0.5219, squared, of 255.
    assert blurred[2, 2] == round(255 * 0.52192**2)


def test_normalise_gives_signed_codes_and_the_door_says_so() -> None:
    step = flow.Normalise(op="normalise", mean=(0.5,), std=(0.25,), scale=1 / 32)
    pixels = np.array([0, 64, 128, 255], np.uint8).reshape(4, 1, 1, 1)
    got = prepare(pixels, (step,))
    assert got.dtype == np.int8
    # (0 / 255 - 0.5) / 0.25 * 32 = -64; (64 / 255 - 0.5) * 128 = -31.87; +0.25; +64.
    assert got.reshape(-1).tolist() == [-64, -32, 0, 64]
    assert (door_dtype((step,)), door_dtype(())) == ("INT8", "UINT8")
    three = flow.Normalise(op="normalise", mean=(0.5, 0.5, 0.5), std=(1.0,))
    with pytest.raises(InputError, match="normalise with 3 means"):
        prepare(pixels, (three,))


def test_a_table_row_that_is_random_or_out_of_place_is_refused() -> None:
    normalise = flow.Normalise(op="normalise", mean=(0.5,), std=(0.25,))
    crop = flow.CenterCrop(op="center_crop", width=2, height=2)
    with pytest.raises(ValidationError, match="normalise only as the last step"):
        flow.Data(set="digits", preprocess=(normalise, crop))
    with pytest.raises(ValidationError, match="move 'flip' to augment"):
        flow.Data(set="digits", preprocess=(flow.Flip(op="flip"),))
