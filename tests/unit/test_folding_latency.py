"""The model of a frame's latency, on waves and layers small enough to count by hand."""

import re

import numpy as np
import pytest

from lepton_hw.compiler.folding_timing import (
    Concatenated,
    Grouped,
    Matrix,
    Port,
    Selected,
    Steady,
    Taken,
    Timing,
    WholeImage,
)
from lepton_hw.compiler.folding_timing_of import BITS_PER_STAGE, FAN_IN, dot_cycles
from lepton_hw.compiler.folding_timing_window import Geometry, Window, pixels_of
from lepton_hw.compiler.folding_waves import (
    Wave,
    flowing,
    joined,
    offered,
    paced,
    regrouped,
    through,
)
from lepton_hw.compiler.kernels.spec import RTL
from lepton_hw.rtl import stages


def wave(first: list[float], last: list[float], beats: int) -> Wave:
    return Wave(np.array(first, float), np.array(last, float), beats)


def ends(found: Wave) -> tuple[list[float], list[float], int]:
    return found.first.tolist(), found.last.tolist(), found.beats


def square(size: int, kernel: int, stride: int = 1) -> Geometry:
    windows = (size - kernel) // stride + 1
    pairs = ((each, each) for each in (size, windows, kernel, stride, 1))
    return Geometry(*pairs)


def test_pace() -> None:
    """Never before it is ready, never closer than the step, and late once is late for those behind
    it that are close.
    """
    assert paced(np.array([0.0, 1, 20, 21]), 5.0).tolist() == [0, 5, 20, 25]
    assert paced(np.array([0.0, 0, 0]), np.array([9.0, 1, 7])).tolist() == [0, 1, 8]


def test_a_frame_at_the_door_and_on_a_stream() -> None:
    assert ends(offered(3, 2)) == ([0, 2, 4], [1, 3, 5], 2)
    both = flowing(np.array([0.0, 0]), np.array([0.0, 9]), 3)
    assert ends(both) == ([0, 3], [2, 9], 3)


def test_between_two_layers() -> None:
    """A FIFO takes 2 cycles, a converter with its FIFOs 5; joined beats wait for the last one, and
    a wide beat takes as long as it has parts.
    """
    made = wave([10], [40], 4)  # a beat every 10 cycles
    assert ends(through(made, 1, 4, True)) == ([12], [42], 4)
    assert ends(through(made, 1, 2, False)) == ([25], [45], 2)
    assert ends(through(made, 1, 8, False)) == ([15], [46], 8)


def test_a_burst_is_taken_apart() -> None:
    """Two beats of 4 elements, 20 cycles apart: 2 elements a cycle, then one a cycle. The second
    four are there at cycle 30, and need 4 cycles.
    """
    twos = through(wave([10], [30], 2), 1, 4, False)
    assert ends(twos) == ([15], [36], 4)
    assert twos.apart == 2
    assert ends(through(twos, 1, 8, False)) == ([20], [43], 8)


def test_the_pipeline_of_a_dot_product() -> None:
    """As many constants as dot_pkg.sv has, and its `latency` by hand: 32 products of 9 bit planes
    are 11 sums of 3, of which up to 8 are added at once.
    """
    text = (RTL / stages.FILE).read_text()
    for name, value in (("BITS_PER_STAGE", BITS_PER_STAGE), ("FAN_IN", FAN_IN)):
        assert re.search(rf"{name} = (\d+);", text)[1] == str(value)  # type: ignore[index]
    assert [dot_cycles(n, 9) for n in (1, 3, 4, 32)] == [1, 1, 2, 3]


def test_an_image_becomes_one_vector() -> None:
    pixels = wave([0, 10, 20, 30], [1, 11, 21, 31], 2)
    assert ends(regrouped(pixels, 1)) == ([0], [31], 8)
    assert ends(regrouped(pixels, 2)) == ([0, 20], [11, 31], 4)
    assert ends(regrouped(wave([0], [30], 4), 2)) == ([0, 20], [10, 30], 2)


def test_the_later_branch_counts() -> None:
    late = joined([wave([0, 9], [1, 10], 2), wave([3, 4], [6, 7], 2)])
    assert ends(late) == ([3, 9], [6, 10], 2)
    whole = joined([wave([0, 9], [1, 10], 2), wave([20], [21], 2)])
    assert ends(whole) == ([20, 20], [21, 21], 2)


@pytest.mark.parametrize(
    ("comes", "leaves"),
    [
        # All at once: the first pass takes 4 cycles, each of the 2 others as many.
        (wave([0], [3], 4), ([10], [18], 3)),
        # Slowly: the first pass ends with the last beat.
        (wave([0], [50], 4), ([57], [65], 3)),
        # One after the other: 12 cycles a vector.
        (wave([0, 4], [3, 7], 4), ([10, 22], [18, 30], 3)),
    ],
)
def test_a_matrix_unit(comes: Wave, leaves: tuple[list[float], list[float], int]) -> None:
    assert ends(Matrix(fold=4, groups=3, delay=7).send([comes])) == leaves


def test_layers_of_a_beat_a_cycle() -> None:
    pixels = wave([0, 2], [1, 3], 2)
    assert ends(Steady(5).send([pixels])) == ([5, 7], [6, 8], 2)
    assert ends(WholeImage(1).send([pixels])) == ([3], [4], 2)
    assert ends(Selected(3, 2).send([wave([0], [4], 5)])) == ([6], [8], 3)
    pair = Concatenated(4).send([wave([0], [1], 2), wave([0], [9], 2)])
    assert ends(pair) == ([1], [10], 4)


def test_zeros_wait_for_nothing() -> None:
    """A row of 2 pixels with one zero on either side."""
    padded = Taken((-1, 0, 1, -1), 1).send([wave([20, 30], [20, 30], 1)])
    assert ends(padded) == ([0, 21, 31, 32], [0, 21, 31, 32], 1)


def test_a_window_waits_for_its_last_pixel() -> None:
    """3 × 3 pixels, windows of 2 × 2: the first needs pixel 4, the second pixel 5."""
    pixels = offered(9, 1)
    starts, last = pixels_of(square(3, 2))
    assert (starts.tolist(), last.tolist()) == ([0, 1, 3, 4], [4, 5, 7, 8])
    found = Window(square(3, 2), 1, 5, depthwise=False, parallel=False).send([pixels])
    # 4 beats a window, so that only the first waits for its pixel; 2 cycles through the buffer.
    assert ends(found) == ([2, 7, 11, 15], [6, 10, 14, 18], 4)
    found = Window(square(3, 2), 1, 6, depthwise=False, parallel=True).send([pixels])
    assert ends(found) == ([5, 6, 8, 9], [5, 6, 8, 9], 1)


def test_a_depthwise_window_goes_part_by_part() -> None:
    """Two parts a pixel: behind the first part of the last pixel come the other 4 beats."""
    found = Window(square(2, 2), 2, 4, depthwise=True, parallel=False).send([offered(4, 2)])
    assert ends(found) == ([2], [12], 8)
    pooled = Grouped(4, 2, 1).send([found])
    assert ends(pooled) == ([9], [13], 2)


LAYERS: list[tuple[Timing, int]] = [
    (Steady(4), 1),
    (Matrix(4, 3, 7), 4),
    (Matrix(8, 1, 5), 8),
    (Grouped(4, 2, 1), 8),
    (WholeImage(1), 2),
    (Window(square(4, 3), 2, 11, depthwise=False, parallel=False), 2),
    (Window(square(4, 2, 2), 2, 6, depthwise=True, parallel=False), 2),
    (Window(square(4, 3), 1, 12, depthwise=False, parallel=True), 1),
]


@pytest.mark.parametrize(("timing", "beats"), LAYERS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("gap", [1, 3, 40])
def test_bounds_are_bounds(timing: Timing, beats: int, gap: int) -> None:
    """At an even pace they never say more than the waves do, and something does not less."""
    starts = np.arange(16, dtype=np.float64) * beats * gap
    comes = Wave(starts, starts + (beats - 1) * gap, beats)
    leaves = timing.send([comes])
    points = [
        (float(each.first[0]), float(each.last[0]), float(each.last[-1]))
        for each in (comes, leaves)
    ]
    for point in range(3):
        least = max(
            bound.constant + np.dot(bound.of_input, points[0]) + np.dot(bound.of_output, points[1])
            for bound in timing.bounds(Port(16, beats, 8))
            if bound.point == point
        )
        assert least <= points[1][point] + (beats - 1) * gap + 1e-6
    assert least >= points[1][2] - 2 * beats * gap - 4
