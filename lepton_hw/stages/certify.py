"""The certify stage: all executors on the same integers, compared element by element.

Always gives a certificate, one that says no included; whoever asked for it decides to fail.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lepton_hw.artifacts import Artifact, file_digest, write_atomically
from lepton_hw.certificate import Certificate, Divergence
from lepton_hw.errors import Mismatch
from lepton_hw.executors.base import Executor
from lepton_hw.executors.compare import agreement, first_wrong_frame
from lepton_hw.progress import Progress
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.export import Exported
from lepton_hw.stages.runner import PACKAGES, versions
from lepton_hw.stages.simulate import Simulated
from lepton_hw.stages.stitch import Stitched

Ints = NDArray[np.int64]
FILE = "certificate.json"
CHUNK = 20


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
    from lepton_hw.executors.finn_executor import FinnExecutor
    from lepton_hw.executors.qonnx_executor import QonnxExecutor

    vectors = np.load(exported.path("vectors.npz"))
    inputs = vectors["inputs"][: simulated.images].astype(np.int64)
    contract = compiled.contract
    finn = FinnExecutor(compiled.path("finn.onnx"), contract)
    qonnx = QonnxExecutor(exported.path("model.onnx"), contract)
    results: dict[str, Ints] = {}
    if "torch_codes" in vectors:
        results["torch"] = vectors["torch_codes"][: simulated.images]
    for executor in (qonnx, finn):
        results[executor.name] = infer(executor, inputs, progress)
    results["rtl"] = np.load(simulated.path("outputs.npz"))["codes"]
    reference = next(iter(results))
    agreements = {name: agreement(results[reference], got) for name, got in results.items()}
    divergence = None
    if any(row.mismatches for row in agreements.values()):
        divergence = find_divergence(results, inputs, finn, stitched.folder)
    certificate = Certificate(
        exact=not any(row.mismatches for row in agreements.values()),
        reference=reference,
        executors=agreements,
        first_divergence=divergence,
        cycles_per_frame=simulated.cycles_per_frame,
        digests={
            "model": exported.files["model.onnx"],
            "rtl": stitched.rtl_digest,
            "vectors": file_digest(exported.path("vectors.npz")),
        },
        input_contract=contract,
        versions=versions(PACKAGES["certify"]),
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
    results: dict[str, Ints], inputs: Ints, finn: Executor, design: Path
) -> Divergence | None:
    """The first layer at which the first pair of neighbouring executors differs.

    RTL against FINN's graph is bisected by stream; between the others, where layers do not
    correspond one to one, the place is the network's output.
    """
    names = list(results)
    for left, right in zip(names, names[1:], strict=False):
        frame = first_wrong_frame(results[left], results[right])
        if frame is None:
            continue
        if right == "rtl":
            found = _bisect(finn, design, inputs, frame)
            if found is not None:
                return found
        return _at_output(right, left, frame, results[left][frame], results[right][frame])
    return None


def _bisect(finn: Executor, design: Path, inputs: Ints, frame: int) -> Divergence | None:
    from lepton_hw.executors.bisect import bisect_rtl
    from lepton_hw.executors.finn_executor import FinnExecutor
    from lepton_hw.executors.rtl_executor import RtlExecutor

    assert isinstance(finn, FinnExecutor)
    return bisect_rtl(RtlExecutor(design, finn.contract), finn, inputs, frame)


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
