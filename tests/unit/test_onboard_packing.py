"""The board's packing against the simulator's, for every datatype, shape and padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_hw.datatypes import value_range
from lepton_hw.onboard.errors import DesignError
from lepton_hw.onboard.packing import BLOCK, Packing, bits_of
from lepton_hw.sim import packing as simulator

WIDTHS = [*range(1, 35), 48, 61, 62]
DTYPES = ["BIPOLAR", "TERNARY", "BINARY", *(f"{s}INT{b}" for b in WIDTHS for s in ("", "U"))]


def random_codes(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    low, high = value_range(dtype)
    codes = np.random.default_rng(seed).integers(low, high, shape, endpoint=True)
    return np.where(codes > 0, 1, -1) if dtype == "BIPOLAR" else codes


def as_bytes(codes: np.ndarray, packing: Packing) -> np.ndarray:
    words = simulator.pack(
        codes, packing.elements, packing.bits, 8 * packing.beat_bytes, packing.dtype
    )
    return words.view(np.uint8)[:, : packing.beat_bytes]


def agree(packing: Packing, frames: int, seed: int) -> None:
    codes = random_codes(packing.dtype, (frames, *packing.shape), seed)
    out = np.full(frames * packing.frame_bytes, 0xAA, np.uint8)
    packing.pack_into(codes.astype(packing.container), out)
    beats = as_bytes(codes, packing)
    assert np.array_equal(out, beats.reshape(-1))
    noise = np.unpackbits(beats, axis=1, bitorder="little")
    noise[:, packing.elements * packing.bits :] = 1
    raw = np.packbits(noise, axis=1, bitorder="little").reshape(-1)
    found = packing.unpack(np.concatenate([raw, raw[:3]]), frames)
    assert found.dtype == packing.container
    assert np.array_equal(found, codes)


@given(
    st.sampled_from(DTYPES), st.integers(1, 40), st.integers(1, 12), st.integers(1, 5),
    st.sampled_from([0, 0, 1, 7]), st.integers(0, 2**32),
)  # fmt: skip
def test_as_the_simulator_packs(
    dtype: str, elements: int, beats: int, frames: int, padding: int, seed: int
) -> None:
    size = -(-elements * bits_of(dtype) // 8) + padding
    agree(Packing(dtype, (beats, elements), beats, elements, size), frames, seed)


@pytest.mark.parametrize("dtype", ["BIPOLAR", "INT3", "UINT4", "INT11", "UINT15", "INT20"])
@pytest.mark.parametrize(("beats", "elements"), [(BLOCK + 3, 1), (BLOCK // 5, 7), (BLOCK // 8, 16)])
def test_more_than_one_block(dtype: str, beats: int, elements: int) -> None:
    size = -(-elements * bits_of(dtype) // 8)
    agree(Packing(dtype, (beats, elements), beats, elements, size), 1, 5)


def test_bytes_by_hand() -> None:
    packing = Packing("UINT4", (2, 3), 2, 3, 2)
    out = np.empty(4, np.uint8)
    packing.pack_into(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8), out)
    assert out.tolist() == [0x21, 0x03, 0x54, 0x06]
    assert packing.unpack(out, 1).tolist() == [[[1, 2, 3], [4, 5, 6]]]


def test_geometry_that_does_not_fit_is_refused() -> None:
    with pytest.raises(DesignError, match="2 beats of 3 codes for a frame of 7"):
        Packing("INT8", (7,), 2, 3, 3)
    with pytest.raises(DesignError, match="2 bytes a beat for 3 codes of 8 bits"):
        Packing("INT8", (6,), 2, 3, 2)
    with pytest.raises(DesignError, match="integer type of at most 62 bits"):
        Packing("FLOAT32", (6,), 2, 3, 2)
