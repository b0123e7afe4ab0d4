"""``make bench-serve``: requests and frames a second of ``lepton serve``, clients on one machine.

The digits CNN on the integer path. Clients are processes of their own with connections that stay;
every answer is compared with the golden integers. What they cost is on the same cores.
"""

import http.client
import json
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.table import write
from lepton_hw.board import load_board
from lepton_hw.flow import load_flow
from lepton_hw.pipeline import Options, build
from lepton_hw.stages.deploy import golden_vectors
from lepton_hw.stages.export import Exported
from lepton_hw.stages.simulate import Simulated

FLOW, BOARD = "digits_cnn", "pynq_z2"
SECONDS, ROUNDS = 3.0, 3
#: (clients, frames of a request); the last is a data set sent by one client.
CASES = ((1, 1), (4, 1), (16, 1), (1, 256))
HEADER = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Row:
    """Medians of `ROUNDS`; latencies in milliseconds, as a client sees them."""

    clients: int
    frames_of_a_request: int
    requests_per_second: int
    frames_per_second: int
    p50_ms: float
    p99_ms: float
    frames_of_a_batch: float
    exact: bool


@contextmanager
def served() -> Iterator[int]:
    """The service as a process; its port."""
    argv = [sys.executable, "-m", "lepton_hw", "serve", FLOW, "--board", BOARD, "--http", ":0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if " at http://" in line:
                    yield int(line.split(" at http://127.0.0.1:")[1].split(",")[0])
                    break
        finally:
            process.terminate()


def request_of(codes: Any) -> tuple[bytes, dict[str, str]]:
    """Codes (N, *shape) as bytes behind their JSON, and the header that says so."""
    content = np.ascontiguousarray(codes, np.int64).tobytes()
    tensor = {
        "name": "input", "shape": list(codes.shape), "datatype": "INT64",
        "parameters": {"binary_data_size": len(content)},
    }  # fmt: skip
    values = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
    front = json.dumps(values).encode()
    return front + content, {HEADER: str(len(front))}


def client(port: int, inputs: Any, outputs: Any, size: int, seconds: float, told: Any) -> None:
    """Asks until the time is over; tells latencies in seconds and whether all were right."""
    parts = range(0, max(1, len(inputs) - size), size)
    asked = [(request_of(inputs[at : at + size]), outputs[at : at + size]) for at in parts]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    latencies: list[float] = []
    exact, end = True, time.perf_counter() + seconds
    while time.perf_counter() < end:
        (body, headers), expected = asked[len(latencies) % len(asked)]
        begin = time.perf_counter()
        connection.request("POST", f"/v2/models/{FLOW}/infer", body, headers)
        reply = connection.getresponse()
        content = reply.read()
        latencies.append(time.perf_counter() - begin)
        front = int(reply.headers[HEADER])
        kind = json.loads(content[:front])["outputs"][0]["datatype"].lower()
        found = np.frombuffer(content[front:], kind).reshape(expected.shape)
        exact &= bool((found == expected).all())
    told.put((latencies, exact))


def batches(port: int) -> tuple[float, float]:
    """Frames and calls of the engine so far."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/metrics")
    values = {}
    for line in connection.getresponse().read().decode().splitlines():
        name, _, value = line.partition(" ")
        values[name] = value
    return (
        float(values.get("lepton_batch_frames_sum", 0)),
        float(values.get("lepton_batch_frames_count", 0)),
    )


def once(port: int, vectors: tuple[Any, Any], clients: int, size: int) -> dict[str, float]:
    """One round of one case."""
    inputs, outputs = (np.resize(part, (max(size, len(part)), *part.shape[1:])) for part in vectors)
    told: Any = multiprocessing.Queue()
    before = batches(port)
    arguments = (port, inputs, outputs, size, SECONDS, told)
    running = [multiprocessing.Process(target=client, args=arguments) for _ in range(clients)]
    for process in running:
        process.start()
    answers = [told.get() for _ in running]
    for process in running:
        process.join()
    frames, calls = (now - then for now, then in zip(batches(port), before, strict=True))
    latencies = np.concatenate([latency for latency, _ in answers])
    rate = sum(len(latency) / sum(latency) for latency, _ in answers)
    return {
        "requests": rate,
        "p50": float(np.percentile(latencies, 50)),
        "p99": float(np.percentile(latencies, 99)),
        "batch": frames / max(1.0, calls),
        "exact": float(all(exact for _, exact in answers)),
    }


def main() -> None:
    """Every case in every round."""
    done = build(load_flow(FLOW), load_board(BOARD), Options(to="certify"))
    exported, simulated = done["export"], done["simulate"]
    assert isinstance(exported, Exported)
    assert isinstance(simulated, Simulated)
    vectors = golden_vectors(exported, simulated)
    with served() as port:
        rounds = [
            [once(port, vectors, clients, size) for clients, size in CASES] for _ in range(ROUNDS)
        ]
    rows = []
    for (clients, size), found in zip(CASES, zip(*rounds, strict=True), strict=True):
        median = {name: statistics.median(each[name] for each in found) for name in found[0]}
        rows.append(
            Row(
                clients=clients,
                frames_of_a_request=size,
                requests_per_second=round(median["requests"]),
                frames_per_second=round(median["requests"] * size),
                p50_ms=round(1e3 * median["p50"], 2),
                p99_ms=round(1e3 * median["p99"], 2),
                frames_of_a_batch=round(median["batch"], 1),
                exact=all(each["exact"] for each in found),
            )
        )
    write("serve", [asdict(row) for row in rows])
    if not all(row.exact for row in rows):
        sys.exit("error: an answer was not the golden integers")


if __name__ == "__main__":
    main()
