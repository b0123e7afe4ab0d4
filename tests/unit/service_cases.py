"""An engine that computes on the CPU what the small design does, as slow and as wrong as asked; a
driver of it as a program; and questions to a service.
"""

import http.client
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onboard_cases import BEFORE, SHAPE, network, random_batch

from lepton_hw.onboard.engine import Engine, Subject
from lepton_hw.onboard.errors import InputError
from lepton_hw.onboard.golden import Golden
from lepton_hw.onboard.open_inference import Tensor
from lepton_hw.onboard.packing import container_of

GOLDEN = random_batch(9)
#: The driver with the fake of the registers.
PROGRAM = Path(__file__).parent / "service_far_end.py"


def subject(**more: Any) -> Subject:
    values = {
        "digest": "ab" * 32,
        "where": "a test",
        "input": Tensor("input", "UINT4", container_of("UINT4"), SHAPE, "NHWC"),
        "output": Tensor("output", "INT13", container_of("INT13"), (5,), "NC"),
        "scale": (0.5,),
        "bias": (0.0,),
        "host_before": BEFORE,
        "host_after": ("argmax",),
        "labels": tuple("vwxyz"),
        "golden": Golden(GOLDEN, network(GOLDEN)),
    }
    return Subject(**{**values, **more})


class FakeEngine(Engine):
    """`calls` are the sizes of its batches; while `gate` is clear it waits.

    `error` is raised by all further calls, `errors` by one call each; `flip` is added to the first
    output code.
    """

    def __init__(self, batch: int = 8, **more: Any) -> None:
        super().__init__(subject(**more), batch)
        self.calls: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.errors: list[Exception] = []
        self.flip, self.closed, self.rails = 0, False, {}

    def checked(self, codes: np.ndarray) -> np.ndarray:
        if codes.size and not 0 <= codes.min() <= codes.max() <= 15:
            raise InputError("a code out of range", "0 to 15", "mend it")
        return codes

    def infer(self, codes: np.ndarray) -> np.ndarray:
        self.calls.append(len(codes))
        assert self.gate.wait(10)
        if self.errors:
            raise self.errors.pop()
        if self.error is not None:
            raise self.error
        outputs = network(codes)
        outputs[0, 0] += self.flip
        return outputs

    def watts(self) -> dict[str, float]:
        return self.rails

    def close(self) -> None:
        self.closed = True


def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def ready(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/v2/models/net/ready")
    return connection.getresponse().status
