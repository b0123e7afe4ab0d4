"""The certify stage: all executors on the same integers, compared element by element.

Always gives a certificate, one that says no included; whoever asked for it decides to fail.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lepton_hw.artifacts import Artifact, write_atomically
from lepton_hw.certificate import Certificate, Divergence, LayerCheck
from lepton_hw.errors import Mismatch
from lepton_hw.executors.base import Executor
from lepton_hw.executors.bisect import compare_layers, layers_of
from lepton_hw.executors.compare import agreement, first_wrong_frame
from lepton_hw.executors.finn_executor import FinnExecutor
from lepton_hw.executors.qonnx_executor import QonnxExecutor
from lepton_hw.executors.rtl_executor import RtlExecutor
from lepton_hw.progress import Progress
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.export import Exported
from lepton_hw.stages.runner import PACKAGES, versions
from lepton_hw.stages.simulate import Simulated
from lepton_hw.stages.stitch import Stitched

Ints = NDArray[np.int64]
FILE = "certificate.json"
CHUNK = 20
#: Vectors on which every stream inside the design is compared too.
LAYER_FRAMES = 4


class Certified(Artifact):
    """The certificate, also in ``certificate.json``."""

    stage: ClassVar[str] = "certify"
    certificate: Certificate


def run(
    exported: Exported,
    compiled: Compiled,
    stitched: Stitched,
    simulated: Simulated,
    workdir: Path,
    progress: Progress,
) -> Certified:
    """Compares PyTorch, QONNX, FINN's graph and the RTL on the vectors that the RTL ran."""
    vectors = np.load(exported.path("vectors.npz"))
    inputs = vectors["inputs"][: simulated.images].astype(np.int64)
    contract = compiled.contract
    finn = FinnExecutor(compiled.path("finn.onnx"), contract)
    qonnx = QonnxExecutor(exported.path("model.onnx"), contract)
    rtl = RtlExecutor(stitched.folder, contract, progress)
    results: dict[str, Ints] = {}
    if "torch_codes" in vectors:
        results["torch"] = vectors["torch_codes"][: simulated.images]
    for executor in (qonnx, finn):
        results[executor.name] = infer(executor, inputs, progress)
    results["rtl"] = np.load(simulated.path("outputs.npz"))["codes"]
    reference = next(iter(results))
    agreements = {name: agreement(results[reference], got) for name, got in results.items()}
    outputs_agree = not any(row.mismatches for row in agreements.values())
    frames = range(min(LAYER_FRAMES, len(inputs)))
    inside = compare_layers(rtl, finn, inputs, frames)
    divergence = inside
    if divergence is None and not outputs_agree:
        divergence = find_divergence(results, inputs, finn, rtl)
    certificate = Certificate(
        exact=outputs_agree and inside is None,
        reference=reference,
        executors=agreements,
        layers=LayerCheck(
            frames=len(frames),
            streams=len(layers_of(rtl.design)),
            exact=inside is None,
        ),
        first_divergence=divergence,
        cycles_per_frame=simulated.cycles_per_frame,
        digests={
            "model": exported.files["model.onnx"],
            "rtl": stitched.rtl_digest,
            "vectors": exported.files["vectors.npz"],
        },
        input_contract=contract,
        versions=versions(PACKAGES["certify"]),
        remedies=exported.remedies,
        changed_vectors=exported.changed_vectors,
    )
    write_atomically(workdir / FILE, certificate.model_dump_json(indent=2) + "\n")
    return Certified(certificate=certificate)


def infer(executor: Executor, inputs: Ints, progress: Progress) -> Ints:
    """Runs an executor in chunks, so that it can be watched and stopped."""
    with progress.task(executor.name, len(inputs)) as task:
        parts = []
        for chunk in _chunks(inputs):
            parts.append(executor.infer(chunk))
            task.advance(len(chunk))
    return np.concatenate(parts)


def _chunks(inputs: Ints) -> Iterator[Ints]:
    for start in range(0, len(inputs), CHUNK):
        yield inputs[start : start + CHUNK]


def find_divergence(
    results: dict[str, Ints], inputs: Ints, finn: FinnExecutor, rtl: RtlExecutor
) -> Divergence | None:
    """The first layer at which the first pair of neighbouring executors differs.

    RTL against FINN's graph is bisected by stream; between the others, where layers do not
    correspond one to one, the place is the network's output.
    """
    for left, right in itertools.pairwise(results):
        frame = first_wrong_frame(results[left], results[right])
        if frame is None:
            continue
        inside = None
        if right == rtl.name:
            inside = compare_layers(rtl, finn, inputs, range(frame, frame + 1))
        return inside or _at_output(right, left, frame, results[left][frame], results[right][frame])
    return None


def _at_output(executor: str, reference: str, frame: int, expected: Ints, got: Ints) -> Divergence:
    index = tuple(int(n) for n in np.argwhere(expected != got)[0])
    return Divergence(
        executor=executor,
        reference=reference,
        layer="output",
        op="network",
        frame=frame,
        index=index,
        expected=int(expected[index]),
        got=int(got[index]),
    )


def require_exact(certificate: Certificate, place: Path) -> None:
    """Raises `Mismatch` unless the certificate says exact."""
    if certificate.exact:
        return
    worst = {n: row for n, row in certificate.executors.items() if row.mismatches}
    first = certificate.first_divergence
    found = first.sentence() if first else f"{', '.join(worst)} differ from the reference"
    expected = str(first.expected) if first else "equal integers"
    raise Mismatch(found, expected, f"see {place}; do not use this design")
