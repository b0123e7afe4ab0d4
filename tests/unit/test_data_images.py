"""Image files that are none, or break Pillow: on the host and on the board alike."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lepton_hw.data import preprocess
from lepton_hw.data.folder import MAX_PIXELS, read_image
from lepton_hw.errors import InputError
from lepton_hw.onboard import images as contract_images
from lepton_hw.onboard.errors import DriverError


def test_a_picture_is_one_by_its_content_and_starts_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import EpsImagePlugin

    def started(*_: object, **__: object) -> None:
        raise AssertionError("Ghostscript would run")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", started)
    eps = tmp_path / "a.png"
    eps.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n")
    with pytest.raises(InputError, match=r"a\.png cannot be read as an image \(cannot identify"):
        read_image(eps, 3)
    with pytest.raises(DriverError, match=r"a\.png cannot be read as an image \(in no format that"):
        contract_images.prepare(eps, (), (9, 9, 3))


@pytest.mark.parametrize("kind", [RuntimeError, NotImplementedError, TypeError, MemoryError])
@pytest.mark.parametrize("said", ["", "why it broke"])
def test_whatever_pillow_raises_is_a_sentence(
    kind: type[Exception], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise kind(said)

    Image.new("RGB", (9, 5)).save(tmp_path / "a.png")
    monkeypatch.setattr("PIL.ImageOps.exif_transpose", broken)
    sentence = rf"a\.png cannot be read as an image \({said or kind.__name__}\)"
    with pytest.raises(InputError, match=sentence):
        read_image(tmp_path / "a.png", 3)
    with pytest.raises(DriverError, match=sentence):
        contract_images.prepare(tmp_path / "a.png", (), (9, 5, 3))


def test_a_wide_picture_is_resized_in_parts_to_the_same_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wide = np.random.default_rng(0).integers(0, 256, (1, 40, 70, 3), np.uint8)
    whole = preprocess.resize(wide, 9, 7)
    monkeypatch.setattr(preprocess, "BLOCK", 16)
    monkeypatch.setattr(contract_images, "BLOCK", 16)
    assert np.array_equal(preprocess.resize(wide, 9, 7), whole)
    assert np.array_equal(contract_images.resize(wide[0], 9, 7), whole[0])


def test_both_sides_have_the_same_limits() -> None:
    assert MAX_PIXELS == contract_images.MAX_PIXELS == 50_000_000
