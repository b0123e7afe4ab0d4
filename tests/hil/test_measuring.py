"""``driver.py --bench`` on the board: batches are timed and counted, and integers stay right."""

from importlib import import_module

import numpy as np
from bench import Bench


def test_batches_are_timed_and_counted(bench: Bench) -> None:
    golden = bench.golden().repeated(16)
    measuring = import_module("onboard.bench")  # what was deployed
    asked = measuring.settings('{"batches": [1, 16], "seconds": 0, "rounds": 2}')
    with bench.open() as accelerator:
        found = measuring.bench(accelerator, golden.inputs, asked)
        assert np.array_equal(accelerator.infer(golden.inputs), golden.outputs)
    assert len(found["rounds"]) == 2
    for rows in found["rounds"]:
        assert list(rows) == ["1", "16"]
        one, many = (rows[batch]["cycles"][0] for batch in ("1", "16"))
        assert 0 < one < many < 16 * one  # frames overlap in the pipeline
        for row in rows.values():
            assert row["total"][0] >= row["pack"][0] + row["unpack"][0]
            assert row["busy"][0] > 0
    assert found["clock_mhz"] == bench.manifest()["clock_mhz"]
