"""What a design computes on the board: golden vectors, bit by bit, in every size of batch."""

import threading

import numpy as np
import pytest
from bench import Bench

SOAK = 10_000


def exact(accelerator: object, golden: object) -> None:
    found = accelerator.infer(golden.inputs)
    wrong = np.argwhere(found != golden.outputs)
    assert not len(wrong), f"{len(wrong)} differ, first at {tuple(wrong[0])}"


def test_the_design_is_the_one_that_was_deployed(bench: Bench) -> None:
    with bench.open() as accelerator:
        manifest = bench.manifest()
        assert accelerator.manifest.digest == manifest["digest"]
        read = accelerator._transport.read
        shown = "".join(f"{read(0x2_0020 + 4 * word):08x}" for word in range(8))
        assert shown == manifest["digest"]
        assert read(0x2_0004) >> 16 == manifest["shell_major"]


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_golden_vectors(bench: Bench, count: int) -> None:
    with bench.open() as accelerator:
        exact(accelerator, bench.golden().repeated(count))


def test_golden_vectors_beyond_the_buffer(bench: Bench) -> None:
    with bench.open(batch=16) as accelerator:
        exact(accelerator, bench.golden().repeated(16 * 3 + 5))
        exact(accelerator, bench.golden())


def test_one_image_and_a_stream(bench: Bench) -> None:
    golden = bench.golden().repeated(50)
    with bench.open(batch=8) as accelerator:
        assert np.array_equal(accelerator.infer(golden.inputs[0]), golden.outputs[0])
        streamed = np.stack(list(accelerator.stream(iter(golden.inputs))))
        assert np.array_equal(streamed, golden.outputs)


def test_throughput_and_latency_from_the_counters(
    bench: Bench, record_property: pytest.FixtureRequest
) -> None:
    golden = bench.golden().repeated(64)
    with bench.open() as accelerator:
        accelerator.infer(golden.inputs[:1])
        seen = accelerator.profile(golden.inputs)
        alone = accelerator.profile(golden.inputs[:1])
    counters = seen.counters
    assert seen.frames == counters.frames_in == 64
    assert 0 < alone.counters.latency <= alone.counters.busy
    cycles = counters.busy / 64
    record_property("cycles_per_frame", cycles)
    record_property("latency_cycles", alone.counters.latency)
    # A pipeline: a batch costs far less than so many single frames.
    assert cycles <= alone.counters.busy


def test_two_designs_in_turn(bench: Bench) -> None:
    if len(bench.designs) < 2:
        pytest.skip("one --design; two are loaded in turn")
    for folder in bench.designs[:2] * 3:
        with bench.open(folder) as accelerator:
            exact(accelerator, bench.golden(folder).repeated(9))


def test_reset_under_load(bench: Bench) -> None:
    golden = bench.golden().repeated(40)
    with bench.open(batch=4) as accelerator:
        stream = accelerator.stream(iter(golden.inputs))
        next(stream)
        accelerator.reset()
        with pytest.raises(bench.onboard.HardwareError, match="stopped by a reset"):
            list(stream)
        exact(accelerator, golden)


def test_soak(bench: Bench) -> None:
    golden = bench.golden().repeated(SOAK)
    with bench.open() as accelerator:
        exact(accelerator, golden)


def test_threads_share_a_board(bench: Bench) -> None:
    golden = bench.golden()
    errors: list[str] = []
    with bench.open(batch=8) as accelerator:

        def client(first: int) -> None:
            for start in range(first, first + 3):
                part = slice(start, start + 11)
                if not np.array_equal(accelerator.infer(golden.inputs[part]), golden.outputs[part]):
                    errors.append(f"thread {first}, vector {start}")

        threads = [threading.Thread(target=client, args=(10 * n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []


def test_power(bench: Bench) -> None:
    with bench.open() as accelerator:
        rails = accelerator.power_rails()
        if not rails:
            pytest.skip("this board has no sensors that are named in design.json")
        from onboard.power import Measurement

        with Measurement(next(iter(rails.values()))) as measured:
            exact(accelerator, bench.golden().repeated(1000))
    assert measured.figure is not None
    assert measured.figure.provenance == "rail"
    assert measured.figure.watts > 0
