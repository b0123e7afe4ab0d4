"""A service on the board: golden vectors by HTTP, from several clients at once, and its refusal."""

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from bench import Bench


@contextmanager
def served(accelerator: Any) -> Iterator[Any]:
    """The service of what was deployed; `port` is where it listens."""
    from onboard.engine import BoardEngine
    from onboard.http_routes import routes_of
    from onboard.http_server import Address, Server
    from onboard.service import Service, Settings

    service = Service(BoardEngine(accelerator), Settings(check_seconds=0))
    server = Server(Address(port=0), routes_of(service, "net"), service)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    try:
        service.start()
        thread.start()
        service.port = server.address.port
        yield service
        server.stop()
        thread.join()
    finally:
        service.close()
        server.server_close()


def ask(port: int, codes: np.ndarray) -> tuple[int, Any]:
    tensor = {"name": "input", "shape": list(codes.shape), "datatype": "INT64"}
    request = json.dumps({"inputs": [{**tensor, "data": codes.reshape(-1).tolist()}]})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", "/v2/models/net/infer", request)
    reply = connection.getresponse()
    found = json.loads(reply.read())
    connection.close()
    if reply.status != 200:
        return reply.status, found
    output = found["outputs"][0]
    return 200, np.array(output["data"]).reshape(output["shape"])


def test_golden_vectors_by_http(bench: Bench) -> None:
    golden = bench.golden()
    with bench.open() as accelerator, served(accelerator) as service:
        code, found = ask(service.port, golden.inputs[:5])
        assert code == 200
        assert np.array_equal(found, golden.outputs[:5])
        with ThreadPoolExecutor(4) as pool:
            parts = [(i, i % 3 + 1) for i in range(8)]
            asked = [pool.submit(ask, service.port, golden.inputs[i : i + n]) for i, n in parts]
            for (i, n), each in zip(parts, asked, strict=True):
                assert np.array_equal(each.result()[1], golden.outputs[i : i + n])
        text = service.text_of_metrics()
        assert f"lepton_golden_frames_total {len(golden.inputs)}\n" in text
        assert f'digest="{bench.manifest()["digest"]}"' in text


def test_a_board_that_is_not_the_certified_one_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from onboard.golden import Wrong

    with bench.open() as accelerator:
        right = accelerator.infer
        monkeypatch.setattr(accelerator, "infer", lambda codes: right(codes) + 1)
        with pytest.raises(Wrong, match="as certified"), served(accelerator):
            pass
