"""Flow → trained weights, with metrics on the held-out set.

Deterministic by seed on a CPU. Never exports and never compiles.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Any, ClassVar

from lepton_hw.artifacts import Artifact, digest, file_digest
from lepton_hw.board import Board
from lepton_hw.data import load
from lepton_hw.data.dataset import Dataset
from lepton_hw.devices import require_device
from lepton_hw.errors import InputError
from lepton_hw.flow import Flow
from lepton_hw.progress import SILENT, Progress
from lepton_hw.sources import code_digest
from lepton_hw.training.checkpoint import LARGEST, load_dict, packed
from lepton_hw.training.metrics import Metrics, metrics

WEIGHTS = "weights.pt"


class Trained(Artifact):
    """``weights.pt`` (a state_dict) and what it is worth on the held-out set.

    `input_shape` is (H, W, C) at the door; `history` has loss and accuracy of each epoch;
    `threshold_margin` is the smallest distance of an activation's threshold from an integer sum.
    """

    stage: ClassVar[str] = "train"

    metrics: Metrics
    history: tuple[dict[str, float], ...]
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]
    parameters: int
    threshold_margin: float


def run(
    flow: Flow,
    board: Board,
    workdir: Path,
    progress: Progress = SILENT,
    checkpoints: Path | None = None,
    device: str = "cpu",
) -> Trained:
    """Trains the network of the flow and writes ``weights.pt`` into `workdir`.

    `checkpoints` is a folder that outlives a killed run; without one nothing can be resumed.
    Raises `InputError` for a bad recipe or data, `MissingTool` without the device, `StageError`
    where training diverges.
    """
    import torch

    from lepton_hw.training.loop import Trainer
    from lepton_hw.training.settle import settle

    if flow.data is None or flow.model is None or flow.train is None:
        raise InputError(
            f"flow '{flow.name}' starts from a finished model",
            "the tables [data], [model] and [train]",
            "start at the export stage",
        )
    require_device(device)
    dataset = load(flow.data, progress)
    torch.manual_seed(flow.train.seed)
    network = build_network(flow, dataset)
    if network.per_pixel:
        raise InputError(
            f"network '{flow.model.name}' gives a class for each pixel, data set "
            f"'{flow.data.set}' has one for each image",
            "a network with one class for each image",
            "choose another model.name",
        )
    if flow.train.init:
        _start_from(network, Path(flow.train.init), progress)
    trainer = Trainer(
        network,
        dataset,
        flow.data,
        flow.train,
        checkpoints or workdir / "checkpoints",
        recipe_key(flow, device),
        device,
    )
    before = torch.get_num_threads()
    torch.set_num_threads(flow.train.threads)
    try:
        trainer.run(progress)
    finally:
        torch.set_num_threads(before)
    network.cpu()
    trainer.device = "cpu"
    margin = settle(network, trainer.test_codes)
    predicted = trainer.predict(trainer.test_codes)
    (workdir / WEIGHTS).write_bytes(packed(network.state_dict()))
    trainer.forget()
    return Trained(
        metrics=metrics(dataset.test_labels, predicted, dataset.classes),
        history=tuple(trainer.history),
        classes=dataset.classes,
        input_shape=door_shape(flow, dataset),
        threshold_margin=round(margin, 6),
        parameters=sum(p.numel() for p in network.parameters()),
    )


def recipe_key(flow: Flow, device: str) -> str:
    """Digest of all that a training depends on; a checkpoint of another one is ignored."""
    import torch

    assert flow.data and flow.model and flow.train
    init = Path(flow.train.init) if flow.train.init else None
    return digest(
        {
            "data": flow.data.model_dump(mode="json"),
            "model": flow.model.model_dump(mode="json"),
            "train": flow.train.model_dump(mode="json"),
            "init": file_digest(init) if init and init.is_file() else "",
            "device": device,
            "code": code_digest(__name__),
            "torch": str(torch.__version__),
        }
    )


def door_shape(flow: Flow, dataset: Dataset) -> tuple[int, int, int]:
    """(H, W, C) of an image after the host's steps."""
    from lepton_hw.data.preprocess import prepare

    assert flow.data
    height, width, channels = prepare(dataset.test_images[:1], flow.data.preprocess).shape[1:]
    return height, width, channels


def build_network(flow: Flow, dataset: Dataset) -> Any:
    """The untrained network of the flow for this data set."""
    from lepton_hw import models

    assert flow.model
    return models.build(flow.model, door_shape(flow, dataset), len(dataset.classes))


def load_weights(path: Path) -> dict[str, Any]:
    """A state_dict from a file; raises `InputError` for anything else. Runs no code from it."""
    import torch

    state = load_dict(path)
    if state is None or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(
            f"{path} {_what_is_wrong(path)}",
            f"a {WEIGHTS} of an earlier training",
            "check the path",
        )
    return state


def _what_is_wrong(path: Path) -> str:
    """Why a path gives no weights."""
    try:
        about = path.stat()
    except (FileNotFoundError, ValueError):  # as of a name with a zero in it
        return "does not exist"
    except OSError as error:  # too long, a loop of links, not permitted, below a file
        return f"cannot be read ({error.strerror})"
    if not stat.S_ISREG(about.st_mode):
        return "is a folder" if stat.S_ISDIR(about.st_mode) else "is a device or a pipe"
    if not os.access(path, os.R_OK):
        return f"cannot be read ({os.strerror(errno.EACCES)})"
    if about.st_size > LARGEST:
        return f"has {about.st_size:,} bytes, more than {LARGEST:,},"
    return "holds no weights"


def _start_from(network: Any, path: Path, progress: Progress) -> None:
    """Takes over earlier weights; the head stays new where the number of classes differs."""
    state = load_weights(path)
    head = state.get("head.weight")
    kept = set()
    if head is not None and len(head) != len(network.head.weight):
        kept = {name for name in state if name.startswith("head.")}
        progress.say(f"{path}: {len(head)} classes, the head starts anew")
    body = {name: value for name, value in state.items() if name not in kept}
    try:
        # Not strict, since the head may stay; Brevitas knows which scales a file may lack.
        missing, unknown = network.load_state_dict(body, strict=False)
        wrong = [name for name in (*missing, *unknown) if name not in kept]
    except RuntimeError as error:  # a shape that differs; torch lists them line by line
        wrong = [str(error).splitlines()[-1].strip()]
    if wrong:
        raise InputError(
            f"{path} does not fit the network ({wrong[0]})",
            "weights of the same network, bit widths and width",
            "correct train.init or [model]",
        )
