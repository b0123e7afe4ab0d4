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
from lepton_hw.certificate import Agreement, Certificate, Divergence, LayerCheck
from lepton_hw.errors import InputError, Mismatch
from lepton_hw.executors.base import Executor, check_codes
from lepton_hw.executors.bisect import compare_layers, compare_reference, layers_of
from lepton_hw.executors.borderline import Borderline
from lepton_hw.executors.compare import agreement, at_output, first_wrong_frame
from lepton_hw.executors.finn_executor import FinnExecutor
from lepton_hw.executors.qonnx_executor import QonnxExecutor
from lepton_hw.executors.reference_executor import ReferenceExecutor
from lepton_hw.executors.rtl_executor import RtlExecutor
from lepton_hw.progress import Progress
from lepton_hw.sources import code_digest
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.export import Exported
from lepton_hw.stages.runner import PACKAGES, versions
from lepton_hw.stages.simulate import Simulated
from lepton_hw.stages.stitch import Stitched
from lepton_hw.stages.whole_set import WholeSet

Ints = NDArray[np.int64]
FILE, BORDERLINE = "certificate.json", "borderline.csv"
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
    vectors: int | str | None = None,
    kept: Path | None = None,
) -> Certified:
    """Compares all executors on the vectors that the RTL ran, and the quick ones on `vectors`.

    Args:
        exported, compiled, stitched, simulated: what is compared.
        workdir: gets ``certificate.json`` and ``borderline.csv``.
        progress: shows each executor.
        vectors: how many PyTorch, QONNX and the integer path are compared on: a number, "all",
            or None for those of the RTL.
        kept: a folder that outlives a stopped run, to go on from.
    """
    archive = np.load(exported.path("vectors.npz"))
    everything, torch_codes = archive["inputs"], archive.get("torch_codes")
    count = _how_many(vectors, simulated.images, len(everything))
    inputs = everything[: simulated.images].astype(np.int64)
    contract = compiled.contract
    finn = FinnExecutor(compiled.path("finn.onnx"), contract)
    integers = ReferenceExecutor(compiled.path("finn.onnx"), contract)
    qonnx = QonnxExecutor(exported.path("model.onnx"), contract)
    rtl = RtlExecutor(stitched.folder, contract, progress)
    borderline = Borderline(qonnx.model)
    results: dict[str, Ints] = {}
    if torch_codes is not None:
        results["torch"] = torch_codes[: simulated.images]
    results[qonnx.name] = qonnx.watched(check_codes(inputs, contract), borderline.add)
    for executor in (finn, integers):
        results[executor.name] = infer(executor, inputs, progress)
    results["rtl"] = np.load(simulated.path("outputs.npz"))["codes"]
    reference = next(iter(results))
    agreements = {name: agreement(results[reference], got) for name, got in results.items()}
    key = f"{exported.digest} {compiled.digest} {code_digest(__name__)}"
    rest = WholeSet(qonnx, integers, borderline, kept, key).run(
        everything[:count], torch_codes, len(inputs), progress
    )
    agreements = _joined(agreements, rest.agreements(len(inputs)))
    outputs_agree = not any(row.mismatches for row in agreements.values())
    frames = range(min(LAYER_FRAMES, len(inputs)))
    inside = compare_layers(rtl, finn, inputs, frames)
    divergence = inside
    if divergence is None and not outputs_agree:
        divergence = find_divergence(results, inputs, finn, rtl, integers) or rest.first
    borderline.save(workdir / BORDERLINE)
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
        float_check=borderline.check(),
        remedies=exported.remedies,
        changed_vectors=exported.changed_vectors,
    )
    write_atomically(workdir / FILE, certificate.model_dump_json(indent=2) + "\n")
    return Certified(certificate=certificate)


def _how_many(wanted: int | str | None, simulated: int, there: int) -> int:
    if wanted is None:
        return simulated
    if wanted == "all":
        return there
    count = int(wanted)
    if count > there:
        raise InputError(
            f"{count:,} vectors are wanted and {there:,} are there",
            f"at most {there:,}, or all",
            "lower check.vectors (--vectors)",
        )
    return max(count, simulated)


def _joined(one: dict[str, Agreement], more: dict[str, Agreement]) -> dict[str, Agreement]:
    """Both counts of each executor together."""
    nothing = Agreement(vectors=0, mismatches=0)
    return {
        name: Agreement(
            vectors=row.vectors + more.get(name, nothing).vectors,
            mismatches=row.mismatches + more.get(name, nothing).mismatches,
        )
        for name, row in one.items()
    }


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
    results: dict[str, Ints],
    inputs: Ints,
    finn: FinnExecutor,
    rtl: RtlExecutor,
    integers: ReferenceExecutor | None = None,
) -> Divergence | None:
    """The first layer at which the first pair of neighbouring executors differs.

    RTL and the integer path are compared with FINN's graph tensor by tensor; between the others,
    where layers do not correspond one to one, the place is the network's output.
    """
    for left, right in itertools.pairwise(results):
        frame = first_wrong_frame(results[left], results[right])
        if frame is None:
            continue
        inside = None
        if right == rtl.name:
            inside = compare_layers(rtl, finn, inputs, range(frame, frame + 1))
        elif integers is not None and right == integers.name:
            inside = compare_reference(integers, finn, rtl.design, inputs, frame)
        return inside or at_output(right, left, frame, results[left][frame], results[right][frame])
    return None


def require_exact(certificate: Certificate, place: Path) -> None:
    """Raises `Mismatch` unless the certificate says exact."""
    if certificate.exact:
        return
    worst = {n: row for n, row in certificate.executors.items() if row.mismatches}
    first = certificate.first_divergence
    found = first.sentence() if first else f"{', '.join(worst)} differ from the reference"
    expected = str(first.expected) if first else "equal integers"
    raise Mismatch(found, expected, f"see {place}; do not use this design")
