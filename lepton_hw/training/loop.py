"""Quantisation-aware training: AdamW, one cosine from the learning rate down to zero.

On a CPU the result depends on the recipe and its seed only: every random choice comes from
generators seeded by (seed, epoch), so that a resumed run walks the same way.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from lepton_hw.data.dataset import Dataset
from lepton_hw.data.preprocess import apply, normalise, pixels, prepare
from lepton_hw.errors import InputError, StageError
from lepton_hw.flow import Data, Normalise, Train
from lepton_hw.models.layers import CALIBRATION_BATCHES
from lepton_hw.models.network import Network, door
from lepton_hw.progress import Progress
from lepton_hw.training import checkpoint

HISTORY = ("loss", "train_accuracy", "accuracy")  # of each epoch


def _finite(network: nn.Module) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in network.parameters())


@dataclass
class Trainer:
    """One training; `run` goes from the last checkpoint to the end."""

    network: Network
    dataset: Dataset
    data: Data
    recipe: Train
    checkpoints: Path
    key: str
    device: str = "cpu"
    history: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # The steps that are not random are done once; augmentation needs pixels, so that
        # normalise waits until after it.
        self.images = pixels(self.dataset.train_images, self.data.preprocess)
        self._check_augmentation()
        self.test_codes = prepare(self.dataset.test_images, self.data.preprocess)
        if self.recipe.init and not _finite(self.network):
            raise InputError(
                f"{self.recipe.init} holds a weight that is not a number",
                "finite weights",
                "pass another file in train.init",
            )
        self.network.to(self.device)

    def _check_augmentation(self) -> None:
        first = self.images[:1]
        augmented = apply(first, self.data.augment, np.random.default_rng(0))
        if augmented.shape != first.shape:
            raise InputError(
                f"augmentation turns images of {first.shape[1:]} into {augmented.shape[1:]}",
                "the same shape, which is that of the held-out images",
                "correct data.augment",
            )

    def run(self, progress: Progress) -> None:
        """Trains what is left of the epochs; `history` holds loss and accuracy of each."""
        steps = -(-len(self.images) // self.recipe.batch_size) * self.recipe.epochs
        state = checkpoint.read(self.checkpoints, self.key)
        if state is not None and not self._is_usable(state, steps):
            progress.say("the checkpoint is damaged, training starts anew")
            state = None
        if state is None:
            self._calibrate()
        else:
            self.network.load_state_dict(state["model"])
            self.history = list(state["history"])
        optimiser, schedule = self._optimiser(self.network, steps)
        if state is not None:
            optimiser.load_state_dict(state["optimiser"])
            schedule.load_state_dict(state["schedule"])
            torch.set_rng_state(state["torch_rng"])
            progress.say(f"training goes on after epoch {len(self.history)}")
        with progress.task("training", self.recipe.epochs) as task:
            task.advance(len(self.history))
            for epoch in range(len(self.history), self.recipe.epochs):
                self.history.append(self._epoch(epoch, optimiser, schedule))
                checkpoint.write(self.checkpoints, self.key, self._state(optimiser, schedule))
                last = self.history[-1]
                task.advance(1, f"loss {last['loss']:.3f}, accuracy {last['accuracy']:.2%}")
        self._average_normalisation()

    def forget(self) -> None:
        """Removes the checkpoint; for when the result has been written."""
        checkpoint.remove(self.checkpoints)

    def _optimiser(self, network: nn.Module, steps: int) -> tuple[Any, Any]:
        """With its schedule. Weight decay on matrices only: it would pull scales to zero."""
        parameters = [p for p in network.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1],
             "weight_decay": self.recipe.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]  # fmt: skip
        optimiser = torch.optim.AdamW(groups, lr=self.recipe.learning_rate, weight_decay=0.0)
        return optimiser, torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)

    def _is_usable(self, state: dict[str, Any], steps: int) -> bool:
        """Whether a copy of the network can go on from a checkpoint, with one step to nowhere."""
        state, network = copy.deepcopy(state), copy.deepcopy(self.network)
        try:
            network.load_state_dict(state["model"])
            optimiser, schedule = self._optimiser(network, steps)
            optimiser.load_state_dict(state["optimiser"])
            schedule.load_state_dict(state["schedule"])
            for parameter in network.parameters():
                parameter.grad = torch.zeros_like(parameter)
            optimiser.step()
            schedule.step()
            torch.Generator().set_state(state["torch_rng"])
            kept = [{name: float(each[name]) for name in HISTORY} for each in state["history"]]
            usable = kept == state["history"] and len(kept) <= self.recipe.epochs
        except Exception:  # there is no end to what may be wrong in it
            return False
        return usable and _finite(network)

    def _state(self, optimiser: Any, schedule: Any) -> dict[str, Any]:
        return {
            "model": self.network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
            "torch_rng": torch.get_rng_state(),
            "history": self.history,
        }

    def _calibrate(self) -> None:
        """Lets the activation quantisers see some batches, so that their scales are set.

        Done before the first step, so that no hidden counter has to survive a restart.
        """
        self.network.train()
        with torch.no_grad():
            seen = 0
            while seen <= CALIBRATION_BATCHES:
                for codes, _ in self._batches(0):
                    self.network(codes)
                    seen += 1
                    if seen > CALIBRATION_BATCHES:
                        break

    def _average_normalisation(self) -> None:
        """Takes means and variances anew, as plain averages over two passes with fixed weights.

        The running ones lag behind weights that still flip between two codes, which at 2 bits
        costs some per cent of accuracy.
        """
        norms = [
            m for m in self.network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)
        ]
        momentum = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average of all that follows
        self.network.train()
        with torch.no_grad():
            for extra in (1, 2):
                for codes, _ in self._batches(self.recipe.epochs + extra):
                    self.network(codes)
        for norm, value in zip(norms, momentum, strict=True):
            norm.momentum = value

    def _batches(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        random = np.random.default_rng([self.recipe.seed, epoch])
        order = random.permutation(len(self.images))
        size = self.recipe.batch_size
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            if len(chosen) == 1 and len(order) > 1:
                continue  # batch normalisation has no variance over one image
            codes: Any = apply(self.images[chosen], self.data.augment, random)
            for step in self.data.preprocess:
                if isinstance(step, Normalise):
                    codes = normalise(codes, step)
            labels = torch.from_numpy(self.dataset.train_labels[chosen])
            yield door(codes, self.network.flat).to(self.device), labels.to(self.device)

    def _epoch(self, epoch: int, optimiser: Any, schedule: Any) -> dict[str, float]:
        self.network.train()
        losses, right, seen = 0.0, 0, 0
        # Calibration uses the stream of epoch 0; training starts at 1.
        for codes, labels in self._batches(epoch + 1):
            optimiser.zero_grad()
            outputs = self.network(codes)
            loss = functional.cross_entropy(
                outputs, labels, label_smoothing=self.recipe.label_smoothing
            )
            loss.backward()
            optimiser.step()
            schedule.step()
            losses += float(loss.detach()) * len(labels)
            right += int((outputs.argmax(1) == labels).sum())
            seen += len(labels)
        if not np.isfinite(losses):
            raise StageError(
                f"the loss of epoch {epoch + 1} is not a number",
                "a finite loss",
                "lower train.learning_rate",
            )
        predicted = self.predict(self.test_codes)
        accuracy = float((predicted == self.dataset.test_labels).mean())
        return {"loss": losses / seen, "train_accuracy": right / seen, "accuracy": accuracy}

    def predict(self, codes: NDArray[Any]) -> NDArray[np.int64]:
        """Class numbers (N,) for door codes (N, H, W, C), as the network stands."""
        self.network.eval()
        found = []
        with torch.no_grad():
            for start in range(0, len(codes), 256):
                batch = door(codes[start : start + 256], self.network.flat).to(self.device)
                found.append(self.network(batch).argmax(1).cpu().numpy())
        return np.concatenate(found).astype(np.int64)
