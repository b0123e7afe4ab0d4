"""Batches of many threads, golden vectors while a service runs, and what it then refuses."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from onboard_cases import network, random_batch
from service_cases import GOLDEN, FakeEngine, until

from lepton_hw.onboard import service as service_module
from lepton_hw.onboard.batching import Batcher, Busy
from lepton_hw.onboard.errors import HardwareError, InputError
from lepton_hw.onboard.golden import Golden, Wrong
from lepton_hw.onboard.service import Service, Settings


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(service_module, "RETRY_SECONDS", 0.01)
    made = Service(engine, Settings(check_seconds=0, check_frames=4, waiting=20))
    yield made
    engine.gate.set()
    made.close()


def test_a_lone_request_does_not_wait_for_company(engine: FakeEngine) -> None:
    batcher = Batcher(engine.infer, 8, 100)
    codes = random_batch(3)
    assert np.array_equal(batcher.infer(codes), network(codes))
    assert engine.calls == [3]
    batcher.close()


def test_what_waits_together_travels_together_and_each_gets_its_own(engine: FakeEngine) -> None:
    batcher = Batcher(engine.infer, 8, 100)
    sizes = [1, 3, 2, 1, 3, 1, 9, 2]
    codes = [random_batch(size, seed=seed) for seed, size in enumerate(sizes)]
    engine.gate.clear()
    with ThreadPoolExecutor(len(codes)) as pool:
        first = pool.submit(batcher.infer, codes[0])
        until(lambda: engine.calls == [1])
        rest = []
        for part in codes[1:]:
            waiting = batcher.waiting
            rest.append(pool.submit(batcher.infer, part))
            until(lambda waiting=waiting, part=part: batcher.waiting == waiting + len(part))
        engine.gate.set()
        for part, future in zip(codes, [first, *rest], strict=True):
            assert np.array_equal(future.result(), network(part))
    assert engine.calls == [1, 6, 4, 9, 2]  # 3+2+1, 3+1, and a request larger than a batch alone
    batcher.close()


def test_beyond_the_room_it_is_busy_at_once(engine: FakeEngine) -> None:
    batcher = Batcher(engine.infer, 8, 10)
    engine.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(batcher.infer, random_batch(1))
        until(lambda: engine.calls)
        # Larger than the room, but nothing else waits: it would never be taken otherwise.
        two = pool.submit(batcher.infer, random_batch(12))
        until(lambda: batcher.waiting == 12)
        with pytest.raises(
            Busy, match=r"12 frames wait already; expected at most 10 with these 1;"
        ):
            batcher.infer(random_batch(1))
        engine.gate.set()
        assert len(one.result()) + len(two.result()) == 13
    batcher.close()


def test_an_error_is_for_those_who_met_it(engine: FakeEngine) -> None:
    seen = []
    batcher = Batcher(engine.infer, 8, 10, lambda frames, error: seen.append((frames, error)))
    engine.error = OSError("the cable")
    with pytest.raises(HardwareError, match=r"does not answer \(OSError: the cable\)"):
        batcher.infer(random_batch(2))
    engine.error = None
    assert len(batcher.infer(random_batch(1))) == 1
    assert [(frames, type(error).__name__) for frames, error in seen] == [
        (2, "HardwareError"), (1, "NoneType"),
    ]  # fmt: skip
    batcher.close()


def test_an_engine_that_loses_a_frame_is_an_error() -> None:
    batcher = Batcher(lambda codes: network(codes)[1:], 8, 10)
    with pytest.raises(HardwareError, match="1 outputs for 2 frames"):
        batcher.infer(random_batch(2))
    batcher.close()


def test_the_end_waits_for_what_waits(engine: FakeEngine) -> None:
    batcher = Batcher(engine.infer, 1, 10)
    engine.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(batcher.infer, random_batch(1)) for _ in range(3)]
        until(lambda: batcher.waiting == 2)
        ended = pool.submit(batcher.close)
        until(lambda: batcher._closing)
        with pytest.raises(Busy, match="the service is ending"):
            batcher.infer(random_batch(1))
        engine.gate.set()
        ended.result()
        assert [len(each.result()) for each in asked] == [1, 1, 1]


def test_golden_vectors_come_in_turn() -> None:
    seen: list[np.ndarray] = []

    def infer(codes: np.ndarray) -> np.ndarray:
        seen.extend(codes)
        return network(codes)

    golden = Golden(GOLDEN, network(GOLDEN))
    assert [golden.check(infer, 4) for _ in range(5)] == [4] * 5
    assert np.array_equal(seen, np.concatenate([GOLDEN, GOLDEN, GOLDEN[:2]]))
    assert golden.check(infer, 100) == 9


@pytest.mark.parametrize("index", [(0, 0), (3, 4), (8, 2)])
def test_each_golden_integer_counts(index: tuple[int, int]) -> None:
    expected = network(GOLDEN)
    found = expected.copy()
    found[index] += 1
    with pytest.raises(Wrong) as raised:
        Golden(GOLDEN, expected).check(lambda codes: found[: len(codes)], 9)
    said = f"golden vector {index} gives {found[index]}; expected {expected[index]}, as certified;"
    assert str(raised.value).startswith(said)


def test_golden_outputs_of_another_shape_are_wrong() -> None:
    with pytest.raises(Wrong, match=r"of shape \(9, 1\); expected \(9, 5\)"):
        Golden(GOLDEN, network(GOLDEN)).check(lambda codes: network(codes)[:, :1], 9)


def test_it_computes_for_others_only_once_all_golden_vectors_passed(
    service: Service, engine: FakeEngine
) -> None:
    with pytest.raises(Busy, match="the service is starting"):
        service.infer(random_batch(1))
    assert service.start() == 9
    assert (service.state, engine.calls) == ("ready", [8, 1])
    codes = random_batch(2, seed=3)
    assert np.array_equal(service.infer(codes), network(codes))


def test_it_does_not_start_wrong(service: Service, engine: FakeEngine) -> None:
    engine.flip = 1
    with pytest.raises(Wrong, match="golden vector"):
        service.start()
    assert service.state == "wrong"


def test_one_wrong_golden_integer_ends_all_answers(service: Service, engine: FakeEngine) -> None:
    service.start()
    engine.flip = 1
    service._alarm.set()  # as when its time has come
    until(lambda: service.state == "wrong")
    with pytest.raises(HardwareError, match="gave a wrong integer for a golden vector"):
        service.infer(random_batch(1))
    engine.flip = 0
    service._alarm.set()
    time.sleep(0.05)
    assert service.state == "wrong"  # right by chance is not right
    text = service.text_of_metrics()
    assert "lepton_golden_mismatches_total 1\n" in text
    assert 'lepton_state{state="wrong"} 1\n' in text
    service._seen(1, HardwareError("a", "b", "c"))
    service.close()
    assert service.state == "wrong"


def test_answers_that_were_on_the_way_when_it_was_found_wrong_are_kept_back(
    service: Service, engine: FakeEngine
) -> None:
    service.start()
    engine.gate.clear()
    engine.calls.clear()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(service.infer, random_batch(1))
        until(lambda: engine.calls)
        service._become("wrong", "a golden vector.")
        engine.gate.set()
        with pytest.raises(HardwareError, match="start it again: a golden vector"):
            asked.result()


def test_after_an_error_golden_vectors_decide(service: Service, engine: FakeEngine) -> None:
    service.start()
    engine.error = HardwareError("memory refused", "an answer", "look")
    with pytest.raises(HardwareError, match="memory refused"):
        service.infer(random_batch(1))
    with pytest.raises(Busy, match=r"is unsure \(memory refused; expected an answer; look\)"):
        service.infer(random_batch(1))
    engine.error = None
    until(lambda: service.state == "ready")
    assert len(service.infer(random_batch(1))) == 1
    assert 'lepton_engine_errors_total{kind="HardwareError"}' in service.text_of_metrics()


def test_hardware_that_stays_dead_is_given_up(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "RETRY_SECONDS", 0.001)
    gave_up = threading.Event()
    service = Service(engine, Settings(check_seconds=0.01), gave_up.set)
    service.start()
    engine.error = HardwareError("dead", "alive", "look")
    assert gave_up.wait(10)
    assert service.state == "unsure"
    service.close()


def test_errors_that_pass_are_not_added_up(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(service_module, "RETRIES", 2)
    gave_up = threading.Event()
    service = Service(engine, Settings(check_seconds=0), gave_up.set)
    service.start()
    for _ in range(3):  # a request and one check fail each time
        engine.errors = [HardwareError("a", "b", "c"), HardwareError("a", "b", "c")]
        with pytest.raises(HardwareError):
            service.infer(random_batch(1))
        until(lambda: service.state == "ready")
    assert not gave_up.is_set()
    service.close()


def test_checks_go_on_by_themselves(engine: FakeEngine) -> None:
    service = Service(engine, Settings(check_seconds=0.01, check_frames=5))
    service.start()
    until(lambda: len(engine.calls) > 4)
    assert engine.calls[:4] == [8, 1, 5, 5]
    service.close()
    assert service.state == "ending"


def test_a_full_queue_puts_off_no_golden_check(service: Service, engine: FakeEngine) -> None:
    service.start()
    engine.gate.clear()
    before = service.metrics.text().count("lepton_golden_frames_total 9\n")
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(service.infer, random_batch(1))]
        until(lambda: engine.calls[2:] == [1])
        asked.append(pool.submit(service.infer, random_batch(20)))
        until(lambda: service._batcher.waiting == 20)
        service._alarm.set()
        until(lambda: service._batcher.waiting == 24)
        engine.gate.set()
        assert [len(each.result()) for each in asked] == [1, 20]
    until(lambda: "lepton_golden_frames_total 13\n" in service.metrics.text())
    assert before == 1


def test_a_start_can_be_stopped_between_batches(service: Service, engine: FakeEngine) -> None:
    assert service.start(lambda: len(engine.calls) == 1) == 8
    assert service.state == "starting"


def test_a_network_that_chooses_the_class_itself_is_counted_too() -> None:
    service = Service(FakeEngine())
    service._count(np.array([[2], [4], [2], [7]]))  # the last is no class
    text = service.metrics.text()
    assert 'lepton_classified_total{label="x"} 2\n' in text
    assert 'lepton_classified_total{label="z"} 1\n' in text
    assert text.count("lepton_classified_total{") == 2
    service._count(np.zeros((1, 4)))  # not the classes
    assert service.metrics.text() == text
    service.close()


def test_images_are_classified_and_counted(service: Service) -> None:
    service.start()
    with pytest.raises(InputError, match="cannot be read as an image"):
        service.classify(b"no image")
    text = service.text_of_metrics()
    assert "lepton_classified_total{" not in text
    assert "lepton_frames_total 0\n" in text


def test_sensors_are_read_when_asked_for(service: Service, engine: FakeEngine) -> None:
    engine.rails = {"12V": 3.25}
    assert 'lepton_power_watts{rail="12V"} 3.25\n' in service.text_of_metrics()
