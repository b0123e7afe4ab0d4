"""Compares executors on more vectors than the RTL can run, chunk by chunk.

Holds one chunk of outputs at a time, and keeps what it has found after each, so that a comparison
that was stopped goes on where it was.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.artifacts import write_atomically
from lepton_hw.certificate import Agreement, Divergence
from lepton_hw.executors.base import check_codes
from lepton_hw.executors.borderline import Borderline
from lepton_hw.executors.compare import agreement, at_output, first_wrong_frame
from lepton_hw.executors.qonnx_executor import QonnxExecutor, Watch
from lepton_hw.executors.reference_executor import ReferenceExecutor
from lepton_hw.progress import Progress

Ints = NDArray[np.int64]
CHUNK = 256
FILE = "whole_set.json"


@dataclass
class Found:
    """Frames compared up to `done`, and what differed: frames by executor, the first place."""

    done: int
    mismatches: dict[str, int] = field(default_factory=dict)
    first: Divergence | None = None

    def add(self, start: int, reference: str, results: Mapping[str, Ints]) -> None:
        """One chunk of outputs by executor, all of the same frames from `start` on."""
        expected = results[reference]
        for name, got in results.items():
            self.mismatches[name] = (
                self.mismatches.get(name, 0) + agreement(expected, got).mismatches
            )
            frame = first_wrong_frame(expected, got)
            if frame is not None and self.first is None:
                self.first = at_output(name, reference, start + frame, expected[frame], got[frame])
        self.done = start + len(expected)

    def agreements(self, since: int) -> dict[str, Agreement]:
        """Per executor, over the frames from `since` to the end."""
        return {
            name: Agreement(vectors=self.done - since, mismatches=wrong)
            for name, wrong in self.mismatches.items()
        }


class WholeSet:
    """A comparison of PyTorch's codes, QONNX and the integer path from frame `start` on."""

    def __init__(
        self,
        qonnx: QonnxExecutor,
        integers: ReferenceExecutor,
        borderline: Borderline,
        kept: Path | None,
        key: str,
    ) -> None:
        self.qonnx, self.integers, self.borderline = qonnx, integers, borderline
        self.file, self.key = (None if kept is None else kept / FILE), key

    def run(
        self, inputs: NDArray[Any], torch_codes: Ints | None, start: int, progress: Progress
    ) -> Found:
        """Compares `inputs[start:]`; `torch_codes` belong to all of `inputs`."""
        found = self._restored(start)
        with progress.task("all vectors", len(inputs) - start) as task:
            task.advance(found.done - start)
            while found.done < len(inputs):
                first = found.done
                chunk = check_codes(inputs[first : first + CHUNK], self.qonnx.contract)
                results: dict[str, Ints] = {}
                if torch_codes is not None:
                    results["torch"] = torch_codes[first : first + len(chunk)]
                results["qonnx"] = self.qonnx.watched(chunk, self._watch(first))
                results["reference"] = self.integers.infer(chunk)
                found.add(first, next(iter(results)), results)
                self._keep(found, start)
                task.advance(len(chunk))
        return found

    def _watch(self, first: int) -> Watch:
        return lambda tensors, frame: self.borderline.add(tensors, first + frame)

    def _restored(self, start: int) -> Found:
        if self.file is None or not self.file.is_file():
            return Found(start)
        try:
            state = json.loads(self.file.read_text())
            if state["key"] != self.key or state["start"] != start:
                return Found(start)
            first = None if state["first"] is None else Divergence(**state["first"])
            self.borderline.restore(state["borderline"])
            return Found(state["done"], state["mismatches"], first)
        except (ValueError, KeyError, TypeError):  # cut off, or of another version
            return Found(start)

    def _keep(self, found: Found, start: int) -> None:
        if self.file is None:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "key": self.key,
            "start": start,
            "done": found.done,
            "mismatches": found.mismatches,
            "first": None if found.first is None else found.first.model_dump(mode="json"),
            "borderline": self.borderline.state(),
        }
        write_atomically(self.file, json.dumps(state))
