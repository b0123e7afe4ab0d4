"""The certificate: the one claim "bit-exact", as a value that a machine can check.

Written to ``certificate.json``; computes nothing.
"""

from typing import Self

from pydantic import BaseModel, ConfigDict

from lepton_hw.contract import InputContract

#: The executor that is the design's gates, in the certificate beside a bitstream.
NETLIST = "netlist"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Agreement(_Frozen):
    """How many frames an executor ran, and in how many of them any output integer differed."""

    vectors: int
    mismatches: int


class LayerCheck(_Frozen):
    """How much was compared inside: every stream of the design, on the first `frames` vectors."""

    frames: int
    streams: int
    exact: bool


class LayerMargin(_Frozen):
    """Float decisions of one quantiser, and how near the nearest came to a threshold, in ULP."""

    layer: str
    decisions: int
    within_one_ulp: int
    smallest_margin_ulp: float


class FloatCheck(_Frozen):
    """Where the float model's rounding may decide: activations within one ULP of a threshold.

    The integers are the specification; these are the places at which float32 may not follow it.
    """

    decisions: int
    within_one_ulp: int
    layers: tuple[LayerMargin, ...]


class Divergence(_Frozen):
    """The first place where two executors differ.

    `layer` is the first layer whose output differs while its inputs agree; `frame` the vector;
    `index` the position in that layer's output; `expected` and `got` the two integers.
    """

    executor: str
    reference: str
    layer: str
    op: str
    frame: int
    index: tuple[int, ...]
    expected: int
    got: int | None

    def sentence(self) -> str:
        """What was found, in words."""
        got = "nothing" if self.got is None else self.got
        place = "[" + ", ".join(str(n) for n in self.index) + "]"
        return (
            f"{self.executor} and {self.reference} first differ in vector {self.frame} at the "
            f"output of layer {self.layer} ({self.op}), element {place}: "
            f"{self.executor} has {got}"
        )


class Certificate(_Frozen):
    """See the design's section on the certificate for the meaning of the fields.

    `exact` is true only if all executors agree on every output integer and RTL and FINN's graph
    on every integer between the layers, too. `reference` names the executor that the others are
    compared with; `cycles_per_frame` is the
    steady state measured in RTL; `digests` are SHA-256 of model, RTL and vectors. `remedies` says
    what was changed in a given model so that it maps, and `changed_vectors` in how many vectors
    the changed model's outputs are not the given one's; the claim is about the changed one.
    """

    exact: bool
    reference: str
    executors: dict[str, Agreement]
    layers: LayerCheck
    first_divergence: Divergence | None
    cycles_per_frame: int
    digests: dict[str, str]
    input_contract: InputContract
    versions: dict[str, str]
    float_check: FloatCheck | None = None
    remedies: tuple[str, ...] = ()
    changed_vectors: int = 0

    def with_netlist(self, vectors: int) -> Self:
        """With a row for the synthesised netlist, whose `vectors` gave the RTL's integers."""
        row = {NETLIST: Agreement(vectors=vectors, mismatches=0)}
        return self.model_copy(update={"executors": self.executors | row})
