"""The page that a browser sees at ``/``: what is served, how to ask for it, and an image to try.

One document without anything from elsewhere.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .engine import Subject
    from .open_inference import Tensor

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name} · lepton_hw</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto;
        padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; margin-bottom: 0; }}
.state {{ color: #666; margin-top: 0; }}
table {{ border-collapse: collapse; }}
td, th {{ text-align: left; padding: .25rem 1.25rem .25rem 0; vertical-align: top; }}
td.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
th {{ font-weight: 600; color: #666; white-space: nowrap; }}
code, pre {{ font: .875rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }}
pre {{ overflow-x: auto; padding: .75rem 1rem; border: 1px solid #8884; border-radius: .375rem; }}
.bar {{ background: #2a78d6; height: .6rem; border-radius: 2px; margin-top: .45rem; }}
#said {{ min-height: 3rem; }}
</style></head><body>
<h1>{name}</h1>
<p class="state">{state} · on {where} · design <code>{digest}</code></p>
<h2>Try an image</h2>
<p><input type="file" id="file" accept="image/*" aria-label="an image file"></p>
<div id="said" aria-live="polite"></div>
<h2>Ask from a program</h2>
<pre># label and scores of an image file
curl --data-binary @image.png http://ADDRESS/classify
# what goes in and comes out; POST codes to …/infer (Open Inference Protocol)
curl http://ADDRESS/v2/models/{name}
# is it ready, and what has it done (Prometheus)
curl http://ADDRESS/v2/health/ready
curl http://ADDRESS/metrics</pre>
<table>
<tr><th>input</th><td>{input}</td></tr>
<tr><th>output</th><td>{output}</td></tr>
<tr><th>classes</th><td>{labels}</td></tr>
</table>
<script>
document.querySelector("pre").textContent =
  document.querySelector("pre").textContent.replaceAll("ADDRESS", location.host);
const said = document.getElementById("said");
document.getElementById("file").addEventListener("change", async (event) => {{
  const file = event.target.files[0];
  if (!file) return;
  said.textContent = "…";
  try {{
    const reply = await fetch("classify", {{ method: "POST", body: file }});
    const found = await reply.json();
    if (!reply.ok) {{ said.textContent = found.error; return; }}
    const table = document.createElement("table");
    const best = found.ranking.slice(0, 5);
    const most = Math.max(...best.map(([, score]) => Math.abs(score)), 1e-9);
    for (const [label, score] of best) {{
      const row = table.insertRow();
      row.insertCell().textContent = label;
      const number = row.insertCell();
      number.className = "n";
      number.textContent = score.toFixed(4);
      const bar = document.createElement("div");
      bar.className = "bar";
      bar.style.width = Math.max(0, score / most * 12) + "rem";
      row.insertCell().append(bar);
    }}
    said.replaceChildren(table);
  }} catch (error) {{ said.textContent = "the service does not answer (" + error.message + ")"; }}
}});
</script>
</body></html>
"""


def page(name: str, subject: Subject, state: str) -> str:
    """The whole document; everything that comes from a design is escaped."""
    labels = ", ".join(subject.labels[:20]) + (" …" if len(subject.labels) > 20 else "")
    return _PAGE.format(
        name=escape(name),
        state=escape(state),
        where=escape(subject.where),
        digest=escape(subject.digest[:12]),
        input=escape(_tensor(subject.input)),
        output=escape(_tensor(subject.output)),
        labels=escape(labels or "not named"),
    )


def _tensor(tensor: Tensor) -> str:
    shape = ", ".join(map(str, tensor.shape))
    return f"{tensor.dtype} codes (N, {shape}), {tensor.layout}"
