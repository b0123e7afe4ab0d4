"""Puts facts, words, plots and drawing into one HTML file that needs no network.

Everything from outside is escaped by the template engine; only our own SVG and CSS are not.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_hw.measure import words as measures
from lepton_hw.reporting import comparison_plots, drawing, plots, words
from lepton_hw.reporting.facts import Facts, LayerFacts
from lepton_hw.reporting.roofline import roofline

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).resolve().parent
TEMPLATE, STYLE = "page.html.j2", "style.css"
#: Boxes side by side in the drawing: on a wide screen, on a phone.
COLUMNS = (6, 2)
MOST_ROWS = 20  # of the table of classes
_INPUT, _OUTPUT = "\0input", "\0output"


def render(facts: Facts) -> str:
    """The whole page; the same facts give the same bytes."""
    from markupsafe import Markup

    environment = templates()
    environment.filters |= {"n": _number, "percent": _percent}
    environment.filters |= {"short": words.short, "brief": words.brief}
    pictures = {name: Markup(text) for name, text in _pictures(facts).items()}
    return environment.get_template(TEMPLATE).render(
        f=facts,
        words=words,
        css=Markup((HERE / STYLE).read_text()),
        pictures=pictures,
        **_derived(facts),
    )


def templates() -> "Environment":
    """Where pages are made from: everything is escaped, and a missing value is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"seconds": measures.seconds, "joules": measures.joules}
    return environment


def _pictures(facts: Facts) -> dict[str, str]:
    found = {
        "cycles": plots.cycles(facts),
        "resources": plots.resources(facts.uses),
        "placed": plots.resources(facts.built.uses, "placed") if facts.built else "",
        "fifos": plots.fifos(facts.fifos) if facts.fifos else "",
        "wide": network(facts, COLUMNS[0]),
        "narrow": network(facts, COLUMNS[1]),
        "confusion": "",
        "training": "",
    }
    if facts.training is not None:
        found["confusion"] = plots.confusion(facts.training.metrics)
        if facts.training.history:
            found["training"] = plots.training(facts.training.history)
    return found | _compared(facts)


def _compared(facts: Facts) -> dict[str, str]:
    """The plots of the comparison, where there is one with figures."""
    comparison, roof = facts.comparison, roofline(facts)
    if comparison is None or not any(target.rows for target in comparison.targets):
        return {}
    return {
        "latency": comparison_plots.latency(comparison),
        "throughput": comparison_plots.throughput(comparison),
        "breakdown": comparison_plots.breakdown(comparison),
        "energy": comparison_plots.energy(comparison),
        "roofline": comparison_plots.roofline(roof) if roof else "",
    }


def network(facts: Facts, columns: int) -> str:
    """The drawing of the layers, `columns` side by side; the slowest is marked."""
    source, sink = facts.contract.input, facts.contract.output
    boxes = [drawing.Box(_INPUT, ("Input", words.shape((1, *source.shape)), source.dtype), "door")]
    boxes += [_box(layer, facts.slowest) for layer in facts.layers]
    boxes.append(
        drawing.Box(_OUTPUT, ("Output", words.shape((1, *sink.shape)), sink.dtype), "door")
    )
    edges = [(start or _INPUT, end or _OUTPUT) for start, end in facts.edges]
    return drawing.draw(boxes, edges, columns, "The network, layer by layer")


def _box(layer: LayerFacts, slowest: LayerFacts) -> drawing.Box:
    lines = (
        plots.cut(words.operator(layer.op), 17),
        plots.cut(words.brief(layer.name), 20),
        plots.cut(f"{words.shape(layer.shape)} {layer.output_type}", 20),
    )
    return drawing.Box(layer.name, lines, words.kind(layer.op), layer is slowest)


def _derived(facts: Facts) -> dict[str, Any]:
    """What the template shows and would be clumsy to work out there."""
    layers = facts.layers
    same, of = facts.identical
    ties = sum(layer.cycles == facts.cycles for layer in layers)
    total = {use.name: use.used for use in facts.uses}
    return {
        "same": same,
        "of": of,
        "vectors": "images" if facts.training else "random vectors",
        "executors": [words.executor(name) for name in facts.certificate.executors],
        "slowest": facts.slowest,
        "as_slow": len(facts.as_slow) - 1,
        "ties": ties,
        "divergence": _divergence(facts),
        "most_fifos": plots.MOST_FIFOS,
        "has_uram": any(layer.uram for layer in layers),
        "no_lut": [layer for layer in layers if not layer.lut],
        "rest": {
            "lut": total["LUT"] - sum(layer.lut for layer in layers),
            "bram36": total["BRAM36"] - sum(layer.bram36 for layer in layers),
            "uram": total.get("URAM", 0) - sum(layer.uram for layer in layers),
            "dsp": total["DSP"] - sum(layer.dsp for layer in layers),
        },
        "total": total,
        "classes": _classes(facts),
        "confusions": _confusions(facts),
        **_comparison(facts),
    }


def _comparison(facts: Facts) -> dict[str, Any]:
    """What the section on CPUs and GPUs says beside its figures."""
    found = facts.comparison
    targets = found.targets if found else ()
    return {
        "compared": any(target.rows for target in targets),
        "modelled": any(target.modelled for target in targets),
        "on_a_board": any(
            r.latency.how == "measured" for t in targets if t.kind == "fpga" for r in t.rows
        ),
        "break_even": measures.overtaking(found.break_even) if found else [],
        "no_energy": measures.no_energy(targets),
        "anchors": facts.anchors,
    }


def _divergence(facts: Facts) -> str:
    """The first place where two executors differ, as a sentence; empty where none does."""
    first = facts.certificate.first_divergence
    if first is None:
        return ""
    names = {key: words.executor(getattr(first, key)) for key in ("executor", "reference")}
    return f"{first.model_copy(update=names).sentence()}, expected {first.expected}."


def _classes(facts: Facts) -> list[Any]:
    """Rows of the table of classes: all, or of very many those with the smallest F1."""
    if facts.training is None:
        return []
    rows = list(facts.training.metrics.classes)
    return rows if len(rows) <= MOST_ROWS else sorted(rows, key=lambda row: row.f1)[:MOST_ROWS]


def _confusions(facts: Facts) -> list[tuple[str, str, int]]:
    """(true class, taken for, images), most frequent first; at most eight."""
    if facts.training is None:
        return []
    metrics = facts.training.metrics
    names = [row.name for row in metrics.classes]
    pairs = [
        (names[true], names[taken], images)
        for true, row in enumerate(metrics.confusion)
        for taken, images in enumerate(row)
        if true != taken and images
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:8]


def _number(value: float, digits: int = 0) -> str:
    """With thousands separators; a whole number without decimals."""
    text = f"{value:,.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def _percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f}\u00a0%".replace("-", "−")
