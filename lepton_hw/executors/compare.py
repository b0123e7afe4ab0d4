"""Exact comparison of executors, integer by integer, and the search for the first difference.

No tolerance, no argmax. Knows executors and their tensors, not how any of them works.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from lepton_hw.certificate import Agreement, Divergence

Ints = NDArray[np.int64]


def agreement(expected: Ints, got: Ints) -> Agreement:
    """Counts frames with any differing element; missing or misshapen frames count as wrong."""
    frames = len(got)
    if got.shape != expected[:frames].shape:
        return Agreement(vectors=frames, mismatches=frames)
    wrong = _wrong(expected[:frames], got)
    return Agreement(vectors=frames, mismatches=int(wrong.sum()))


def first_wrong_frame(expected: Ints, got: Ints) -> int | None:
    """Index of the first frame that differs, or None."""
    frames = len(got)
    if got.shape != expected[:frames].shape:
        return 0
    wrong = _wrong(expected[:frames], got)
    return int(wrong.argmax()) if wrong.any() else None


def at_output(executor: str, reference: str, frame: int, expected: Ints, got: Ints) -> Divergence:
    """The first difference of two outputs of one frame."""
    index = tuple(int(n) for n in np.argwhere(expected != got)[0])
    return Divergence(
        executor=executor,
        reference=reference,
        layer="output",
        op="network",
        frame=frame,
        index=index,
        expected=int(expected[index]),
        got=int(got[index]),
    )


def _wrong(expected: Ints, got: Ints) -> NDArray[np.bool_]:
    different: NDArray[np.bool_] = (got != expected).any(axis=tuple(range(1, got.ndim)))
    return different


def first_difference(
    executor: str,
    reference: str,
    frame: int,
    layers: Iterable[tuple[str, str, str]],
    expected: Mapping[str, Ints],
    got: Mapping[str, Ints],
) -> Divergence | None:
    """The first tensor, in the order of `layers`, that differs between the two.

    Args:
        executor, reference: their names.
        frame: which vector, for the result only.
        layers: (layer name, operator, tensor name), inputs before outputs.
        expected, got: tensors of that frame by name; one that `got` lacks is a difference.
    """
    for layer, op, tensor in layers:
        if tensor not in expected:
            continue
        right = expected[tensor]
        left = got.get(tensor)
        if left is None or left.shape != right.shape:
            index: tuple[int, ...] = (0,) * right.ndim
            found = None
        elif (left != right).any():
            index = tuple(int(n) for n in np.argwhere(left != right)[0])
            found = int(left[index])
        else:
            continue
        return Divergence(
            executor=executor,
            reference=reference,
            layer=layer,
            op=op,
            frame=frame,
            index=index,
            expected=int(right[index]),
            got=found,
        )
    return None
