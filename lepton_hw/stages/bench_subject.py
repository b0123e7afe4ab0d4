"""What all targets of a comparison compute: the same images, and what each must answer.

It runs no target.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.contract import InputContract
from lepton_hw.data import load
from lepton_hw.data.preprocess import prepare
from lepton_hw.executors.engines import Source
from lepton_hw.executors.reference_executor import ReferenceExecutor
from lepton_hw.flow import Flow
from lepton_hw.progress import Progress
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.export import Exported
from lepton_hw.stages.train import WEIGHTS, Trained, build_network, load_weights

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Answer:
    """How a target's codes compare: frames with equal integers, with the equal class; accuracy."""

    images: int
    identical: int
    same_decision: int
    accuracy: float | None


@dataclass(frozen=True)
class Subject:
    """`frames` are pixels (or, of a finished model, codes), which `prepare` makes `codes`; the
    reference's output is `expected`; `labels` are None where there are none.
    """

    contract: InputContract
    frames: NDArray[Any]
    prepare: Callable[[Any], Any]
    codes: NDArray[Any]
    expected: Ints
    labels: Ints | None

    def batch(self, size: int) -> NDArray[Any]:
        """So many frames, the first again behind the last."""
        return np.resize(self.frames, (size, *self.frames.shape[1:]))

    def batch_of_codes(self, size: int) -> NDArray[Any]:
        """The same, prepared."""
        return np.resize(self.codes, (size, *self.codes.shape[1:]))

    def judge(self, found: Ints) -> Answer:
        """Codes (N, …) of the first N frames against the reference."""
        expected = self.expected[: len(found)]
        axes = tuple(range(1, expected.ndim))
        mine, theirs = decisions(found), decisions(expected)
        right = None
        if self.labels is not None and mine.ndim == 1:
            right = float((mine == self.labels[: len(found)]).mean())
        return Answer(
            images=len(found),
            identical=int((found == expected).all(axis=axes).sum()),
            same_decision=int((mine == theirs).reshape(len(found), -1).all(axis=1).sum()),
            accuracy=right,
        )


def decisions(codes: Ints) -> Ints:
    """The class of each frame, or of each pixel; codes that are one number are decided already."""
    if codes.ndim < 2 or codes.shape[-1] == 1:
        return codes
    found: Ints = codes.argmax(axis=-1)
    return found


def subject(
    flow: Flow, exported: Exported, integers: Path, most: int, progress: Progress
) -> Subject:
    """At most `most` frames of the vectors that the export stage wrote."""
    with np.load(exported.path("vectors.npz")) as archive:
        codes = archive["inputs"][:most]
        labels = archive["labels"][:most] if "labels" in archive else None
        expected = archive["torch_codes"][:most] if "torch_codes" in archive else None
    contract = exported.contract
    if expected is None:
        expected = ReferenceExecutor(integers, contract).infer(codes)
    if flow.data is None:
        return Subject(contract, codes, lambda frames: frames, codes, expected, labels)
    steps, shape = flow.data.preprocess, contract.input.shape
    return Subject(
        contract=contract,
        frames=load(flow.data, progress).test_images[:most],
        prepare=lambda images: prepare(images, steps).reshape(len(images), *shape),
        codes=codes,
        expected=expected,
        labels=labels,
    )


def source(
    flow: Flow, trained: Trained | None, exported: Exported, compiled: Compiled | None,
    progress: Progress,
) -> Source:  # fmt: skip
    """The network in all its forms; the integer path runs FINN's graph where there is one."""
    network = None
    if trained is not None and flow.data is not None:
        import torch

        with torch.random.fork_rng():
            network = build_network(flow, load(flow.data, progress))
        network.load_state_dict(load_weights(trained.path(WEIGHTS)))
    qonnx = exported.path("model.onnx")
    integers = compiled.path("finn.onnx") if compiled is not None else qonnx
    return Source(network, qonnx, integers, exported.contract)
