"""FINN's own driver package, unchanged, on what `lepton deploy` leaves: `make test-finn-driver`.

Only where the package is installed beside pynq; its dependencies clash with those of PYNQ.remote.
"""

import json
from typing import Any

import numpy as np
import pytest
from bench import Bench

driver = pytest.importorskip("finn_plus_driver", reason="finn-plus-driver is not installed")


@pytest.fixture(params=[0, 1], ids=["first design", "second design"])
def number(request: pytest.FixtureRequest, bench: Bench) -> int:
    if bench.kind not in ("virtual", "local"):
        pytest.skip("FINN's driver runs where pynq is")
    if request.param >= len(bench.designs):
        pytest.skip("only one design was given")
    return int(request.param)


def overlay(bench: Bench, number: int, batch: int) -> Any:
    """As FINN's command makes it."""
    folder = bench.designs[number]
    settings = json.loads((folder / "settings.json").read_text())["driver_information"]
    kind = driver.get_driver_class(settings["driver_type"])
    return kind(str(folder / "design.bit"), batch_size=batch, **settings)


@pytest.mark.parametrize("batch", [1, 20])
def test_golden_integers(bench: Bench, number: int, batch: int) -> None:
    finns, golden = overlay(bench, number, batch), bench.golden(bench.designs[number])
    for start in (0, batch):
        part = slice(start, start + batch)
        found = finns.execute(golden.inputs[part].astype(np.float32))
        assert np.array_equal(found.reshape(golden.outputs[part].shape), golden.outputs[part])


def test_throughput(bench: Bench, number: int) -> None:
    measured = overlay(bench, number, 20).throughput_test()
    assert measured["batch_size"] == 20
    assert measured["fclk[mhz]"] == bench.manifest(bench.designs[number])["clock_mhz"]
