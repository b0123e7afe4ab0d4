"""A flow as one frozen value, read from ``flows/<name>.toml``: what to build, never how or where.

Every number has an upper limit, far above any real use: beyond it memory ends before any sentence.

Holds data set, network, training recipe, folding goal and checks. The order of the stages is
code (`lepton_hw.pipeline`), not configuration.
"""

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lepton_hw.toml_values import Duration, Named, Values, known, load_named

ROOT = Path(__file__).resolve().parent.parent
MOST_VALUES = 1 << 24  # of one image
Pixels = Annotated[int, Field(gt=0, le=1 << 13)]  # of one side
Count = Annotated[int, Field(gt=0, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, lt=1 << 32)]
Bits = Annotated[int, Field(ge=1, le=8)]


class Resize(Values):
    """Bilinear resize to `width` × `height` pixels."""

    op: Literal["resize"]
    width: Pixels
    height: Pixels


class CenterCrop(Values):
    """Cuts the middle `width` × `height` pixels."""

    op: Literal["center_crop"]
    width: Pixels
    height: Pixels


class RandomCrop(Values):
    """Zero-pads by `padding` on each side, then cuts `width` × `height` at a random place."""

    op: Literal["random_crop"]
    width: Pixels
    height: Pixels
    padding: Annotated[int, Field(ge=0, le=1024)] = 0


class Flip(Values):
    """Mirrors left-right with the given probability."""

    op: Literal["flip"]
    probability: Annotated[float, Field(ge=0, le=1)] = 0.5


class Rotate(Values):
    """Rotates by a random angle of at most `degrees` either way."""

    op: Literal["rotate"]
    degrees: Annotated[float, Field(gt=0, le=180)]


class Brightness(Values):
    """Multiplies by a random factor from 1 - `amount` to 1 + `amount`, clipped to 0..255."""

    op: Literal["brightness"]
    amount: Annotated[float, Field(gt=0, lt=1)]


class Denoise(Values):
    """Median or Gaussian filter of odd `size` (pixels)."""

    op: Literal["denoise"]
    method: Literal["median", "gaussian"]
    size: Annotated[int, Field(ge=3, le=15)] = 3


class Normalise(Values):
    """Codes = clip(round((pixel / 255 - mean) / std / scale), -128, 127) as INT8, per channel."""

    op: Literal["normalise"]
    mean: tuple[Annotated[float, Field(ge=-1000, le=1000)], ...]
    std: tuple[Annotated[float, Field(gt=0, le=1000)], ...]
    scale: Annotated[float, Field(gt=0, le=1000)] = 1 / 32


Step = Annotated[
    Resize | CenterCrop | RandomCrop | Flip | Rotate | Brightness | Denoise | Normalise,
    Field(discriminator="op"),
]


class Data(Values):
    """The data set and what the host does to an image before the hardware's door.

    `preprocess` runs on every image, on the board too, and is written into the input contract;
    it must not be random. `augment` runs in training only.
    """

    set: str
    path: str = ""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    shape: tuple[Pixels, Pixels, Pixels] | None = None
    classes: Annotated[int, Field(ge=2, le=100_000)] | None = None
    preprocess: tuple[Step, ...] = ()
    augment: tuple[Step, ...] = ()

    @model_validator(mode="after")
    def _fits_memory(self) -> "Data":
        values = math.prod(self.shape or ())
        if self.set == "synthetic":  # as many images for each class
            values *= self.classes or 1
        if values > MOST_VALUES:
            raise ValueError(f"a shape (times classes, if synthetic) of at most {MOST_VALUES:,}")
        return self

    @model_validator(mode="after")
    def _preprocess_is_repeatable(self) -> "Data":
        for step in self.preprocess:
            if isinstance(step, RandomCrop | Flip | Rotate | Brightness):
                raise ValueError(f"no random step in preprocess, move '{step.op}' to augment")
        if any(isinstance(step, Normalise) for step in (*self.preprocess[:-1], *self.augment)):
            raise ValueError("normalise only as the last step of preprocess: it ends with codes")
        return self


class Model(Values):
    """A network of `lepton_hw.models` by name, and its bit widths."""

    name: str
    weight_bits: Bits
    act_bits: Bits
    width: Annotated[float, Field(gt=0, le=4)] = 1.0


class Train(Values):
    """AdamW with a cosine schedule; everything is derived from `seed`.

    `threads` is part of the recipe, since the order of float sums depends on it: with the same
    number every CPU of the same kind gives the same weights, however many cores it has.
    """

    epochs: Count
    batch_size: Count = 64
    learning_rate: Annotated[float, Field(gt=0, le=1000)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0, le=1000)] = 1e-4
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seed: Seed = 0
    threads: Annotated[int, Field(gt=0, le=256)] = 1
    init: str = ""


class Compile(Values):
    """The folding goal: frames per second and microseconds of one frame at the board's clock with
    the fewest resources, a FINN folding JSON, or the fastest design that fits the board.

    With the `objective` ``latency``, the design that fits and takes the least time for one frame:
    of all for `largest`, of those with that rate for `target_fps`.
    `fifo_max_depth` in beats and `fifo_time_limit` (``"60 s"``; in seconds) bound the FIFOs and
    the search for their depths; the best that is found within them is kept. `runtime_weights`
    makes the weights of matrix layers rewritable by software. `bits_per_stage` is how many bits our
    dot products add in one clock cycle: fewer for a faster clock, with more registers.
    """

    target_fps: Annotated[int, Field(gt=0, le=1_000_000_000)] | None = None
    target_latency_us: Annotated[float, Field(gt=0, le=1e9)] | None = None
    folding: str | None = None
    largest: bool = False
    objective: Literal["rate", "latency"] = "rate"
    fifo_max_depth: Annotated[int, Field(ge=2, le=1 << 24)] | None = None
    fifo_time_limit: Annotated[Duration, Field(gt=0, le=1e6)] | None = None
    runtime_weights: bool = False
    bits_per_stage: Annotated[int, Field(ge=8, le=1024)] = 32

    @model_validator(mode="after")
    def _one_goal(self) -> "Compile":
        target = self.target_fps is not None or self.target_latency_us is not None
        if sum((target, self.folding is not None, self.largest)) != 1:
            raise ValueError(
                "exactly one of target_fps, target_latency_us, folding and largest (the first two"
                " may go together)"
            )
        if self.objective == "latency" and self.folding is not None:
            raise ValueError("objective latency only with target_fps or largest")
        if self.objective == "latency" and self.target_latency_us is not None:
            raise ValueError("either objective latency, for the least, or target_latency_us")
        return self


class Check(Values):
    """How much is proven: images through the RTL, and random vectors where no data set is.

    `vectors` is how many PyTorch, QONNX and the integer path are compared on: a number, "all", or
    by default those that the RTL ran.
    """

    rtl_images: Count = 360
    random_vectors: Count = 64
    vectors: Count | Literal["all"] | None = None
    seed: Seed = 0


class Flow(Named):
    """A whole flow. `model_file` stands for data, model and training in a bring-your-own build.

    `input_type` and `input_scale` say which integers such a model takes, where its file does not:
    a code c stands for ``input_scale * c``.
    """

    title: str = ""
    data: Data | None = None
    model: Model | None = None
    train: Train | None = None
    model_file: str | None = None
    input_type: str = ""
    input_scale: Annotated[float, Field(gt=0, le=1e9)] = 1.0
    compile: Compile
    check: Check = Check()

    @model_validator(mode="after")
    def _trained_or_given(self) -> "Flow":
        parts = {"data": self.data, "model": self.model, "train": self.train}
        if self.model_file is None:
            missing = [name for name, part in parts.items() if part is None]
            if missing:
                raise ValueError(f"the table [{missing[0]}], or model_file for a finished model")
        elif any(part is not None for part in parts.values()):
            raise ValueError("either model_file or the tables data, model and train")
        return self


def known_flows() -> list[str]:
    """Names of all flow files, sorted."""
    return known("flows")


def load_flow(name: str) -> Flow:
    """Reads a flow by name or by the path of its file; raises `InputError`."""
    return load_named(name, Flow, "flows")
