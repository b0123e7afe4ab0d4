"""Prometheus' text format, held against its grammar."""

import math
import re

from lepton_hw.onboard.metrics import Registry

LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{{{LABEL}(?:,{LABEL})*\}})? [-+.0-9eInf]+")


def lines(registry: Registry) -> list[str]:
    text = registry.text()
    assert text.endswith("\n")
    found = text[:-1].split("\n")
    for line in found:
        assert line.startswith(("# HELP ", "# TYPE ")) or SAMPLE.fullmatch(line), line
    return [line for line in found if not line.startswith("#")]


def test_counters_and_gauges() -> None:
    registry = Registry()
    plain = registry.counter("a_total", "As.")
    labelled = registry.counter("b_total", "Bs.", "kind", "code")
    gauge = registry.gauge("c", "A c.")
    assert lines(registry) == ["a_total 0", "c 0"]
    plain.add()
    plain.add(2)
    labelled.add(1, "x", "200")
    labelled.add(0.5, "x", "200")
    gauge.set(3)
    for value, text in ((math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf")):
        gauge.set(value)
        assert f"\nc {text}\n" in registry.text()  # a sensor may say anything
    gauge.set(-0.25)
    assert lines(registry) == ["a_total 3", 'b_total{kind="x",code="200"} 1.5', "c -0.25"]
    assert "# HELP a_total As.\n# TYPE a_total counter\n" in registry.text()


def test_histograms_are_cumulative() -> None:
    registry = Registry()
    histogram = registry.histogram("h", "H.", (0.5, 1), "route")
    assert lines(registry) == []
    for value in (0.1, 0.5, 0.7, 9.0):
        histogram.observe(value, "r")
    assert lines(registry) == [
        'h_bucket{route="r",le="0.5"} 2',
        'h_bucket{route="r",le="1"} 3',
        'h_bucket{route="r",le="+Inf"} 4',
        'h_sum{route="r"} 10.3',
        'h_count{route="r"} 4',
    ]


def test_labels_from_a_design_are_escaped() -> None:
    registry = Registry()
    registry.counter("a_total", "As.", "label").add(1, 'a "b"\\\nc')
    assert lines(registry) == ['a_total{label="a \\"b\\"\\\\\\nc"} 1']
