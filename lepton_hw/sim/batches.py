"""Whole batches ↔ the beats of a design's doors and taps, with the checks that users meet.

It runs nothing.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.datatypes import value_range
from lepton_hw.design import Design, Stream
from lepton_hw.errors import InputError
from lepton_hw.sim import packing

Batch = NDArray[Any] | Mapping[str, NDArray[Any]]


def find_stream(design: Design, name: str) -> Stream:
    """The stream of that name; raises `InputError` where the design has none."""
    try:
        return design.stream(name)
    except KeyError:
        raise InputError(
            f"the design has no stream {name}",
            "the name of a stream in design.json",
            "choose one of its streams",
        ) from None


def to_beats(design: Design, batch: Batch) -> list[packing.Words]:
    """Beats of every input, in the design's order; raises `InputError` for a wrong batch.

    `batch` has shape (frames, *shape without the leading 1), or is a dict of such arrays.
    """
    names = design.inputs
    arrays = dict(batch) if isinstance(batch, Mapping) else {names[0]: batch}
    if set(arrays) != set(names):
        raise InputError(
            f"the batch is for {', '.join(sorted(arrays))}",
            f"one array for each of {', '.join(names)}",
            "pass a dict by stream name",
        )
    lengths = [len(np.asarray(arrays[name])) for name in names]
    if len(set(lengths)) != 1 or not lengths[0]:
        raise InputError(
            f"the inputs have {', '.join(map(str, lengths))} frames",
            "the same number for each, at least 1",
            "pass whole batches",
        )
    packed = []
    for name in names:
        stream = design.stream(name)
        shape = stream.shape[1:]
        codes = packing.checked(np.asarray(arrays[name]), shape, stream.dtype, f"input {name}")
        elements = stream.folded_shape[-1]
        packed.append(packing.pack(codes, elements, stream.bits, stream.width, stream.dtype))
    return packed


def room(stream: Stream, frames: int) -> packing.Words:
    """Zeroed beats for `frames` frames; raises `InputError` for a stream that has no integers."""
    value_range(stream.dtype)
    return np.zeros((frames * stream.beats, packing.words_per_beat(stream.width)), np.uint32)


def from_beats(stream: Stream, words: packing.Words) -> NDArray[np.int64]:
    """Beats → int64, shape (frames, *shape without the leading 1)."""
    codes = packing.unpack(words, stream.folded_shape[-1], stream.bits, stream.dtype)
    return codes.reshape(-1, *stream.shape[1:])
